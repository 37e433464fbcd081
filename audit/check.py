"""Everything in the database computed again, from the columns up, and compared with what was signed.

It finds what was changed behind the application's back, as far as the database alone can tell. Who owns database
and key could make all of it anew: that is what anchors outside are for.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from .gone import Gone, said_gone
from .log import size as log_size
from .models import Checkpoint, Leaf, Log, LogKey, Tile
from .rules import lines, merkle, notes, tiles
from .rules.lines import Hashed
from .rules.notes import BadNote, Body, Verifier
from .rules.tiles import Changed, Edge

AT_ONCE = 10_000
NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands for what is no moment of any calendar: nothing was hashed then."""
ENOUGH = 100
"""So many problems are told; who has these need not know of more."""

LEAVES = """
select f.index, f.line, f.data, f.hash, l.id,
       case when l.at between '0001-01-02' and '9999-12-30' then l.at end, l.kind, l.version, l.actor, l.about, l.team, l.agent, l.run,
       p.salt, p.body
  from audit_leaf f left join audit_line l on l.id = f.line
  left join audit_payload p on p.id = l.id and p.at = l.at
 where f.index >= %s and f.index < %s order by f.index
"""

FORGOTTEN = """
select l.id from audit_line l
 where not exists (select 1 from audit_leaf f where f.line = l.id)
   and not exists (select 1 from audit_pending q where q.id = l.id)
 order by l.id limit %s
"""

ORPHANS = """
select p.id from audit_payload p
 where not exists (select 1 from audit_line l where l.id = p.id and l.at = p.at) order by p.id limit %s
"""

STRAYS = """
select q.id from audit_pending q
 where not exists (select 1 from audit_line l where l.id = q.id)
    or exists (select 1 from audit_leaf f where f.line = q.id)
 order by q.id limit %s
"""

STRAY_LEAVES = (
    "select index, line from audit_leaf where index < 0 or index >= %s order by index limit %s"
)


@dataclass(frozen=True)
class Problem:
    """`kind` is stable for programs; `says` is a sentence. `index` is the leaf's, where it is one's."""

    kind: str
    says: str
    index: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class Row:
    index: int
    line: int
    data: str
    hash: bytes
    columns: Hashed | None
    salt: UUID | None
    body: str | None


def check(since: int = 0) -> list[Problem]:
    """What is wrong, of the leaves from index `since` on and of all that is not in the tree. Empty: nothing."""
    found: list[Problem] = []
    for problem in _problems(since):
        found.append(problem)
        if len(found) == ENOUGH:
            break
    return found


def _problems(since: int) -> Iterator[Problem]:
    log = Log.objects.first()
    if log is not None:
        verifiers = yield from _keys(log)
        yield from _tree(log, verifiers, since)
    elif Leaf.objects.exists() or Checkpoint.objects.exists() or LogKey.objects.exists():
        yield Problem("log_missing", "The log's name is gone, and with it all that was signed.")
    for kind, statement, says in (
        ("line_forgotten", FORGOTTEN, "has no place in the tree, and waits for none"),
        ("payload_orphaned", ORPHANS, "is a payload without a line"),
        ("pending_stray", STRAYS, "waits for a place that it has, or has no line"),
    ):
        for (number,) in _rows(statement, [ENOUGH]):
            yield Problem(kind, f"Entry {number} {says}.", line=number)


def _keys(log: Log) -> Generator[Problem, None, list[tuple[int, Verifier]]]:
    """Each key is what it says, and vouched for by the one before it."""
    before: Verifier | None = None
    verifiers: list[tuple[int, Verifier]] = []
    for row in LogKey.objects.order_by("id"):
        key = Verifier(row.name, bytes(row.public))
        if key.name != log.origin or key.key_hash != bytes(row.key_hash):
            yield Problem("key_changed", f"Key {row.pk} is not what its hash says.")
        if before is not None:
            try:
                if notes.opened(row.rotation, before).text != notes.rotation(log.origin, key):
                    raise BadNote("It speaks of another key.")
            except BadNote as problem:
                yield Problem("key_not_vouched", f"Key {row.pk} is not vouched for: {problem}")
        verifiers.append((row.from_size, key))
        before = key
    return verifiers


def _tree(log: Log, verifiers: list[tuple[int, Verifier]], since: int) -> Iterator[Problem]:
    edge = _edge_at(max(0, min(since, log_size())))
    since, gone = edge.size, said_gone()
    for number in gone.unreadable:
        says = f"Entry {number} says that something was erased or expired, but not what."
        yield Problem("erasure_unreadable", says, line=number)
    signed = Checkpoint.objects.filter(size__gt=since).order_by("size").iterator(chunk_size=1000)
    checkpoint = next(signed, None)
    while rows := list(_read(edge.size, edge.size + AT_ONCE)):
        hashes = []
        for expected, row in enumerate(rows, edge.size):
            if row.index != expected:
                yield Problem("leaf_missing", f"Leaf {expected} is missing.", expected)
                return
            yield from _leaf(row, gone)
            hashes.append(merkle.leaf_hash(row.data.encode()))
        end = edge.size + len(hashes)
        changed: Changed = {}
        while checkpoint is not None and checkpoint.size <= end:
            changed |= edge.append(hashes[: checkpoint.size - edge.size])
            hashes = hashes[len(hashes) - (end - edge.size) :]
            yield from _checkpoint(log, checkpoint, edge.root, verifiers)
            checkpoint = next(signed, None)
        changed |= edge.append(hashes)
        yield from _compared(changed)
    yield from _end(edge, checkpoint)
    for index, line in _rows(STRAY_LEAVES, [edge.size, ENOUGH]):
        yield Problem("leaf_stray", f"Leaf {index} stands outside of the tree.", index, line)


def _leaf(row: Row, gone: Gone) -> Iterator[Problem]:
    index, line = row.index, row.line
    if merkle.leaf_hash(row.data.encode()) != row.hash:
        yield Problem("leaf_changed", f"Leaf {index} does not have its hash.", index, line)
    if row.columns is None:
        yield Problem("line_missing", f"Entry {line} of leaf {index} is gone.", index, line)
        return
    committed = row.data.partition('"payload":"')[2].partition('"')[0]
    if lines.canonical(row.columns, committed) != row.data:
        yield Problem("line_changed", f"Entry {line} is not what was hashed.", index, line)
    if row.salt is None or row.body is None:
        if not committed:
            says = f"The payload of entry {line} was gone before it was committed to."
            yield Problem("payload_missing", says, index, line)
        elif not gone.says(row.columns):
            says = f"The payload of entry {line} is gone, and no entry says that it was erased."
            yield Problem("payload_missing", says, index, line)
    elif lines.commitment(row.salt, row.body) != committed:
        says = f"The payload of entry {line} is not the one it committed to."
        yield Problem("payload_changed", says, index, line)


def _checkpoint(
    log: Log, checkpoint: Checkpoint, root: bytes, verifiers: list[tuple[int, Verifier]]
) -> Iterator[Problem]:
    size = checkpoint.size
    if bytes(checkpoint.root) != root:
        yield Problem(
            "checkpoint_differs", f"The tree of {size} leaves is not the one signed.", size - 1
        )
    signers = [key for begins, key in verifiers if begins < size]
    try:
        text = notes.opened(checkpoint.note, *signers[-1:]).text
        if notes.parse_checkpoint(text) != Body(log.origin, size, bytes(checkpoint.root)):
            raise BadNote("It says something else.")
    except BadNote as problem:
        says = f"The checkpoint at {size} does not hold: {problem}"
        yield Problem("checkpoint_forged", says, size - 1)


def _compared(changed: Changed) -> Iterator[Problem]:
    """Whether the tiles begin with what the leaves make."""
    for (level, index), expected in changed.items():
        kept = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True)
        found = bytes(kept[0]) if kept else b""
        if found[: len(expected)] != expected:
            yield Problem(
                "tile_changed", f"Tile {level}/{index} is not what its leaves make.", None
            )


def _end(edge: Edge, checkpoint: Checkpoint | None) -> Iterator[Problem]:
    if checkpoint is not None:
        yield Problem(
            "tail_missing", f"{checkpoint.size} leaves were signed; there are {edge.size}."
        )
    last = Checkpoint.objects.values_list("size", flat=True).first() or 0
    if last < edge.size:
        yield Problem("leaf_unsigned", f"Leaf {last} and later were never signed.", last)
    widths = {(level, index): width for level, index, width in tiles.partial(edge.size)}
    for (level, index), width in widths.items():
        found = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True)
        if found and len(bytes(found[0])) != width * tiles.HASH:
            yield Problem("tile_changed", f"Tile {level}/{index} has more hashes than leaves.")


# -- reading ----------------------------------------------------------------------------------------


def _rows(statement: str, given: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _read(first: int, end: int) -> Iterator[Row]:
    for index, line, data, hashed, number, at, *rest in _rows(LEAVES, [first, end]):
        kind, version, actor, about, team, agent, run, salt, body = rest
        columns = (
            None
            if number is None
            else Hashed(number, at or NEVER, kind, version, actor, about, team, agent, run)
        )
        yield Row(index, line, data, bytes(hashed), columns, salt, body)


def _edge_at(size: int) -> Edge:
    """The tree that the tiles made when it had that many leaves."""
    begun = {}
    for level, index, width in tiles.partial(size):
        kept = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True)
        begun[level] = bytes(kept[0])[: width * tiles.HASH] if kept else b""
    return Edge(size, begun)
