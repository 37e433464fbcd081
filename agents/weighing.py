"""From facts to what is to be written: the part of admission, claim and settlement that both doors share.

No I/O here. The hot door and the ordinary verbs read the same rows, call these, and run the same SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec
from django.conf import settings

from audit.errors import Conflict, NotFound, Refused
from audit.ids import new_id

from .policies import Policies
from .rules.admission import Judgement, judge, judge_state
from .rules.breakers import Tripped, Watch, loops, malformed_of, opening, shadowed
from .rules.breakers.gauges import ends_row, is_slow, is_unusual
from .rules.digest import NotCanonical, approval_digest
from .rules.facts import AgentFacts, BreakerFacts, BudgetFacts, Event
from .rules.policy import Case, Requirement, Ruling
from .rules.prices import PriceBook
from .shapes import Claim, Proposed, Settle, checked_money
from .statements import Counted, write_admission, write_denial, write_settlement

breakers_decoder = msgspec.json.Decoder(list[BreakerFacts])
budgets_decoder = msgspec.json.Decoder(list[BudgetFacts])
encode = msgspec.json.Encoder(decimal_format="string").encode


class Unauthorized(Refused):
    """No such key, or it was revoked."""

    code = "unauthorized"


class Row(Protocol):
    """A row of one of the facts functions; columns as there."""

    def __getattr__(self, name: str) -> Any: ...


class Seen(NamedTuple):
    """The proposal was answered before; this is its action."""

    action: Any


@dataclass(frozen=True, slots=True)
class Weighed:
    """A judgement, with the statement and parameters that write it (none for `retry_later`)."""

    judgement: Judgement
    statement: str = ""
    params: dict[str, Any] | None = None


def checked_run(row: Row | None) -> Row:
    if row is None:
        raise Unauthorized("This key is not known, or it was revoked.")
    if row.run_state is None:
        raise NotFound("This agent has no such run.")
    return row


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


def agent_facts(row: Row) -> AgentFacts:
    return AgentFacts(
        agent_state=row.agent_state,
        agent_reason=row.agent_reason,
        run_state=row.run_state,
        run_reason=row.run_reason,
        now=row.now_at,
        breakers=breakers_decoder.decode(row.breakers),
        budgets=budgets_decoder.decode(row.budgets) if getattr(row, "budgets", None) else [],
        uses=getattr(row, "uses", None) or 0,
        tool_uses=getattr(row, "tool_uses", None) or 0,
    )


def proposed_case(row: Row, proposed: Proposed, working: bool) -> Case:
    """What policy judges of a proposal."""
    request = proposed.request
    return Case(
        tool=request.tool,
        arguments=proposed.arguments,
        kind=request.kind,
        subject=request.subject,
        amount=request.amount,
        currency=request.currency,
        cost_usd=request.estimated_cost_usd,
        tokens=request.estimated_tokens,
        environment=row.environment,
        agent=row.agent_name,
        team=row.team_name,
        run=row.run_name,
        on_behalf_of=request.on_behalf_of or row.on_behalf_of,
        now=row.now_at,
        working_time=working,
    )


def stored_case(row: Row, working: bool) -> Case:
    """What policy judges of an action that was written before, as it would run now."""
    return Case(
        tool=row.tool,
        arguments=msgspec.json.decode(row.arguments),
        kind=row.kind,
        subject=row.subject,
        amount=row.amount,
        currency=row.currency,
        cost_usd=row.estimated_cost_usd,
        tokens=row.estimated_tokens,
        environment=row.environment,
        agent=row.agent_name,
        team=row.team_name,
        run=row.run_name,
        on_behalf_of=row.on_behalf_of,
        now=row.now_at,
        working_time=working,
    )


BUCKETED = frozenset({"errors", "failure_rate", "slow", "spend", "unusual", "drop"})
"""Conditions whose gauge is a sum of buckets."""


def counted_for(
    breakers: list[BreakerFacts], *, accounts: bool = False, streak: str = ""
) -> Counted:
    """What has to be kept because some breaker, also one in shadow, or some budget looks at it."""
    scopes = {b.scope for b in breakers if b.condition in BUCKETED}
    return Counted(
        run="run" in scopes,
        team="team" in scopes,
        tools=any(b.condition == "unusual" for b in breakers),
        accounts=accounts,
        streak=streak if any(b.condition == "malformed" for b in breakers) else "",
    )


def first_of(condition: str, breakers: list[BreakerFacts]) -> BreakerFacts | None:
    """The breaker whose threshold says what is slow or unusual: one of the agent before one of its team."""
    found = [b for b in breakers if b.condition == condition]
    return next((b for b in found if b.scope != "team"), found[0] if found else None)


def admission_params(
    row: Row, proposed: Proposed, judgement: Judgement, run_id: Any, facts: AgentFacts
) -> dict[str, Any]:
    """Parameters of `write_admission` and `write_denial`."""
    request, now = proposed.request, row.now_at
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
        "on_behalf_of": request.on_behalf_of or row.on_behalf_of,
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
        "data": encode(
            {
                "tool": request.tool,
                "digest": proposed.digest.hex(),
                "policy_version": row.policy_version,
                "rule": judgement.rule,
                "code": judgement.code,
                "claimed": bool(claimed),
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


def checked_action(row: Row | None) -> Row:
    if row is None:
        raise Unauthorized("This key is not known, or it was revoked.")
    if row.state is None:
        raise NotFound("This agent has no such action.")
    return row


def weigh_claim(
    row: Row, action: Any, request: Claim, policies: Policies, working: bool
) -> dict[str, Any] | None:
    """Parameters of WRITE_CLAIM, or None when this very claim was answered before.

    Everything is checked again: stops, probation, policy where it changed, the approval's validity and what it
    binds. `probe` is a breaker of which it has to be a probe first; whether there is room left, WRITE_CLAIM sees.
    """
    if row.state == "executing":
        if request.claim_id and request.claim_id == row.claim_id:
            return None
        raise Conflict("This action was claimed already.", code="already_claimed")
    if (row.state == "expired" and row.requirement is None) or has_lapsed(row):
        raise Conflict(LAPSED, code="reservation_lapsed")
    if row.state not in ("allowed", "approved"):
        raise Conflict(f"This action is {row.state}.", code="not_claimable")
    facts = agent_facts(row)
    if stopped := judge_state(facts):
        raise Conflict(stopped.reason or "Paused.", code=stopped.code)
    if row.judged_by != policies.version:
        check_policy(row, policies.judge(stored_case(row, working)))
    if row.state == "approved":
        check_approval(row)
    return {
        "agent": row.agent_id,
        "team": row.team_id,
        "run": row.run_id,
        "action": action,
        "now": row.now_at,
        "claim_id": request.claim_id or str(new_id()),
        "lease_until": row.now_at + timedelta(seconds=request.lease_s),
        "entry_kind": "action.executing",
        "summary": row.tool,
        "data": encode({"tool": row.tool, "was": row.state}).decode(),
        "probe": probe_needed(facts.breakers, row),
    }


def probe_needed(breakers: list[BreakerFacts], row: Row) -> BreakerFacts | None:
    """The breaker on probation whose probe this has to become first. What a person allowed needs none."""
    halves = [b for b in breakers if b.state == "half_open"]
    if row.state != "allowed" or not halves:
        return None
    leased = str(row.probe_of), row.probe_generation
    return None if any((b.id, b.generation) == leased for b in halves) else halves[0]


NO_ROOM = "WF001"
"""What `agents_step_aside` raises."""
USED_UP = (
    "It was allowed, but not begun before its budget was used up. "
    "Propose it again under another call id."
)
LAPSED = (
    "It was allowed, but not begun in time: what was reserved for it went back to the budget. "
    "Propose it again under another call id."
)


def has_lapsed(row: Row) -> bool:
    """Its reservation is over, whether or not the clock came by."""
    return bool(
        row.state == "allowed" and row.expires_at is not None and row.expires_at <= row.now_at
    )


def check_policy(row: Row, ruling: Ruling) -> None:
    """Policy changed since: what it refuses by now, or would ask more people for, is not begun."""
    if ruling.answer == "deny":
        raise Conflict(f"Policy changed: {ruling.why}", code="policy_changed")
    if ruling.answer != "approve" or ruling.requirement is None:
        return
    had = requirement_of(row.requirement) if row.state == "approved" else None
    if had is None or not had.satisfies(ruling.requirement):
        raise Conflict(
            f"Policy changed: {ruling.why} Propose it again under another call id.",
            code="policy_changed",
        )


def requirement_of(text: str | None) -> Requirement | None:
    return None if text is None else Requirement.from_dict(msgspec.json.decode(text))


def check_approval(row: Row) -> None:
    if row.expires_at is not None and row.expires_at <= row.now_at:
        raise Conflict("The approval was not used in time.", code="approval_expired")
    try:
        digest = approval_digest(
            agent=str(row.agent_id),
            run=str(row.run_id),
            tool=row.tool,
            arguments=msgspec.json.decode(row.arguments),
            policy_version=row.judged_by,
        )
    except NotCanonical:
        digest = b""
    if row.approval_digest is None or bytes(row.approval_digest) != digest:
        raise Conflict("The approval does not bind these arguments.", code="not_claimable")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to write at an outcome. With `needs_care` the ordinary verb must do it."""

    params: dict[str, Any]
    statement: str
    event: Event
    steps: bytes
    """The run's fingerprints before this one."""
    trip: Tripped | None = None
    shadows: tuple[Tripped, ...] = ()
    needs_care: bool = False


def weigh_settlement(
    row: Row, action: Any, request: Settle, prices: PriceBook
) -> Settlement | None:
    """Judge an outcome; None when this very report was answered before."""
    checked_money(request.cost_usd, "cost_usd")
    digest = request.report_digest()
    if row.state in ("succeeded", "failed"):
        if row.report_digest is not None and bytes(row.report_digest) == digest:
            return None
        raise Conflict(f"This action {row.state} already.", code="already_settled")
    if row.state not in ("executing", "unknown"):
        if request.outcome == "interrupted" and row.state in ("allowed", "approved"):
            return None
        raise Conflict(f"This action is {row.state}; claim it first.", code="not_claimed")
    if request.claim_id and request.claim_id != row.claim_id:
        raise Conflict("Another process holds the claim.", code="not_your_claim")
    if request.outcome == "interrupted" and row.state == "unknown":
        raise Conflict("This action's claim ran out already.", code="not_claimed")
    request, source = priced(row, request, prices)
    params = settlement_params(row, action, request, digest) | {"cost_source": source}
    return settlement(row, request, params)


def priced(row: Row, request: Settle, prices: PriceBook) -> tuple[Settle, str]:
    """The report with what it cost, and where that comes from. What the agent says counts; else the table does."""
    if request.cost_usd:
        return request, "reported"
    if not prices or not request.input_tokens + request.output_tokens:
        return request, ""
    cost = prices.price(
        request.model or row.model,
        request.input_tokens,
        request.output_tokens,
        request.cached_tokens,
        cache_write=request.cache_write_tokens,
        at=row.now_at,
        team=row.team_id,
    )
    if cost is None:
        return request, ""
    return msgspec.structs.replace(request, cost_usd=cost), "priced"


def settlement(row: Row, request: Settle, params: dict[str, Any]) -> Settlement:
    """Judge the outcome by the breakers that watch the run; an interruption is none."""
    breakers = breakers_decoder.decode(row.breakers)
    steps, event = bytes(row.steps or b""), outcome_event(row, request, breakers)
    watch = Watch(breakers, steps=steps)
    found = watch.step(event) if request.outcome != "interrupted" else []
    trip, shadows = opening(found), tuple(shadowed(found))
    streak = "longer" if event.malformed else "over" if ends_row(event) else ""
    watched = first_of("slow", breakers)
    return Settlement(
        params=params
        | {
            "count_slow": int(watched is not None and is_slow(watched, event)),
            "fingerprint": event.fingerprint or None,
            "steps": watch.steps if event.fingerprint else None,
            "malformed": event.malformed,
        },
        statement=write_settlement(
            counted_for(breakers, accounts=bool(row.accounts), streak=streak)
        ),
        event=event,
        steps=steps,
        trip=trip,
        shadows=shadows,
        needs_care=bool(found) or row.state == "unknown" or row.probe_of is not None,
    )


def outcome_event(row: Row, request: Settle, breakers: list[BreakerFacts]) -> Event:
    """What breakers judge of an outcome. Fingerprints are only made where one looks for circles."""
    circles = any(b.condition == "loop" for b in breakers)
    result = bytes(request.result)
    return Event(
        "settled",
        tool=row.tool,
        failed=request.outcome == "failed",
        malformed=request.error is not None and malformed_of(request.error.type, row.kind),
        tokens=request.input_tokens + request.output_tokens - row.estimated_tokens,
        cost_usd=request.cost_usd - row.estimated_cost_usd,
        duration_ms=duration_of(row, request),
        fingerprint=loops.fingerprint(
            tool=row.tool,
            subject=row.subject,
            arguments=msgspec.json.decode(row.arguments),
            result=request.error.message if request.error else msgspec.json.decode(result),
        )
        if circles
        else b"",
        kind=row.kind,
        at=row.now_at,
        reserved_tokens=row.estimated_tokens,
        reserved_cost_usd=row.estimated_cost_usd,
        reserved_s=(row.now_at - row.created_at).total_seconds(),
    )


def duration_of(row: Row, request: Settle) -> int | None:
    """As reported; else since it was claimed, unless its claim ran out: it may have ended long before it was told."""
    if request.duration_ms is not None or row.claimed_at is None or row.state != "executing":
        return request.duration_ms
    took: timedelta = row.now_at - row.claimed_at
    return took // timedelta(milliseconds=1)


def settlement_params(row: Row, action: Any, request: Settle, digest: bytes) -> dict[str, Any]:
    """Parameters of `write_settlement` and WRITE_RELEASE that the request gives."""
    failed = request.outcome == "failed"
    result = bytes(request.result)
    return {
        "agent": row.agent_id,
        "team": row.team_id,
        "run": row.run_id,
        "action": action,
        "now": row.now_at,
        "state": request.outcome,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "cost_usd": request.cost_usd,
        "cached_tokens": request.cached_tokens,
        "cache_write_tokens": request.cache_write_tokens,
        "kept_until": kept_until(row.now_at, row.estimated_tokens, row.estimated_cost_usd),
        "model": request.model,
        "trace_url": request.trace_url,
        "result": None if result == b"null" else result.decode(),
        "error": None if request.error is None else encode(request.error).decode(),
        "duration_ms": duration_of(row, request),
        "report_digest": digest,
        "count_failures": int(failed),
        "count_tokens": request.input_tokens + request.output_tokens,
        "count_cost": request.cost_usd,
        "entry_kind": f"action.{request.outcome}",
        "summary": row.tool,
        "data": encode(
            {
                "tool": row.tool,
                "input_tokens": request.input_tokens,
                "output_tokens": request.output_tokens,
                "cost_usd": str(request.cost_usd),
                "was": row.state,
            }
        ).decode(),
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
