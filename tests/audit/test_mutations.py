"""Whatever is changed in the database behind the application's back is caught: every column, of every kind of entry.

What a bundle holds is caught by whoever has the bundle and the key; what it does not hold, by `audit.check`.
Columns of lines and payloads are changed in the entries of all kinds at once, each of which must be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit import keys, kinds, sequencing
from audit.check import check
from audit.errors import Conflict
from audit.evidence import writing
from audit.models import Leaf, Line, LogKey, Payload
from watchfloor.evidence import Report, verify_bundle

from . import story

pytestmark = pytest.mark.django_db

LINE = {
    "at": "at + interval '1 microsecond'",
    "kind": "'hold.' || reverse(kind)",
    "version": "version + 1",
    "actor": "actor || 'x'",
    "about": "'x' || about",
    "team": "left('x' || team, 36)",
    "agent": "left('x' || agent, 36)",
    "run": "left('x' || run, 36)",
}
PAYLOAD = {
    "salt": "gen_random_uuid()",
    "body": "replace(body, '{', '{ ')",
}
IN_BODY = {
    "summary": "jsonb_set(body::jsonb, '{summary}', '\"Nothing happened.\"')::text",
    "data": "jsonb_set(body::jsonb, '{data}', '{}')::text",
    "source": "(body::jsonb - 'source')::text",
}
"""The parts of a payload's body; each entry of the story has all of them but data, which some kinds have not."""
ELSEWHERE = {
    "audit_line.id": "update audit_line set id = id + 100000",
    "audit_payload.id": "update audit_payload set id = id + 100000",
    "audit_payload.at": "update audit_payload set at = at + interval '1 microsecond'",
    "audit_leaf.index": "update audit_leaf set index = index + 100000 where index > 9",
    "audit_leaf.line": "update audit_leaf set line = -line",
    "audit_leaf.data": "update audit_leaf set data = replace(data, 'clock', 'nobody')",
    "audit_leaf.hash": "update audit_leaf set hash = sha256(hash) where index = 9",
    "audit_tile.level": "update audit_tile set level = level + 5",
    "audit_tile.index": "update audit_tile set index = index + 5",
    "audit_tile.hashes": "update audit_tile set hashes = reverse(hashes)",
    "audit_checkpoint.size": "update audit_checkpoint set size = size + 9 where size = {newest}",
    "audit_checkpoint.root": "update audit_checkpoint set root = sha256(root) where size = {newest}",
    "audit_checkpoint.note": "update audit_checkpoint set note = replace(note, '{newest}', '1') where size = {newest}",
    "audit_logkey.name": "update audit_logkey set name = 'x'",
    "audit_logkey.key_hash": "update audit_logkey set key_hash = reverse(key_hash)",
    "audit_logkey.public": "update audit_logkey set public = sha256(public)",
    "audit_logkey.rotation": "update audit_logkey set rotation = '' where id = (select max(id) from audit_logkey)",
    "audit_log.origin": "update audit_log set origin = 'elsewhere/record'",
    "a removed line": "delete from audit_line where id = (select line from audit_leaf where index = 9)",
    "a removed payload": "delete from audit_payload where id = (select line from audit_leaf where index = 9)",
    "a removed leaf": "delete from audit_leaf where index = 9",
    "a removed tail": "delete from audit_leaf where index = {newest} - 1",
    "a removed tile": "delete from audit_tile where level = 0",
    "a removed checkpoint": "delete from audit_checkpoint where size = {newest}",
    "two lines in each other's place": (
        "update audit_leaf set line = case index when 8 then -9 else -8 end where index in (8, 9)"
    ),
}
UNSIGNED = {
    "audit_checkpoint": {"at"},
    "audit_logkey": {"id", "sealed", "created_at", "retired_at", "from_size"},
    "audit_log": {"id", "created_at", "halted_at", "halted_reason"},
}
"""Notes for ourselves: nothing that is proved depends on them. A false `from_size` or `retired_at` makes a
signature wrong that is right, never the other way round."""


@pytest.fixture
def told() -> int:
    """One entry of every kind, under two keys; how many."""
    count = story.tell()
    keys.rotate(by="command")
    sequencing.sequence_all()
    return count


@contextmanager
def behind_our_back(statement: str) -> Iterator[None]:
    """The statement as somebody with the database's password runs it; afterwards it never happened."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local session_replication_role = replica")
            cursor.execute(statement)
            assert cursor.rowcount > 0, statement
            cursor.execute("set local session_replication_role = origin")
        yield
        transaction.set_rollback(True)


def seen_outside(folder: Path, key: str) -> Report:
    """What whoever holds the key says to a bundle that is made now."""
    folder.mkdir()
    writing.write(story.EVER, folder, by="the court", at=timezone.now())
    return verify_bundle(folder, keys=[key])


def number_of(report: Report, kind: str) -> int:
    """How many entries a problem is told of."""
    for problem in report.problems:
        if problem.kind == kind:
            _, more, rest = problem.text.partition(" (and ")
            return 1 + int(rest.split()[0].replace(",", "")) if more else 1
    return 0


def test_the_story_has_every_kind_and_is_proved(told: int, tmp_path: Path) -> None:
    known = {kind.name for kind in kinds.every()}

    assert set(Line.objects.values_list("kind", flat=True)) == known
    assert len(known) > 50
    assert seen_outside(tmp_path / "b", keys.keys()[0].vkey).problems == []
    assert check() == []


@pytest.mark.parametrize("column", LINE)
def test_every_column_of_a_line_is_told_for_every_kind(
    told: int, tmp_path: Path, column: str
) -> None:
    key = keys.keys()[0].vkey
    everything = Leaf.objects.count()

    with behind_our_back(f"update audit_line set {column} = {LINE[column]}"):
        report = seen_outside(tmp_path / "b", key)
        assert number_of(report, "line changed") == everything
        assert any(problem.kind == "root" for problem in report.problems)
        assert {problem.kind for problem in check()} >= {"line_changed"} or column == "at"
        assert check()


@pytest.mark.parametrize("column", PAYLOAD | IN_BODY)
def test_every_part_of_a_payload_is_told_for_every_kind(
    told: int, tmp_path: Path, column: str
) -> None:
    key = keys.keys()[0].vkey
    value = (PAYLOAD | IN_BODY)[column]
    name = column if column in PAYLOAD else "body"
    where = "body::jsonb ? 'source'" if column == "source" else "true"
    where = "body::jsonb -> 'data' <> '{}'" if column == "data" else where

    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from audit_payload where {where}")
        (several,) = cursor.fetchone()
    with behind_our_back(f"update audit_payload set {name} = {value} where {where}"):
        report = seen_outside(tmp_path / "b", key)
        assert number_of(report, "line changed") == several >= told - 1
        unreadable = {"erasure_unreadable"} if column == "data" else set()
        assert {problem.kind for problem in check()} == {"payload_changed"} | unreadable


def test_one_flip_in_one_kind_is_enough(told: int, tmp_path: Path) -> None:
    """The same for single entries, one of a few kinds after another: they are named by their place."""
    key = keys.keys()[0].vkey
    for number, leaf in enumerate(Leaf.objects.filter(index__lt=told).order_by("index")[::9]):
        statement = f"update audit_line set run = 'x' where id = {leaf.line}"
        with behind_our_back(statement):
            report = seen_outside(tmp_path / str(number), key)
            found = [p.index for p in report.problems if p.kind == "line changed"]
            assert found == [leaf.index]


def test_what_no_bundle_holds_is_found_by_checking(told: int) -> None:
    newest = Leaf.objects.count()

    for what, statement in ELSEWHERE.items():
        with behind_our_back(statement.format(newest=newest)):
            assert check(), what


def test_of_a_log_without_its_lines_nothing_is_exported(told: int, tmp_path: Path) -> None:
    for number, what in enumerate(["audit_line.id", "audit_leaf.line", "a removed line"]):
        with behind_our_back(ELSEWHERE[what]), pytest.raises(Conflict, match="gone from the data"):
            seen_outside(tmp_path / str(number), "")


def test_every_column_is_flipped_here() -> None:
    """Whoever adds one says here how it is caught, or why it need not be."""
    tables = ["line", "payload", "leaf", "tile", "checkpoint", "logkey", "log"]
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name || '.' || column_name from information_schema.columns "
            "where table_name = any(%s)",
            [[f"audit_{table}" for table in tables]],
        )
        columns = {name for (name,) in cursor.fetchall()}
    flipped = {f"audit_line.{name}" for name in LINE} | {
        f"audit_payload.{name}" for name in PAYLOAD
    }
    flipped |= {name for name in ELSEWHERE if name.startswith("audit_")}
    unsigned = {f"{table}.{name}" for table, names in UNSIGNED.items() for name in names}

    assert columns == flipped | unsigned
    assert LogKey._meta.db_table == "audit_logkey"
    assert Payload._meta.db_table == "audit_payload"
