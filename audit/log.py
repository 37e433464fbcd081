"""The log as one reads it: its name and keys, how large it is, and proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection

from . import keys as _keys
from .errors import NotFound
from .keys import Key
from .models import Checkpoint, Leaf
from .rules import merkle, notes, tiles
from .rules.merkle import GetNode, Run
from .rules.tiles import Place

READ_PLACES = """
select substr(t.hashes, wanted.first * 32 + 1, wanted.count * 32)
  from unnest(%s::smallint[], %s::bigint[], %s::int[], %s::int[]) with ordinality
       as wanted (level, index, first, count, n)
  left join audit_tile t on t.level = wanted.level and t.index = wanted.index
 order by wanted.n
"""

LAG = """
select (select count(*) from audit_pending),
       (select l.at from audit_pending p join audit_line l on l.id = p.id order by p.id limit 1)
"""


def origin() -> str:
    return _keys.opened().origin


def vkey() -> str:
    """The key that signs at present, as outsiders need it: `name+hash+key`."""
    return str(_keys.verifier_of(_keys.newest()))


def keys() -> list[Key]:
    """Every key that ever signed, oldest first."""
    return _keys.keys()


def latest() -> Checkpoint | None:
    """What was signed last."""
    return Checkpoint.objects.first()


def size() -> int:
    """How many lines have their place in what was signed last."""
    return Checkpoint.objects.values_list("size", flat=True).first() or 0


def leaf_of(line_id: int) -> Leaf | None:
    """A line's place; None while it waits."""
    return Leaf.objects.filter(line=line_id).first()


def lag() -> tuple[int, datetime | None]:
    """How many lines wait for their place, and since when the oldest does."""
    with connection.cursor() as cursor:
        cursor.execute(LAG)
        count, since = cursor.fetchone()
    return count, since


# -- proofs -----------------------------------------------------------------------------------------


def proof(index: int, size: int) -> list[bytes]:
    """That leaf `index` is in the tree of `size` leaves. Raises NotFound."""
    _check(size)
    return _inclusion(index, size)


def _inclusion(index: int, size: int) -> list[bytes]:
    if not 0 <= index < size:
        raise NotFound(f"A tree of {size} has no leaf {index}.")
    return _proved(lambda get_node: merkle.inclusion(size, index, get_node))


def proof_text(index: int) -> str:
    """The same against what was signed last, as a `.tlog-proof` that stands for itself. Raises NotFound."""
    last = latest()
    if last is None:
        raise NotFound("Nothing was signed yet.")
    return notes.proof(index, _inclusion(index, last.size), last.note)


def consistency(old: int, new: int) -> list[bytes]:
    """That the tree of `new` leaves continues that of `old`. Raises NotFound."""
    _check(new)
    if not 0 <= old <= new:
        raise NotFound(f"A tree of {new} does not continue one of {old}.")
    return _proved(lambda get_node: merkle.consistency(old, new, get_node))


def multi_proof(indexes: Sequence[int], size: int) -> tuple[list[Run], list[bytes]]:
    """All of these leaves at once: runs of indexes, and the hashes beside them. Raises NotFound."""
    _check(size)
    runs = merkle.runs_of(sorted(set(indexes)))
    if runs and not (runs[0][0] >= 0 and runs[-1][1] < size):
        raise NotFound(f"A tree of {size} does not have all of these leaves.")
    return runs, _proved(lambda get_node: merkle.multi(size, runs, get_node))


def root(size: int) -> bytes:
    """The root that the tree had at a size, from its tiles. Raises NotFound."""
    _check(size)
    return _proved(lambda get_node: [merkle.root(size, get_node)])[0]


def _check(wanted: int) -> None:
    if not 0 <= wanted <= size():
        raise NotFound(f"The tree has never had {wanted} leaves.")


def _proved(make: Callable[[GetNode], list[bytes]]) -> list[bytes]:
    """Ask what is needed first, read it in one query, then make it."""
    wanted: dict[Place, None] = {}

    def note(level: int, index: int) -> bytes:
        wanted[tiles.place(level, index)] = None
        return b""

    make(note)
    kept = _read(list(wanted))

    def get_node(level: int, index: int) -> bytes:
        return kept[tiles.place(level, index)]

    return make(get_node)


def _read(places: list[Place]) -> dict[Place, bytes]:
    """Only those hashes of a tile travel that are needed."""
    if not places:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(READ_PLACES, [list(column) for column in zip(*places, strict=True)])
        parts = [bytes(part or b"") for (part,) in cursor.fetchall()]
    return {place: tiles.hash_of(place, part) for place, part in zip(places, parts, strict=True)}
