"""What follows an answer: decided → delivered → executed, and where it is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from agents.models import Action, ActionState, Directive, Run
from audit.constants import Constant
from reviews.models import Hold, HoldDecision, HoldKind


@dataclass(frozen=True)
class Mark:
    """One stage of what follows a decision: `done`, `now`, `next` or `failed`."""

    word: str
    stage: str
    text: str
    at: datetime | None = None


def course(hold: Hold) -> list[Mark]:
    """Decided → delivered → executed: where the answer is now."""
    if hold.is_open:
        return []
    said = Mark("Decided", "done", _said(hold), hold.decided_at)
    if not hold.decision:
        return [said]
    match hold.kind:
        case HoldKind.APPROVAL if hold.action:
            return [said, *_approval(hold, hold.action)]
        case HoldKind.TRIP:
            return [said, *_trip(hold)]
    return [said, *_directives(hold, Q(kind="review", body__review_id=str(hold.pk)))]


def _said(hold: Hold) -> str:
    if hold.decision:
        return f"{hold.decider} {WORDS[HoldDecision(hold.decision)]}"
    if hold.state == "expired":
        return "Nobody answered in time, so it counts as a no"
    return f"Withdrawn by {hold.decider}"


WORDS = {
    HoldDecision.APPROVED: "approved this",
    HoldDecision.EDITED: "approved this with changes",
    HoldDecision.REJECTED: "rejected this",
    HoldDecision.ANSWERED: "answered instead of letting it run",
    HoldDecision.ASKED: "asked the agent first",
    HoldDecision.RESUMED: "resumed it on probation",
    HoldDecision.MODIFIED: "modified and resumed it",
    HoldDecision.TERMINATED: "terminated it",
    HoldDecision.RESOLVED: "resolved this",
    HoldDecision.RETRIED: "sent it back to try again",
    HoldDecision.DISCARDED: "discarded this",
}


NOT_RUN = (HoldDecision.REJECTED, HoldDecision.ANSWERED, HoldDecision.ASKED)


def _approval(hold: Hold, action: Action) -> list[Mark]:
    agent = hold.agent.name
    arrived = action.delivered_at or action.claimed_at
    delivered = (
        Mark("Delivered", "done", f"{agent} has the answer", arrived)
        if arrived
        else Mark("To be delivered", "now", f"{agent} has not asked for the answer yet")
    )
    if hold.decision in NOT_RUN:
        return [delivered]
    return [delivered, _executed(action, agent, is_delivered=bool(arrived))]


def _executed(action: Action, agent: str, *, is_delivered: bool) -> Mark:
    match action.state:
        case ActionState.APPROVED:
            if action.expires_at and action.expires_at <= timezone.now():
                return Mark("Executed", "failed", "It was not started in time, the yes has lapsed")
            stage = "now" if is_delivered else "next"
            return Mark("To be executed", stage, f"{agent} has not started it yet")
        case ActionState.EXECUTING:
            return Mark("Executed", "now", "It is running", action.claimed_at)
        case ActionState.SUCCEEDED:
            return Mark("Executed", "done", "It succeeded", action.settled_at)
        case ActionState.FAILED:
            return Mark("Executed", "failed", "It failed", action.settled_at)
        case ActionState.UNKNOWN:
            return Mark("Executed", "failed", "Its outcome never came: a person must find out")
        case ActionState.EXPIRED:
            return Mark("Executed", "failed", "It was not started in time, the approval is void")
    return Mark("Executed", "failed", action.state_reason or "It was cancelled before it started")


def is_undone(hold: Hold) -> bool:
    """Approved, and its agent has not begun it: it can be told again."""
    action = hold.action
    return (
        hold.kind == HoldKind.APPROVAL
        and not hold.is_open
        and action is not None
        and action.state == ActionState.APPROVED
    )


def remembered(hold: Hold) -> int:
    """How often the same request was answered from the memory of this rejection since, up to 100."""
    action = hold.action
    if hold.decision != HoldDecision.REJECTED or action is None:
        return 0
    alike = Action.objects.filter(
        agent_id=hold.agent_id, digest=action.digest, decision=Constant("rejected")
    )
    return alike.filter(remembered=action.pk)[:100].count()


def outcome(hold: Hold) -> Any:
    """What came of an approved action, once it is known: its result, or its error."""
    action = hold.action
    if hold.kind != HoldKind.APPROVAL or action is None:
        return None
    if action.state == ActionState.SUCCEEDED:
        return action.result
    return action.error if action.state == ActionState.FAILED else None


def _trip(hold: Hold) -> list[Mark]:
    if hold.decision == HoldDecision.TERMINATED:
        return [_terminated(hold)]
    told = (
        _directives(hold, Q(kind__in=["instruction", "state", "limit"], at__gte=hold.decided_at))
        if hold.decision == HoldDecision.MODIFIED
        else []
    )
    return [*told, _probation(hold)]


def _terminated(hold: Hold) -> Mark:
    live = Run.objects.filter(agent_id=hold.agent_id).live()
    if hold.run_id:
        live = live.filter(pk=hold.run_id)
    elif hold.trip:
        live = live.filter(started_at__lt=hold.trip.opened_at)
    left = live[:1000].count()
    if left:
        return Mark("Ended", "now", f"{left} runs are still ending")
    return Mark("Ended", "done", "No run of it is left", hold.decided_at)


def _probation(hold: Hold) -> Mark:
    breaker = hold.trip.breaker if hold.trip else None
    if breaker is None:
        return Mark("Running", "done", f"{hold.agent.name} runs again", hold.decided_at)
    passed = f"{breaker.probes_succeeded} of {breaker.probes_allowed} probes succeeded"
    match breaker.state:
        case "half_open":
            return Mark("Probation", "now", passed, None)
        case "closed":
            return Mark("Probation", "done", "Passed, the breaker is closed")
        case "open" | "forced_open":
            return Mark("Probation", "failed", "The breaker is open again", breaker.opened_at)
    return Mark("Probation", "done", f"The breaker is {breaker.get_state_display().lower()}")


def _directives(hold: Hold, which: Q) -> list[Mark]:
    told = list(
        Directive.objects.filter(which, agent_id=hold.agent_id)
        .order_by("-id")
        .values_list("acknowledged_at", flat=True)[:20]
    )
    if not told:
        return []
    open_ones = sum(at is None for at in told)
    if open_ones:
        text = f"{hold.agent.name} has not taken it up yet"
        return [Mark("To be delivered", "now", text)]
    latest = max(at for at in told if at is not None)
    return [Mark("Delivered", "done", f"{hold.agent.name} has taken it up", latest)]
