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


LAST = "id = (select max(id) from audit_line)"
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
        (
            f"with p as (update audit_payload set at = 'infinity' where id = {FIFTH})"
            f" update audit_line set at = 'infinity' where id = {FIFTH}",
            "line_changed",
        ),
        ("update audit_leaf set index = -1 where index = 305", "leaf_stray"),
        ("update audit_leaf set index = 1000000 where index = 305", "leaf_stray"),
        ("update audit_logkey set public = 'short' where retired_at is null", "key_changed"),
        (
            "update audit_checkpoint set note = replace(note, '100', repeat('9', 5000)) where size = 100",
            "checkpoint_forged",
        ),
        ("delete from audit_log", "log_missing"),
        ("delete from audit_logkey", "checkpoint_forged"),
        (
            "insert into audit_pending (id) select line from audit_leaf where index = 5",
            "pending_stray",
        ),
        ("insert into audit_pending (id) values (1234567)", "pending_stray"),
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


def test_what_was_gone_before_it_was_committed_to_is_found() -> None:
    write(1)
    behind_our_back("delete from audit_payload")

    sequencing.sequence()

    assert [problem.kind for problem in check()] == ["payload_missing"]


@pytest.mark.parametrize(
    "data",
    ['{"ids": ["x"]}', '{"ids": "all"}', '{"ids": [[5], null]}', "{}", "[]", '{"month": 7}', "7"],
)
@pytest.mark.parametrize("kind", ["record.erased", "record.expired"])
def test_an_erasure_that_names_nothing_is_named(written: None, kind: str, data: str) -> None:
    write(1, kind=kind, data={"ids": [1]})
    behind_our_back(f"""update audit_payload set body = '{{"data": {data}}}' where {LAST}""")

    assert [problem.kind for problem in check()] == ["erasure_unreadable"]


@pytest.mark.parametrize(
    "body", ["no JSON", "[]", '{"data": "\\u0000"}', "[" * 100_000, "9" * 5_000]
)
def test_an_erasure_that_was_tampered_with_is_named(written: None, body: str) -> None:
    write(1, kind="record.erased", data={"ids": [1]})
    sequencing.sequence()
    behind_our_back(f"update audit_payload set body = '{body}' where {LAST}")

    assert {problem.kind for problem in check()} == {"payload_changed", "erasure_unreadable"}


def test_an_expiry_of_a_few_is_no_excuse_for_the_rest_of_their_month(written: None) -> None:
    fifth, month = FIFTH, "to_char(at at time zone 'UTC', 'YYYY-MM')"
    with connection.cursor() as cursor:
        cursor.execute(f"select id, {month} from audit_line where id > {fifth} limit 1")
        number, of = cursor.fetchone()
    write(1, kind="record.expired", data={"month": of, "ids": [number]})
    behind_our_back(f"delete from audit_payload where id in ({number}, {fifth})")

    assert [(problem.kind, problem.index) for problem in check()] == [("payload_missing", 5)]


@pytest.mark.parametrize("names", ["ids", "month"])
def test_nothing_is_excused_by_what_was_said_before_it_was_written(names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select nextval('audit_line_id_seq') + 2, to_char(now() at time zone 'UTC', 'YYYY-MM')"
        )
        number, month = cursor.fetchone()
    told = {"ids": [number]} if names == "ids" else {"month": month}
    write(1, kind="record.erased" if names == "ids" else "record.expired", data=told)
    write(1)
    sequencing.sequence()
    behind_our_back(f"delete from audit_payload where id = {number}")

    assert [problem.kind for problem in check()] == ["payload_missing"]


def test_from_a_place_beyond_the_end_there_is_nothing_to_check(written: None) -> None:
    assert check(since=10**9) == []
    assert check(since=-5) == []


def test_a_line_noted_as_waiting_twice_does_not_stop_the_log(written: None) -> None:
    behind_our_back("insert into audit_pending (id) select line from audit_leaf where index = 5")

    assert sequencing.sequence() == 2
    assert check() == []
