"""What a hold's page shows: who waits for what and why, and what came of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.shortcuts import get_object_or_404

from agents.models import Action, ActionState, Directive, Run
from people.models import Person
from reviews.models import Hold, HoldDecision, HoldKind

from .arguments import same
from .timeline import UNREAD, Step, readable, steps

LINES_BEFORE = 16
"""How much of a run's story a hold tells; the rest is on the run's page."""
LOOKED_BACK = 1000
"""How many of an agent's newest actions are searched for ones like this."""

ROWS_SHOWN = 200

RELATED = ("agent", "queue", "team", "claimed_by", "run", "action", "trip__breaker")
BULKY = ("payload", "run__metadata", "run__output", "trip__evidence") + tuple(
    f"action__{column}" for column in UNREAD
)


def whole(pk: UUID, person: Person) -> Hold:
    """The hold with everything it points at, or 404 for those who may not know of it."""
    return get_object_or_404(Hold.objects.visible_to(person).select_related(*RELATED), pk=pk)


def standing(pk: UUID, person: Person) -> Hold:
    """The same without the columns of any size: enough to say how it stands."""
    return get_object_or_404(
        Hold.objects.visible_to(person).select_related(*RELATED).defer(*BULKY), pk=pk
    )


# -- the story so far ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """The run up to the held action. `earlier` says whether there is more before it."""

    steps: list[Step]
    earlier: bool
    here: UUID | None


def story(hold: Hold) -> Story:
    if hold.run_id is None:
        return Story([], earlier=False, here=None)
    actions = Action.objects.filter(run_id=hold.run_id)
    if hold.action_id:
        actions = actions.filter(id__lte=hold.action_id)
    elif not hold.is_open and hold.decided_at:
        actions = actions.filter(created_at__lte=hold.decided_at)
    newest = list(readable(actions).order_by("-id")[: LINES_BEFORE + 1])
    return Story(
        steps(reversed(newest[:LINES_BEFORE])),
        earlier=len(newest) > LINES_BEFORE,
        here=hold.action_id,
    )


# -- ones like this --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Precedent:
    """What was said to calls of the same tool, among the agent's newest `LOOKED_BACK` actions."""

    total: int
    approved: int
    edited: int
    rejected: int
    failed: int
    """Approved or edited, and failed when executed."""
    last: dict[str, Any] | None
    """Effective arguments of the newest one that succeeded."""


def precedent(action: Action) -> Precedent:
    recent = (
        Action.objects.filter(agent_id=action.agent_id, id__lt=action.pk)
        .order_by("-id")
        .values("pk")[:LOOKED_BACK]
    )
    alike = Action.objects.filter(pk__in=recent, tool=action.tool)
    counts = alike.aggregate(
        total=Count("pk", filter=~Q(decision="")),
        approved=Count("pk", filter=Q(decision="approved")),
        edited=Count("pk", filter=Q(decision="edited")),
        rejected=Count("pk", filter=Q(decision__in=["rejected", "answered"])),
        failed=Count("pk", filter=Q(decision__in=["approved", "edited"], state=ActionState.FAILED)),
    )
    last = (
        alike.filter(state=ActionState.SUCCEEDED)
        .order_by("-id")
        .only("arguments", "approved_arguments")
        .first()
    )
    return Precedent(**counts, last=last.effective_arguments if last else None)


@dataclass(frozen=True)
class Row:
    """One argument of the held action, beside what it was the last time."""

    key: str
    value: Any
    kind: str
    before: Any = None
    differs: bool = False


def rows(action: Action, last: dict[str, Any] | None) -> list[Row]:
    """The effective arguments as a table, the first `ROWS_SHOWN` of them."""
    return [
        Row(
            key,
            value,
            kind_of(value),
            before=(last or {}).get(key),
            differs=last is not None
            and key in last
            and is_plain(value)
            and is_plain(last[key])
            and not same(last[key], value),
        )
        for key, value in list(action.effective_arguments.items())[:ROWS_SHOWN]
    ]


def kind_of(value: Any) -> str:
    """A JSON type as people say it, so that `5` and `"5"` are told apart."""
    match value:
        case bool():
            return "yes or no"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return f"list of {len(value)}"
        case dict():
            return f"object of {len(value)}"
    return "nothing"


def is_plain(value: Any) -> bool:
    """Short enough to stand beside another."""
    return value is None or isinstance(value, bool | int | float) or len(str(value)) <= 60


def attempts(hold: Hold) -> list[Step]:
    """What the agent tried with this piece of work before it gave up."""
    if hold.run_id is None:
        return []
    tried = Action.objects.filter(run_id=hold.run_id)
    if hold.subject:
        tried = tried.filter(subject=hold.subject)
    elif hold.action_id:
        tried = tried.filter(id__lte=hold.action_id)
    else:
        return []
    return steps(reversed(readable(tried).order_by("-id")[:LINES_BEFORE]))


# -- after the answer ------------------------------------------------------------------------------


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
    HoldDecision.RESUMED: "resumed it on probation",
    HoldDecision.MODIFIED: "modified and resumed it",
    HoldDecision.TERMINATED: "terminated it",
    HoldDecision.RESOLVED: "resolved this",
    HoldDecision.RETRIED: "sent it back to try again",
    HoldDecision.DISCARDED: "discarded this",
}


def _approval(hold: Hold, action: Action) -> list[Mark]:
    agent = hold.agent.name
    arrived = action.delivered_at or action.claimed_at
    delivered = (
        Mark("Delivered", "done", f"{agent} has the answer", arrived)
        if arrived
        else Mark("Delivered", "now", f"{agent} has not asked for the answer yet")
    )
    if hold.decision in (HoldDecision.REJECTED, HoldDecision.ANSWERED):
        return [delivered]
    return [delivered, _executed(action, agent, is_delivered=bool(arrived))]


def _executed(action: Action, agent: str, *, is_delivered: bool) -> Mark:
    match action.state:
        case ActionState.APPROVED:
            stage = "now" if is_delivered else "next"
            return Mark("Executed", stage, f"{agent} has not started it yet")
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
        return [Mark("Delivered", "now", text)]
    latest = max(at for at in told if at is not None)
    return [Mark("Delivered", "done", f"{hold.agent.name} has taken it up", latest)]
