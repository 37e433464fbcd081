"""The record is only ever added to, and only who may sees it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from agents.models import Agent
from audit.models import Entry
from audit.record import record
from people.models import Person


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entry set kind = 'x'",
        "delete from audit_entry",
        "update audit_line set kind = 'x'",
        "delete from audit_line",
        "update audit_payload set body = '{}'",
        "update audit_pending set id = id + 1000",
    ],
)
def test_entries_cannot_be_changed_or_removed(scout: Agent, statement: str) -> None:
    before = list(Entry.objects.values_list("kind", flat=True))
    assert before

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert list(Entry.objects.values_list("kind", flat=True)) == before


@pytest.mark.parametrize(
    "table", ["line", "payload", "pending", "leaf", "tile", "checkpoint", "logkey", "log"]
)
def test_nothing_can_be_truncated(scout: Agent, table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"alter table audit_{table} enable trigger is_not_truncated")
        with pytest.raises(DatabaseError, match="only added"), transaction.atomic():
            cursor.execute(f"truncate audit_{table}")
        transaction.set_rollback(True)


def test_entries_are_seen_by_their_teams(
    scout: Agent, ada: Person, iris: Person, eve: Person
) -> None:
    def seen(person: Person) -> int:
        return Entry.objects.visible_to(person).about(scout.record_name).count()

    assert seen(ada) > 0
    assert seen(iris) == seen(ada)
    assert seen(eve) == 0


def test_people_stand_in_it_by_id(scout: Agent, ada: Person) -> None:
    record("agent.resumed", actor=ada.signature, about=scout)

    assert str(ada.signature) == "person:ada"
    assert Entry.objects.latest("pk").actor == f"person:{ada.pk}"
    with pytest.raises(ValueError, match="by their id"):
        record("agent.resumed", actor="person:ada", about=scout)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_what_could_not_be_read_again_is_not_written(scout: Agent, text: str) -> None:
    with pytest.raises((DatabaseError, ValueError)), transaction.atomic():
        record("agent.resumed", actor="clock", about=scout, summary=text)
