"""What is read under lock, as the rules want it; and what has to be counted because somebody looks at it."""

from __future__ import annotations

from typing import Any, Protocol, cast

import msgspec

from audit.errors import NotFound, Refused

from ..rules.facts import AgentFacts, BreakerFacts, BudgetFacts
from ..rules.policy import Case
from ..shapes import Proposed
from ..statements import Counted


class Listed(BreakerFacts, frozen=True, array_like=True):
    """As `agents_breaker_json` writes it: values in their order, without their names."""


breakers_decoder = msgspec.json.Decoder(cast(type[list[BreakerFacts]], list[Listed]))
budgets_decoder = msgspec.json.Decoder(list[BudgetFacts])
encode = msgspec.json.Encoder(decimal_format="string").encode


NO_SUCH_KEY = "This key is not known, or it was revoked."


class Unauthorized(Refused):
    """No such key, or it was revoked."""

    code = "unauthorized"


class Row(Protocol):
    """A row of one of the facts functions; columns as there."""

    def __getattr__(self, name: str) -> Any: ...


def checked_run(row: Row | None) -> Row:
    if row is None:
        raise Unauthorized(NO_SUCH_KEY)
    if row.run_state is None:
        raise NotFound("This agent has no such run.")
    return row


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


def bound(row: Row) -> dict[str, str]:
    """For the record: what exactly a person said yes to, under which policies, and for whom it was asked."""
    told = {"policy_version": row.judged_by, "on_behalf_of": row.on_behalf_of}
    if row.approval_digest is not None:
        told["digest"] = bytes(row.approval_digest).hex()
    return {name: value for name, value in told.items() if value}


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


def checked_action(row: Row | None) -> Row:
    if row is None:
        raise Unauthorized(NO_SUCH_KEY)
    if row.state is None:
        raise NotFound("This agent has no such action.")
    return row
