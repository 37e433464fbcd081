"""Proposals of different agents in one transaction: facts under lock, pure rules, one write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import PoolTimeout

from audit.bell import hub

from .. import policies
from .. import statements as sql
from ..admissions import FACTS, all_of, facts_wanted, write_admissions
from ..policies import Policies
from ..rules.admission import Judgement
from ..shapes import Proposed
from ..weighing import (
    NO_ROOM,
    REPLAYED,
    Seen,
    Weighed,
    admission_answer,
    checked_run,
    encode,
    weigh_proposal,
)
from .pipeline import Answer, Pipeline
from .pool import first, transaction

_compiling = ThreadPoolExecutor(1, "compile")
"""A thousand rules take a fifth of a second: others go on meanwhile. Never in the threads that ordinary verbs
run in: all of those may be waiting for the very agent that is locked while its policy is compiled."""


ALONE_AT_ONCE = 3
"""Whoever waits for a held agent keeps a connection; groups, claims and settlements need some, too."""
_alone: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class Asked(NamedTuple):
    """One proposal, and the context that says where it came from."""

    key: bytes
    run: UUID
    proposed: Proposed
    context: Context


class Further(Enum):
    """Nothing was written: who does it now."""

    ALONE = "waits for its agent, in a transaction of its own"
    VERB = "the ordinary verb: a person is needed, or probation is counted"


type Told = tuple[Judgement, bytes] | Further


class _Judged(NamedTuple):
    """One proposal of a transaction that is judged and not written yet."""

    row: Any
    judgement: Judgement
    weighed: Weighed | None
    replay: Answer | None


async def in_company(several: Sequence[Asked]) -> Sequence[Told | Exception]:
    """Whoever would keep the others waiting goes on alone; where one is too much for all, all do."""
    try:
        return await admit(several, wait=False)
    except PoolTimeout:
        raise
    except psycopg.Error:
        return [Further.ALONE] * len(several)


async def alone(asked: Asked) -> Told:
    """Raises what refuses it."""
    turns = _alone.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(ALONE_AT_ONCE))
    try:
        async with turns:
            (told,) = await admit([asked], wait=True)
    except psycopg.DatabaseError as error:
        if error.sqlstate != NO_ROOM:
            raise
        return Further.VERB
    if isinstance(told, Exception):
        raise told
    return told


async def admit(several: Sequence[Asked], *, wait: bool) -> list[Told | Exception]:
    """An answer for each, in their order."""
    answers: dict[int, Told | Exception] = {}
    judged: dict[int, _Judged] = {}
    async with transaction() as conn:
        rows = await facts_of(conn, several, wait=wait)
        for at, one in enumerate(several):
            found: _Judged | Further | Exception
            try:
                found = await judged_one(conn, rows.get(at), one, wait=wait)
            except psycopg.Error:
                raise
            except Exception as error:  # its own affair: the others go on
                found = error
            if isinstance(found, _Judged):
                judged[at] = found
            else:
                answers[at] = found
        writing = await write(conn, [j.weighed for j in judged.values() if j.weighed is not None])
    written = {} if writing is None else dict(await writing.fetchall())
    for at, done in judged.items():
        answers[at] = await told_of(done, written)
    return [answers[at] for at in range(len(several))]


async def facts_of(conn: Pipeline, several: Sequence[Asked], *, wait: bool) -> dict[int, Any]:
    """Facts by the place of their proposal. Of one agent's two keys, only one has its facts."""
    asked = facts_wanted((one.key, one.run, one.proposed) for one in several)
    answer = await conn.execute(FACTS, {**asked, "lock": False, "wait": wait})
    by_agent = {row.agent_id: row for row in await answer.fetchall()}
    return {row.n - 1: row for row in by_agent.values()}


async def judged_one(conn: Pipeline, row: Any, one: Asked, *, wait: bool) -> _Judged | Further:
    """Raises what refuses it."""
    if not wait and (row is None or row.run_state is None or policies.known(row) is None):
        return Further.ALONE
    row = checked_run(row)
    known, working = await policies_of(conn, row)
    weighed = one.context.run(
        weigh_proposal, row, one.proposed, one.run, known, working, if_room=True
    )
    if isinstance(weighed, Seen):
        replay = await conn.execute(sql.ACTION_JSON, {"action": weighed.action})
        return _Judged(row, REPLAYED, None, replay)
    if weighed.judgement.needs_care or one.proposed.request.revises is not None:
        return Further.VERB
    return _Judged(row, weighed.judgement, weighed if weighed.row is not None else None, None)


async def policies_of(conn: Pipeline, row: Any) -> tuple[Policies, bool]:
    """The policies that facts name, and whether the team works now (read only where a rule asks)."""
    known = policies.known(row)
    if known is None:
        found = await conn.execute(sql.POLICY_DOCUMENTS, {"ids": policies.named(row)})
        loop, rows = asyncio.get_running_loop(), await found.fetchall()
        known = await loop.run_in_executor(_compiling, policies.learn, row, rows)
    if not known.needs_calendar:
        return known, True
    calendar = await first(conn, sql.CALENDAR, {"team": row.team_id})
    return known, policies.works_at(row.now_at, calendar)


async def write(conn: Pipeline, several: Sequence[Weighed]) -> Answer | None:
    if not several:
        return None
    statement = write_admissions(all_of(weighed.counted for weighed in several))
    rows = encode([weighed.row for weighed in several]).decode()
    return await conn.execute(statement, {"rows": rows})


async def told_of(one: _Judged, written: Mapping[UUID, str]) -> tuple[Judgement, bytes]:
    """What its agent is told, and who else is to look."""
    action = None
    if one.replay is not None:
        action = (await one.replay.fetchone())[0]
    elif one.weighed is not None and one.weighed.row is not None:
        action = written[one.weighed.row["id"]]
        row = one.row
        hub.ring_soon(
            f"run.{one.weighed.row['run_id']}",
            f"agent.{row.agent_id}",
            f"agents.{row.team_id}",
            "agents",
        )
    return one.judgement, admission_answer(one.judgement, action=action, control=one.row.control)
