"""The record is only ever added to, and only who may sees it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from agents.models import Agent
from audit.models import Entry
from people.models import Person


@pytest.mark.parametrize(
    "statement", ["update audit_entry set kind = 'x'", "delete from audit_entry"]
)
def test_entries_cannot_be_changed_or_removed(scout: Agent, statement: str) -> None:
    before = list(Entry.objects.values_list("kind", flat=True))
    assert before

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert list(Entry.objects.values_list("kind", flat=True)) == before


def test_entries_cannot_be_truncated(scout: Agent) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("alter table audit_entry enable trigger all")
        with pytest.raises(DatabaseError, match="only added"), transaction.atomic():
            cursor.execute("truncate audit_entry")
        transaction.set_rollback(True)


def test_entries_are_seen_by_their_teams(
    scout: Agent, ada: Person, iris: Person, eve: Person
) -> None:
    def seen(person: Person) -> int:
        return Entry.objects.visible_to(person).about(scout.record_name).count()

    assert seen(ada) > 0
    assert seen(iris) == seen(ada)
    assert seen(eve) == 0
