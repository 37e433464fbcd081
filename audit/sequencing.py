"""Lines get their place in the tree, in batches, by one at a time.

Whoever wants to sequence tries one lock; who does not get it goes away. Everything of a batch (leaves, tiles, one
signed checkpoint, and that nothing of it waits any more) is one transaction: killed anywhere, it never began, and
the next one finds the same lines waiting. Before it lets the tree grow it makes sure that it is the tree which was
signed last, and that nobody who kept a checkpoint knows another (`refusals`); otherwise the log halts and says why.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import connection, transaction
from django.utils import timezone

from . import keys
from .models import Checkpoint, Leaf, Log, Tile
from .rules import notes, tiles
from .rules.merkle import EMPTY
from .rules.tiles import Changed, Edge

logger = logging.getLogger(__name__)

AT_ONCE = 5_000

refusals: list[Callable[[int, bytes], str]] = []
"""Who may know better: given our tree's size and root, a sentence why it must not grow, or nothing."""

# `to_json` escapes strings exactly as RFC 8785 wants; `audit.rules.lines` says the same in Python, and
# `audit.check` compares. A payload that is gone before its line was sequenced leaves an empty commitment. A line that
# has its place already, and is noted once more, gets no second one, and does not keep others from theirs.
LEAVES = """
with taken as materialized (
    delete from audit_pending p
     using (select id from audit_pending order by id limit %(limit)s) first
     where p.id = first.id returning p.id),
written as materialized (
    select l.id, '{"about":' || to_json(l.about)::text || ',"actor":' || to_json(l.actor)::text
           || ',"agent":' || to_json(l.agent)::text
           || ',"at":"' || to_char(l.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           || '","id":' || l.id || ',"kind":' || to_json(l.kind)::text || ',"payload":"'
           || coalesce(encode(sha256(uuid_send(p.salt) || convert_to(p.body, 'UTF8')), 'hex'), '')
           || '","run":' || to_json(l.run)::text || ',"team":' || to_json(l.team)::text
           || ',"version":' || l.version || '}' as data
      from taken t join audit_line l on l.id = t.id
      left join audit_payload p on p.id = l.id and p.at = l.at
     where not exists (select from audit_leaf f where f.line = l.id))
insert into audit_leaf (index, line, data, hash)
select %(size)s::bigint + row_number() over (order by id) - 1, id, data,
       sha256('\\x00'::bytea || convert_to(data, 'UTF8'))
  from written order by id
returning index, hash
"""

TILES = """
insert into audit_tile (level, index, hashes)
select * from unnest(%s::smallint[], %s::bigint[], %s::bytea[])
    on conflict (level, index) do update set hashes = excluded.hashes
"""


class Halted(Exception):
    """The tree must not grow, for this reason."""


def sequence(limit: int = AT_ONCE) -> int:
    """Give the oldest waiting lines their place. Returns how many; 0 also when somebody else is at it."""
    try:
        with transaction.atomic():
            return _sequence(limit)
    except Halted as problem:
        halt(str(problem))
        return 0


def sequence_all(*, within: float = 30.0) -> int:
    """Until nothing waits, or this many seconds are over."""
    total, end = 0, time.monotonic() + within
    while (done := sequence()) and time.monotonic() < end:
        total += done
    return total + done


def _sequence(limit: int) -> int:
    if not keys.try_lock():
        return 0
    log = keys.opened()
    if log.halted_at is not None or not _waits():
        return 0
    edge = checked_edge()
    with connection.cursor() as cursor:
        # The plan for few lines is right for many; one made for any number would read whole tables.
        cursor.execute("set local plan_cache_mode = force_custom_plan")
        cursor.execute(LEAVES, {"limit": limit, "size": edge.size})
        hashes = [bytes(hashed) for _, hashed in sorted(cursor.fetchall())]
        _keep(edge.append(hashes))
    if hashes:
        body = notes.Body(log.origin, edge.size, edge.root)
        note = keys.sign_checkpoint(notes.checkpoint(body))
        Checkpoint.objects.create(size=edge.size, root=edge.root, note=str(note), at=timezone.now())
    return len(hashes)


def _waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select exists (select 1 from audit_pending)")
        return bool(cursor.fetchone()[0])


def _keep(changed: Changed) -> None:
    if changed:
        levels, indexes = zip(*changed, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(TILES, [list(levels), list(indexes), list(changed.values())])


def checked_edge() -> Edge:
    """The tree's right edge, when it is the tree that was signed last. Raises Halted."""
    last = Checkpoint.objects.first()
    size, root = (last.size, bytes(last.root)) if last else (0, EMPTY)
    newest = Leaf.objects.order_by("-index").values_list("index", flat=True).first()
    leaves = 0 if newest is None else newest + 1
    if leaves != size:
        raise Halted(f"There are {leaves} leaves, but {size} were signed.")
    edge = edge_of(size)
    if edge.root != root:
        raise Halted(f"The tiles make another tree of {size} leaves than the one that was signed.")
    for refusal in refusals:
        if why := refusal(size, root):
            raise Halted(why)
    return edge


def edge_of(size: int) -> Edge:
    begun = {}
    for level, index, width in tiles.partial(size):
        row = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True).first()
        kept = bytes(row or b"")
        if len(kept) != width * tiles.HASH:
            raise Halted(f"Tile {level}/{index} does not hold the {width} hashes it should.")
        begun[level] = kept
    return Edge(size, begun)


def halt(reason: str) -> None:
    """The tree grows no more until a person says so. Entries are still written, and wait."""
    logger.error("The log halts: %s", reason)
    keys.opened()
    Log.objects.filter(halted_at=None).update(halted_at=timezone.now(), halted_reason=reason)
