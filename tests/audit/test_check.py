"""What somebody does behind the application's back is found, and named."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from audit import keys, sequencing
from audit.check import check
from audit.models import Entry

pytestmark = pytest.mark.django_db


def write(count: int, **fields: Any) -> None:
    given = {"kind": "test.line", "actor": "clock", "about": "nothing", "summary": "a line"}
    Entry.objects.bulk_create(Entry(**{**given, **fields}) for _ in range(count))


@pytest.fixture
def written() -> None:
    write(300)
    sequencing.sequence(100)
    sequencing.sequence(150)
    keys.rotate(by="command")
    sequencing.sequence()
    write(5)
    sequencing.sequence()
    write(2)


def behind_our_back(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount > 0
        cursor.execute("set local session_replication_role = origin")


def test_nothing_is_wrong_with_what_nobody_touched(written: None) -> None:
    assert check() == []
    assert check(since=120) == []
    assert check(since=256) == []


def test_an_empty_house_has_nothing_wrong() -> None:
    assert check() == []


FIFTH = "(select line from audit_leaf where index = 5)"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        *(
            (f"update audit_line set {column} = 'x' where id = {FIFTH}", "line_changed")
            for column in ("kind", "actor", "about", "team", "agent", "run")
        ),
        (f"update audit_line set version = 7 where id = {FIFTH}", "line_changed"),
        (
            f"with p as (update audit_payload set at = at + interval '1 microsecond' where id = {FIFTH})"
            f" update audit_line set at = at + interval '1 microsecond' where id = {FIFTH}",
            "line_changed",
        ),
        (f"update audit_payload set body = body || ' ' where id = {FIFTH}", "payload_changed"),
        (
            f"update audit_payload set salt = gen_random_uuid() where id = {FIFTH}",
            "payload_changed",
        ),
        (f"delete from audit_payload where id = {FIFTH}", "payload_missing"),
        (f"delete from audit_line where id = {FIFTH}", "line_missing"),
        ("delete from audit_leaf where index = 5", "leaf_missing"),
        ("delete from audit_leaf where index > 300", "tail_missing"),
        ("update audit_leaf set data = data || ' ' where index = 5", "leaf_changed"),
        ("update audit_leaf set hash = sha256('x') where index = 5", "leaf_changed"),
        (
            "update audit_leaf set data = replace(data, 'nothing', 'nobody'),"
            " hash = sha256('\\x00'::bytea || convert_to(replace(data, 'nothing', 'nobody'), 'UTF8'))"
            " where index = 5",
            "tile_changed",
        ),
        (
            "update audit_tile set hashes = hashes || sha256('x') where level = 0 and index = 1",
            "tile_changed",
        ),
        ("update audit_tile set hashes = sha256('x') where level = 1", "tile_changed"),
        ("delete from audit_tile where level = 0 and index = 0", "tile_changed"),
        ("update audit_checkpoint set root = sha256('x') where size = 100", "checkpoint_differs"),
        (
            "update audit_checkpoint set note = replace(note, '100', '101') where size = 100",
            "checkpoint_forged",
        ),
        ("delete from audit_checkpoint where size > 300", "leaf_unsigned"),
        ("update audit_logkey set public = sha256('x') where retired_at is null", "key_changed"),
        ("update audit_logkey set rotation = '' where retired_at is null", "key_not_vouched"),
        ("delete from audit_pending", "line_forgotten"),
        (
            "insert into audit_payload (id, at, body) values (1234567, now(), '{}')",
            "payload_orphaned",
        ),
    ],
)
def test_what_was_changed_is_found(written: None, statement: str, kind: str) -> None:
    behind_our_back(statement)

    found = check()

    assert kind in {problem.kind for problem in found}, found
    if "index = 5" in statement and kind.startswith(("line", "payload", "leaf")):
        assert found[0].index == 5


def test_two_lines_that_change_places_are_found(written: None) -> None:
    behind_our_back(
        "update audit_leaf a set data = b.data, hash = b.hash from audit_leaf b"
        " where (a.index, b.index) in ((5, 6), (6, 5))"
    )

    assert {"line_changed", "tile_changed"} <= {problem.kind for problem in check()}


def test_what_an_entry_says_was_erased_is_not_missing(written: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FIFTH)
        (number,) = cursor.fetchone()
    behind_our_back(f"delete from audit_payload where id = {number}")
    assert [problem.kind for problem in check()] == ["payload_missing"]

    write(1, kind="record.erased", data={"ids": [number]})

    assert check() == []
