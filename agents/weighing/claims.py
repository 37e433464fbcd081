"""A claim: everything is checked again before an action begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from audit import source
from audit.errors import Conflict
from audit.ids import new_id

from ..policies import Policies
from ..rules.admission import judge_state
from ..rules.digest import NotCanonical, approval_digest
from ..rules.facts import BreakerFacts
from ..rules.policy import Requirement, Ruling
from ..shapes import Claim
from .facts import (
    Row,
    agent_facts,
    bound,
    encode,
    stored_case,
)


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
        "source": source.text(),
        "data": encode({"tool": row.tool, "was": row.state, **bound(row)}).decode(),
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
