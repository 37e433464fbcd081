"""Permits: facts under the limit's lock, pure rules, one write. See `lines.py` for waiting."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from audit.bell import hub
from audit.errors import Conflict, NotFound
from audit.ids import new_id

from ..rules.gcra import NONE
from ..rules.limits import USUAL_LEASE
from . import permit_statements as sql
from .http import Problem, Receive
from .lines import line_of
from .permit_judging import Ask, Look, Renew, checked, setting_of, told, verdict_of
from .pool import first, transaction
from .wait import later, unless_gone

logger = logging.getLogger(__name__)

LONGEST_POLL_S = 25.0
"""Whoever still waits for a place then is asked to come again, and keeps their turn for `PATIENCE`."""
PATIENCE = timedelta(seconds=12)


async def ask(key: bytes, asked: Ask, receive: Receive) -> tuple[float, bytes]:
    """Leave to use a resource, now or at a booked moment. Returns `retry_after_s` and the answer."""
    clock = asyncio.get_running_loop().time
    permit, end = asked.id or new_id(), clock() + asked.max_wait_s
    look = await look_at(key, asked, permit, left_s=asked.max_wait_s)
    if look.waits and asked.max_wait_s:
        stop = min(end, clock() + LONGEST_POLL_S)
        look = await unless_gone(receive, in_line(key, asked, permit, look, end=end, stop=stop))
    stays = look.waits and clock() < end
    retry_after = 0.0 if stays else look.verdict.retry_after.total_seconds()
    return retry_after, told(permit, look, retry_after, stays=stays)


async def in_line(
    key: bytes, asked: Ask, permit: UUID, look: Look, *, end: float, stop: float
) -> Look:
    """Wait for a place, first come first served; at `stop` the answer is due, at `end` patience is over."""
    clock = asyncio.get_running_loop().time
    stays = False
    try:
        while look.waits and clock() < stop:
            look = await stand(key, asked, permit, look, end=end, stop=stop)
        if look.verdict.granted:  # whoever was behind, in another process, may be first now
            hub.ring_soon(f"limit.{look.row.limit_id}.free")
        stays = look.verdict.granted or clock() < end
        return look
    finally:
        if not stays:  # over, refused, or the client hung up: others move up
            later(forget(permit, look))


async def stand(
    key: bytes, asked: Ask, permit: UUID, look: Look, *, end: float, stop: float
) -> Look:
    """In the line of one limit; it is left when another limit has come to hold."""
    clock = asyncio.get_running_loop().time
    limit = look.row.limit_id
    asked_at = look.row.mine_asked_at or look.row.now_at
    with line_of(limit).place(permit, asked_at) as place:
        while await place.turn(stop):
            left = max(0.0, end - clock())
            look = await look_at(key, asked, permit, left_s=left, waiting=place.everybody())
            if not look.waits or look.row.limit_id != limit:
                break
            await place.sleep(min(look.sleep_s, stop - clock()))
    return look


async def look_at(
    key: bytes, asked: Ask, permit: UUID, *, left_s: float, waiting: tuple[UUID, ...] = ()
) -> Look:
    """Judge under the limit's lock and write what follows: a grant, a turn in the line, or a refusal counted."""
    facts = {
        "key": key,
        "resource": asked.resource,
        "id": permit,
        "run": asked.run_id,
        "waiting": list(waiting),
        "patience": PATIENCE,
    }
    async with transaction() as conn:
        row = checked(await first(conn, sql.FACTS, facts), asked)
        setting = setting_of(row, asked.resource)
        look = Look(row, setting, verdict_of(row, setting, asked, left_s))
        repeated = row.mine is not None and row.mine_starts_at is not None
        if not repeated:
            await write(conn, asked, permit, look, joins=bool(left_s))
    if (look.verdict.granted and not repeated) or not look.waits:
        hub.ring_soon(f"limit.{row.limit_id}")
    return look


async def write(conn: Any, asked: Ask, permit: UUID, look: Look, *, joins: bool) -> None:
    row, verdict = look.row, look.verdict
    params = {
        "limit": row.limit_id,
        "agent": row.agent_id,
        "run": asked.run_id,
        "permit": permit,
        "units": asked.n,
        "now": row.now_at,
        "tat": verdict.tat,
        "starts_at": verdict.starts_at,
        "until": verdict.lease_until or verdict.starts_at,
        "is_lease": verdict.lease_until is not None,
        "waits_until": row.now_at + PATIENCE,
        "delayed": int(verdict.wait > NONE),
    }
    if verdict.granted:
        keeps = params["is_lease"] or verdict.wait > NONE
        await conn.execute(sql.GRANT_AND_KEEP if keeps else sql.GRANT, params)
    elif verdict.is_full and joins:
        await conn.execute(sql.JOIN, params)
    else:
        await conn.execute(sql.REFUSE, params)


async def renew(key: bytes, permit: UUID, asked: Renew) -> bytes:
    """Keep a place for longer. One that was lost already is not given back: somebody else may have it."""
    async with transaction() as conn:
        row = await mine(conn, key, permit)
        wanted = timedelta(seconds=asked.lease_s) if asked.lease_s else None
        params = {"permit": permit, "limit": row.limit_id, "wanted": wanted, "usual": USUAL_LEASE}
        await conn.execute(sql.LOCK, params)
        found = await first(conn, sql.RENEW, params)
        if found is None:
            raise Conflict("This lease is over.", code="lease_expired")
    hub.ring_soon(f"limit.{row.limit_id}")
    return msgspec.json.encode({"lease_id": permit, "lease_until": found.until})


async def give_back(key: bytes, permit: UUID) -> bytes:
    """Somebody else may have the place. Twice is harmless."""
    async with transaction() as conn:
        row = await mine(conn, key, permit)
        await conn.execute(sql.GIVE_BACK, {"permit": permit})
    hub.ring_soon(f"limit.{row.limit_id}", f"limit.{row.limit_id}.free")
    return msgspec.json.encode({"lease_id": permit, "returned": True})


async def mine(conn: Any, key: bytes, permit: UUID) -> Any:
    """`(agent_id, limit_id)` of this agent's permit. Raises NotFound."""
    row = await first(conn, sql.MINE, {"key": key, "permit": permit})
    if row is None:
        raise Problem("unauthorized", "This key is not known, or it was revoked.")
    if row.limit_id is None:
        raise NotFound("This agent has no such lease.")
    return row


async def forget(permit: UUID, look: Look) -> None:
    """Nobody waits here any more, and nobody heard of a grant that came too late."""
    row = look.row
    params = {
        "permit": permit,
        "limit": row.limit_id,
        "agent": row.agent_id,
        "now": row.now_at,
        "refused": int(look.waits),
    }
    try:
        async with transaction() as conn:
            await conn.execute(sql.LOCK, params)  # or it could meet a look in the opposite order
            await conn.execute(sql.FORGET, params)
    except (psycopg.Error, PoolTimeout) as error:  # its turn lapses by itself
        logger.warning("A turn could not be given up: %s", error)
    hub.ring_soon(f"limit.{row.limit_id}", f"limit.{row.limit_id}.free")
