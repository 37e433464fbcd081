"""Propose, claim and settle: facts under lock, pure rules, one write."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from audit.bell import hub
from audit.errors import NotFound

from .. import statements as sql
from ..rules.admission import Judgement
from ..shapes import Claim, Proposed, Settle
from ..transitions import action as verbs
from ..weighing import (
    REPLAYED,
    Seen,
    Weighed,
    admission_answer,
    weigh_claim,
    weigh_proposal,
    weigh_settlement,
)
from .pool import first, in_django, one, pool, transaction


async def propose(key: bytes, run: UUID, proposed: Proposed) -> tuple[Judgement, bytes]:
    """Admit, deny, replay or put off; what needs a person goes to the ordinary verb."""
    request = proposed.request
    asked = {
        "key": key,
        "run": run,
        "call_id": request.call_id,
        "idempotency_key": request.idempotency_key,
        "item": proposed.item,
        "tool": request.tool,
    }
    async with transaction() as conn:
        row = await first(conn, sql.ADMISSION_FACTS, asked)
        weighed = weigh_proposal(row, proposed, run)
        careful = isinstance(weighed, Weighed) and weighed.judgement.needs_care
        if isinstance(weighed, Seen):
            seen = await first(conn, sql.ACTION_JSON, {"action": weighed.action})
            return REPLAYED, admission_answer(REPLAYED, action=seen[0], control=row.control)
        if not careful:
            written = None
            if weighed.params is not None:
                written = await first(conn, weighed.statement, weighed.params)
            told = admission_answer(
                weighed.judgement, action=written and written[0], control=row.control
            )
    if careful:
        return await in_django(verbs.propose, key, run, proposed)
    if written:
        hub.ring_soon(f"run.{run}", f"agent.{row.agent_id}", f"agents.{row.team_id}", "agents")
    return weighed.judgement, told


async def claim(key: bytes, action: UUID, request: Claim) -> bytes:
    """Take the action for execution, once."""
    async with transaction() as conn:
        row = await first(conn, sql.ACTION_FACTS, {"key": key, "action": action})
        params = weigh_claim(row, action, request)
        if params is None:
            told = await first(conn, sql.ACTION_JSON, {"action": action})
        else:
            told = await first(conn, sql.WRITE_CLAIM, params)
    if params is not None:
        hub.ring_soon(f"run.{row.run_id}", f"agent.{row.agent_id}", f"hold.{action}")
    return bytes(told[0], "utf-8")


async def settle(key: bytes, action: UUID, request: Settle) -> bytes:
    """Write the outcome; what trips a breaker or is a probe goes to the ordinary verb."""
    async with transaction() as conn:
        row = await first(conn, sql.ACTION_FACTS, {"key": key, "action": action})
        weighed = weigh_settlement(row, action, request)
        careful = weighed is not None and weighed.needs_care
        if weighed is None:
            told = await first(conn, sql.ACTION_JSON, {"action": action})
        elif not careful:
            statement = sql.WRITE_RELEASE if request.outcome == "interrupted" else weighed.statement
            told = await first(conn, statement, weighed.params)
        control = await first(conn, sql.CONTROL_JSON, {"run": row.run_id})
    if careful:
        return await in_django(verbs.settle, key, action, request)
    if weighed is not None:
        hub.ring_soon(
            f"run.{row.run_id}",
            f"agent.{row.agent_id}",
            f"agents.{row.team_id}",
            "agents",
            f"hold.{action}",
        )
    return b'{"action":%s,"control":%s}' % (told[0].encode(), control[0].encode())


async def agent_of(key: bytes) -> Any:
    """`(id,)` of the key's agent, or None."""
    return await one(
        "select agent_id as id from agents_agentkey where hash = %(key)s and revoked_at is null",
        {"key": key},
    )


async def read_action(agent: UUID, action: UUID) -> Any:
    """`(state, json, run_id, delivered)`. Raises NotFound."""
    row = await one(
        """select x.state, agents_action_json(x)::text as json, x.run_id,
                  x.delivered_at is not null or x.decided_at is null as delivered
             from agents_action x where x.id = %(action)s and x.agent_id = %(agent)s""",
        {"action": action, "agent": agent},
    )
    if row is None:
        raise NotFound("This agent has no such action.")
    return row


async def read_control(agent: UUID, run: UUID) -> Any:
    """`(version, json)`. Raises NotFound."""
    row = await one(
        """select c ->> 'version' as version, c::text as json
             from (select agents_control_json(r.id) as c from agents_run r
                    where r.id = %(run)s and r.agent_id = %(agent)s) control""",
        {"run": run, "agent": agent},
    )
    if row is None:
        raise NotFound("This agent has no such run.")
    return row


async def undelivered(run: UUID) -> list[Any]:
    """`(id, json)` of decided actions that the run's agent has not been told of, oldest first."""
    async with pool().connection() as conn:
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
