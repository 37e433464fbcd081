"""Propose, claim and settle: facts under lock, pure rules, one write."""

from __future__ import annotations

import logging
from contextvars import copy_context
from typing import Any
from uuid import UUID

import psycopg

from audit.bell import hub
from audit.errors import Conflict, NotFound

from .. import prices
from .. import statements as sql
from ..rules.admission import Judgement
from ..rules.prices import PriceBook
from ..shapes import Claim, Proposed, Settle
from ..transitions import action as verbs
from ..transitions.halting import Halt, Halted, plain_halt
from ..weighing import (
    NO_ROOM,
    NO_SUCH_KEY,
    USED_UP,
    Settlement,
    Unauthorized,
    checked_action,
    weigh_claim,
    weigh_settlement,
)
from . import halting
from .admitting import Asked, Further, Told, alone, in_company, policies_of
from .group import Group
from .pipeline import Answer, Pipeline
from .pool import connection, first, in_django, one, transaction

logger = logging.getLogger(__name__)


async def propose(key: bytes, run: UUID, proposed: Proposed) -> tuple[Judgement, bytes]:
    """Admit, deny, replay or put off; what needs a person, or answers one, goes to the ordinary verb."""
    asked = Asked(key, run, proposed, copy_context())
    told = await _admissions.ask(asked, of=key)
    if told is Further.ALONE:
        told = await alone(asked)
    if isinstance(told, Further):
        return await in_django(verbs.propose, key, run, proposed)
    return told


_admissions: Group[Asked, Told] = Group(in_company)


async def claim(key: bytes, action: UUID, request: Claim) -> bytes:
    """Take the action for execution, once; what has to become a probe first goes to the ordinary verb."""
    try:
        async with transaction() as conn:
            row = checked_action(
                await first(conn, sql.ACTION_FACTS, {"key": key, "action": action})
            )
            params = weigh_claim(row, action, request, *await policies_of(conn, row))
            if params is None:
                answer = await conn.execute(sql.ACTION_JSON, {"action": action})
            elif params["probe"] is None:
                answer = await conn.execute(sql.WRITE_CLAIM, params)
    except psycopg.DatabaseError as error:
        if error.sqlstate != NO_ROOM:
            raise
        raise Conflict(USED_UP, code="budget") from None
    if params is not None and params["probe"] is not None:
        return await in_django(verbs.claim, key, action, request)
    told = await text(answer)
    if params is not None:
        hub.ring_soon(
            f"run.{row.run_id}",
            f"agent.{row.agent_id}",
            f"agents.{row.team_id}",
            "agents",
            f"hold.{action}",
        )
    return told.encode()


async def settle(key: bytes, action: UUID, request: Settle) -> bytes:
    """Write the outcome, and the stop it leads to where that is plain.

    What stops more than its agent, is a probe or brings a budget low goes to the ordinary verb.
    """
    halt, stop = None, None
    try:
        async with transaction() as conn:
            row = checked_action(
                await first(conn, sql.ACTION_FACTS, {"key": key, "action": action})
            )
            weighed = weigh_settlement(row, action, request, await prices_of(conn, row))
            halt = plain_halt(row, action, weighed)
            # Nothing is written yet, so nothing needs to be taken back: what is prepared here stays prepared.
            careful = weighed is not None and weighed.needs_care and halt is None
            if weighed is None:
                answer = await conn.execute(sql.ACTION_JSON, {"action": action})
            elif not careful:
                answer = await write_outcome(conn, row, weighed, request)
            if halt is not None:
                stop = await write_stop(conn, halt)
            if not careful:
                control = await conn.execute(sql.CONTROL_JSON, {"run": row.run_id})
    except StepAside:
        careful = True
    except psycopg.DatabaseError:
        if halt is None:
            raise
        logger.exception("A stop could not be written here")
        careful = True
    if careful:
        return await in_django(verbs.settle, key, action, request)
    if stop is not None:
        halting.tell(stop, row, action)
    elif weighed is not None:
        topics = f"run.{row.run_id}", f"agent.{row.agent_id}", f"agents.{row.team_id}"
        hub.ring_soon(*topics, "agents", f"hold.{action}")
    return b'{"action":%s,"control":%s}' % (
        (await text(answer)).encode(),
        (await text(control)).encode(),
    )


async def write_stop(conn: Pipeline, halt: Halt) -> Halted:
    """Raises StepAside where it is not plain after all."""
    stop = await halting.halted(conn, halt)
    if stop is None:
        raise StepAside
    return stop


class StepAside(Exception):
    """What was begun is rolled back, and the ordinary verb does it."""


async def write_outcome(conn: Pipeline, row: Any, weighed: Settlement, request: Settle) -> Answer:
    """Answers with the action as JSON. Raises StepAside when a person must be told that a budget is low."""
    if request.outcome == "interrupted":
        return await conn.execute(sql.WRITE_RELEASE, weighed.params)
    answer = await conn.execute(weighed.statement, weighed.params)
    if row.accounts:
        written: Any = await answer.fetchone()
        if written.low:
            raise StepAside
    return answer


async def prices_of(conn: Pipeline, row: Any) -> PriceBook:
    """The price table that facts name."""
    known = prices.known(row.prices_version)
    if known is not None:
        return known
    return prices.learn(await (await conn.execute(sql.PRICES)).fetchall())


async def heartbeat(key: bytes, run: UUID) -> bytes:
    """The run's process lives; answers `{control}`. Raises Unauthorized, NotFound."""
    row = await one(sql.HEARTBEAT, {"key": key, "run": run})
    if row is None:
        raise Unauthorized("This key is not known, or it was revoked.")
    if row.control is None:
        raise NotFound("This agent has no such run.")
    return b'{"control":%s}' % row.control.encode()


async def text(answer: Answer) -> str:
    """The one text that a statement answered with."""
    row: Any = await answer.fetchone()
    return str(row[0])


async def known(key: bytes) -> Any:
    """`(id,)` of the key's agent. Raises Unauthorized."""
    agent = await agent_of(key)
    if agent is None:
        raise Unauthorized(NO_SUCH_KEY)
    return agent


async def agent_of(key: bytes) -> Any:
    """`(id,)` of the key's agent, or None."""
    return await one(
        "select agent_id as id from agents_agentkey where hash = %(key)s and revoked_at is null",
        {"key": key},
    )


KEYS = """(select string_agg(encode(k.hash, 'hex'), ' ') from agents_agentkey k
          where k.agent_id = %(agent)s and k.revoked_at is null) as keys"""
"""Which of the agent's keys work. Who waited may have lost theirs meanwhile: see `still_known`."""

READ = f"""
select x.state, agents_action_json(x)::text as json, x.run_id,
       x.delivered_at is not null or x.decided_at is null as delivered, {KEYS}
  from agents_action x where x.id = %(action)s and x.agent_id = %(agent)s
"""


async def read_action(agent: UUID, action: UUID) -> Any:
    """`(state, json, run_id, delivered, keys)`. Raises NotFound."""
    row = await one(READ, {"action": action, "agent": agent})
    if row is None:
        raise NotFound("This agent has no such action.")
    return row


async def read_control(agent: UUID, run: UUID) -> Any:
    """`(version, json, keys)`. Raises NotFound."""
    row = await one(
        f"""select c ->> 'version' as version, c::text as json, {KEYS}
             from (select agents_control_json(r.id) as c from agents_run r
                    where r.id = %(run)s and r.agent_id = %(agent)s) control""",
        {"run": run, "agent": agent},
    )
    if row is None:
        raise NotFound("This agent has no such run.")
    return row


def still_known(key: bytes, row: Any) -> None:
    """Raises Unauthorized where `row` says that this key was revoked."""
    if key.hex() not in (row.keys or ""):
        raise Unauthorized(NO_SUCH_KEY)


async def undelivered(run: UUID) -> list[Any]:
    """`(id, json)` of decided actions that the run's agent has not been told of, oldest first."""
    async with connection() as conn:
        return await (
            await conn.execute(
                """select x.id, agents_action_json(x)::text as json from agents_action x
                    where x.run_id = %(run)s and x.decided_at is not null and x.delivered_at is null
                    order by x.decided_at limit 100""",
                {"run": run},
            )
        ).fetchall()


async def mark_delivered(action: UUID) -> None:
    """The agent has the decision: shown on the hold's page."""
    await one(
        """update agents_action set delivered_at = clock_timestamp()
            where id = %(action)s and delivered_at is null returning id""",
        {"action": action},
    )
    hub.ring_soon(f"hold.{action}")
