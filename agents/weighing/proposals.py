"""A proposal by its facts: the judgement, and what writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from django.conf import settings

from audit import source
from audit.errors import Conflict
from audit.ids import new_id

from ..policies import Policies
from ..rules.admission import Judgement, judge
from ..rules.breakers.gauges import is_unusual
from ..rules.facts import AgentFacts, Event
from ..shapes import Proposed
from ..statements import Counted
from .facts import (
    Row,
    agent_facts,
    counted_for,
    encode,
    first_of,
    proposed_case,
)


class Seen(NamedTuple):
    """The proposal was answered before; this is its action."""

    action: Any


NOTHING = Counted()


@dataclass(frozen=True, slots=True)
class Weighed:
    """A judgement, and the row of `admissions.write_admissions` that writes it (none for `retry_later`)."""

    judgement: Judgement
    counted: Counted = NOTHING
    row: dict[str, Any] | None = None


def weigh_proposal(
    row: Row,
    proposed: Proposed,
    run_id: Any,
    policies: Policies,
    working: bool,
    *,
    if_room: bool = False,
) -> Weighed | Seen:
    """Judge a proposal by its facts. Raises Conflict.

    `working` says whether the team works now; it only matters to policies that ask. `if_room`: the accounts of its
    budgets were read without a lock, and what is written looks at them again.
    """
    if row.seen is not None:
        if bytes(row.seen_digest) != proposed.digest:
            raise Conflict("This call id or idempotency key was used for another action.")
        return Seen(row.seen)
    facts = agent_facts(row)
    ruling = policies.judge(proposed_case(row, proposed, working))
    judgement = judge(facts, proposed.as_judged(), ruling)
    if judgement.admission == "over":
        raise Conflict(judgement.reason, code=judgement.code)
    if judgement.admission == "retry_later":
        return Weighed(judgement)
    counted = counted_for(facts.breakers, accounts=bool(facts.budgets))
    return Weighed(
        judgement,
        counted._replace(if_room=if_room),
        admission_row(row, proposed, judgement, run_id, facts, counted),
    )


def admission_row(
    row: Row,
    proposed: Proposed,
    judgement: Judgement,
    run_id: Any,
    facts: AgentFacts,
    counted: Counted,
) -> dict[str, Any]:
    """As `admissions.COLUMNS` and `admissions.BESIDE` name it."""
    request, now = proposed.request, row.now_at
    behalf = request.on_behalf_of or row.on_behalf_of
    requirement, probe = judgement.requirement, judgement.probe
    is_denied = judgement.admission == "denied"
    is_claimed = bool(judgement.admission == "allowed" and request.claim_id)
    return {
        "id": new_id(),
        "agent_id": row.agent_id,
        "team_id": row.team_id,
        "run_id": run_id,
        "created_at": now,
        "call_id": request.call_id,
        "kind": request.kind,
        "tool": request.tool,
        "subject": request.subject,
        "item": proposed.item,
        "step": request.step,
        "attempt": request.attempt,
        "idempotency_key": request.idempotency_key,
        "arguments": request.arguments,
        "digest": f"\\x{proposed.digest.hex()}",
        "policy_version": row.policy_version,
        "rule": judgement.rule,
        "requirement": None if requirement is None else requirement.as_dict(),
        "on_behalf_of": behalf,
        "state": "executing" if is_claimed else judgement.admission,
        "code": judgement.code,
        "state_reason": judgement.reason,
        "reason": request.reason,
        "amount": request.amount,
        "currency": request.currency,
        "estimated_tokens": request.estimated_tokens,
        "estimated_cost_usd": request.estimated_cost_usd,
        "trace_url": request.trace_url,
        "resume": request.resume,
        "claim_id": request.claim_id if is_claimed else "",
        "claimed_at": now if is_claimed else None,
        "lease_until": now + timedelta(seconds=request.lease_s) if is_claimed else None,
        "expires_at": expires_at(judgement, proposed, now, is_claimed=is_claimed),
        "probe_of_id": probe.id if probe else None,
        "probe_generation": probe.generation if probe else None,
        "accounts": [] if is_denied else [budget.account for budget in facts.budgets],
        "entry_kind": f"action.{judgement.admission}",
        "entry": entry_of(row, proposed, judgement, behalf, is_claimed=is_claimed),
        "is_admitted": not is_denied,
        "is_counted": not is_denied or counted.tools,
        "of_run": counted.run,
        "of_team": counted.team,
        "of_tools": counted.tools,
        "unusual": count_unusual(judgement, facts),
    }


def entry_of(
    row: Row, proposed: Proposed, judgement: Judgement, behalf: str, *, is_claimed: bool
) -> str:
    """The payload of the entry, as JSON."""
    request = proposed.request
    told: dict[str, Any] = {
        "data": {
            "tool": request.tool,
            "digest": proposed.digest.hex(),
            "policy_version": row.policy_version,
            "rule": judgement.rule,
            "code": judgement.code,
            "claimed": is_claimed,
            **({"on_behalf_of": behalf} if behalf else {}),
        },
        "summary": f"{request.tool} {request.subject}".strip(),
    }
    if where := source.current():
        told["source"] = where
    return encode(told).decode()


def expires_at(
    judgement: Judgement, proposed: Proposed, now: datetime, *, is_claimed: bool
) -> datetime | None:
    """Until when a person may answer, or until when what is reserved waits for its action to begin."""
    request = proposed.request
    if judgement.admission == "held":
        return now + timedelta(seconds=request.expires_in_s)
    if judgement.admission == "allowed" and not is_claimed:
        return kept_until(now, request.estimated_tokens, request.estimated_cost_usd)
    return None


def kept_until(now: datetime, tokens: int, cost_usd: Decimal) -> datetime | None:
    """How long what is reserved waits for its action to begin; without a reservation nothing waits."""
    kept: timedelta = settings.WATCHFLOOR_RESERVATION
    return now + kept if tokens or cost_usd else None


def count_unusual(judgement: Judgement, facts: AgentFacts) -> int:
    """1 where it is unusual for what watches for that."""
    watched = first_of("unusual", facts.breakers)
    if watched is None:
        return 0
    kind: Literal["denied", "proposed"] = (
        "denied" if judgement.admission == "denied" else "proposed"
    )
    event = judgement.event or Event(kind, uses=facts.uses, tool_uses=facts.tool_uses)
    return int(is_unusual(watched, event))


def admission_answer(judgement: Judgement, *, action: str | None, control: str) -> bytes:
    """The Admission as JSON; `action` and `control` are JSON already."""
    head = encode(
        {
            "admission": judgement.admission,
            "code": judgement.code,
            "reason": judgement.reason,
            "retry_after_s": judgement.retry_after_s,
        }
    )
    return b'%s,"action":%s,"control":%s}' % (
        head[:-1],
        (action or "null").encode(),
        control.encode(),
    )


REPLAYED = Judgement("replayed", "", "Seen before; this is how it stands now.")
