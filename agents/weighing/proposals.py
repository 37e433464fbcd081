"""A proposal by its facts: the judgement, and what writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from audit import source
from audit.errors import Conflict
from audit.ids import new_id

from ..policies import Policies
from ..rules.admission import Judgement, judge
from ..rules.breakers.gauges import is_unusual
from ..rules.facts import AgentFacts, Event
from ..shapes import Proposed
from ..statements import write_admission, write_denial
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


@dataclass(frozen=True, slots=True)
class Weighed:
    """A judgement, with the statement and parameters that write it (none for `retry_later`)."""

    judgement: Judgement
    statement: str = ""
    params: dict[str, Any] | None = None


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
    write = write_denial if judgement.admission == "denied" else write_admission
    return Weighed(
        judgement,
        write(counted._replace(if_room=if_room)),
        admission_params(row, proposed, judgement, run_id, facts),
    )


def admission_params(
    row: Row, proposed: Proposed, judgement: Judgement, run_id: Any, facts: AgentFacts
) -> dict[str, Any]:
    """Parameters of `write_admission` and `write_denial`."""
    request, now = proposed.request, row.now_at
    behalf = request.on_behalf_of or row.on_behalf_of
    claimed = judgement.admission == "allowed" and request.claim_id
    held = judgement.admission == "held"
    probe = judgement.probe
    return {
        "action": new_id(),
        "agent": row.agent_id,
        "team": row.team_id,
        "run": run_id,
        "now": now,
        "call_id": request.call_id,
        "kind": request.kind,
        "tool": request.tool,
        "subject": request.subject,
        "item": proposed.item,
        "step": request.step,
        "attempt": request.attempt,
        "idempotency_key": request.idempotency_key,
        "arguments": bytes(request.arguments).decode(),
        "digest": proposed.digest,
        "policy_version": row.policy_version,
        "rule": judgement.rule,
        "requirement": encode(judgement.requirement.as_dict()).decode()
        if judgement.requirement is not None
        else None,
        "on_behalf_of": behalf,
        "revises": None,
        "state": "executing" if claimed else judgement.admission,
        "code": judgement.code,
        "state_reason": judgement.reason,
        "reason": request.reason,
        "amount": request.amount,
        "currency": request.currency,
        "estimated_tokens": request.estimated_tokens,
        "estimated_cost_usd": request.estimated_cost_usd,
        "trace_url": request.trace_url,
        "resume": None if bytes(request.resume) == b"null" else bytes(request.resume).decode(),
        "claim_id": request.claim_id if claimed else "",
        "claimed_at": now if claimed else None,
        "lease_until": now + timedelta(seconds=request.lease_s) if claimed else None,
        "expires_at": now + timedelta(seconds=request.expires_in_s)
        if held
        else kept_until(now, request.estimated_tokens, request.estimated_cost_usd)
        if judgement.admission == "allowed" and not claimed
        else None,
        "probe_of": probe.id if probe else None,
        "probe_generation": probe.generation if probe else None,
        "entry_kind": f"action.{judgement.admission}",
        "summary": f"{request.tool} {request.subject}".strip(),
        "source": source.text(),
        "data": encode(
            {
                "tool": request.tool,
                "digest": proposed.digest.hex(),
                "policy_version": row.policy_version,
                "rule": judgement.rule,
                "code": judgement.code,
                "claimed": bool(claimed),
                **({"on_behalf_of": behalf} if behalf else {}),
            }
        ).decode(),
        "accounts": [] if judgement.admission == "denied" else [b.account for b in facts.budgets],
        **admission_counts(proposed, judgement, facts),
    }


def kept_until(now: datetime, tokens: int, cost_usd: Decimal) -> datetime | None:
    """How long what is reserved waits for its action to begin; without a reservation nothing waits."""
    kept: timedelta = settings.WATCHFLOOR_RESERVATION
    return now + kept if tokens or cost_usd else None


def admission_counts(proposed: Proposed, judgement: Judgement, facts: AgentFacts) -> dict[str, Any]:
    """What an admission, or a refusal, adds to the windows."""
    denied = judgement.admission == "denied"
    watched = first_of("unusual", facts.breakers)
    event = judgement.event or Event(
        "denied" if denied else "proposed", uses=facts.uses, tool_uses=facts.tool_uses
    )
    return {
        "count_actions": 0 if denied else 1,
        "count_unusual": int(watched is not None and is_unusual(watched, event)),
        "count_tokens": 0 if denied else proposed.request.estimated_tokens,
        "count_cost": 0 if denied else proposed.request.estimated_cost_usd,
    }


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
