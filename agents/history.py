"""Reads what agents really did, bounded, so that a breaker or a budget can be tried on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Q, QuerySet

from .models import Action, ActionState, Agent, Breaker, Run, ToolUse, Trip
from .models.breaker import Scope
from .replay import first_id
from .rules.backtest import CLOCKED, Began, Done, Lived, Stopped, Tried
from .rules.backtest.result import usual_answer
from .rules.breakers import loops

MOST = 20_000
"""Actions, the newest; and as many runs."""
MOST_TRIPS = 500
LONGEST_S = 2.5
"""Seconds of reading; what was read until then is what is looked at."""
USUAL = 10**15
"""Uses of a tool that a person said is usual: never rare."""
USUAL_BEFORE = timedelta(days=7)


class Whose(NamedTuple):
    """Whose past: of one agent, or of every agent of a team."""

    team_id: UUID
    agent_id: UUID | None = None

    @classmethod
    def of(cls, breaker: Breaker) -> Whose:
        return cls(breaker.owner_team_id, breaker.agent_id)

    @property
    def agents(self) -> list[UUID]:
        if self.agent_id is not None:
            return [self.agent_id]
        return list(Agent.objects.filter(team_id=self.team_id).values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class History:
    """`since` is where judging begins: later than was asked for when there was too much to read."""

    since: datetime
    until: datetime
    complete: bool = True
    actions: list[Done] = field(default_factory=list)
    runs: list[Began] = field(default_factory=list)
    stops: list[Stopped] = field(default_factory=list)
    lived: list[Lived] = field(default_factory=list)
    uses: dict[tuple[str, str], int] = field(default_factory=dict)
    answer_takes: timedelta = timedelta()


type Known = dict[bool, tuple[datetime, list[Done], datetime | None]]
"""What was read already, with and without steps, and from where on: several settings share one past."""


def history(
    whose: Whose, tried: Tried, *, since: datetime, until: datetime, known: Known | None = None
) -> History:
    """Everything that this breaker would have looked at from `since` on, and what filled its windows before."""
    agents = whose.agents
    before = tried.window + (USUAL_BEFORE if tried.condition == "drop" else timedelta(0))
    begin = since - before
    trips = stops_of(whose, agents, since)
    stops = [stopped(trip, until) for trip in trips]
    alike = [trip for trip in trips if is_like(trip, tried)]
    read_before, reached = read_once(
        agents, begin, with_steps=tried.condition == "loop", known={} if known is None else known
    )
    actions = read_before + [refused(trip) for trip in alike if asked_for(trip)]
    looks_at_runs = tried.condition in CLOCKED or tried.condition == "often"
    return History(
        since=since if reached is None else max(since, reached + before),
        until=until,
        complete=reached is None or reached + before <= since,
        actions=actions,
        runs=runs_of(agents, begin, until) if looks_at_runs else [],
        stops=stops,
        lived=[lived(trip, tried, until, whose) for trip in alike],
        uses=uses_before(agents, actions) if tried.condition == "unusual" else {},
        answer_takes=usual_answer(stops, until),
    )


# -- actions ---------------------------------------------------------------------------------------

PLAIN = (
    *("id", "agent_id", "run_id", "tool", "item", "created_at", "state", "gated", "settled_at"),
    *("decided_at", "decision", "claimed_at", "is_malformed"),
    *("estimated_tokens", "estimated_cost_usd", "input_tokens", "output_tokens", "cost_usd"),
    *("duration_ms", "fingerprint", "kind"),
)
STEPS = (*PLAIN, "subject", "arguments", "result", "error")
RELEASED = (ActionState.REJECTED, ActionState.EXPIRED, ActionState.CANCELLED)
OVER = (ActionState.SUCCEEDED, ActionState.FAILED)


def read_once(
    agents: list[UUID], since: datetime, *, with_steps: bool, known: Known
) -> tuple[list[Done], datetime | None]:
    if with_steps not in known or known[with_steps][0] > since:
        known[with_steps] = (since, *read(agents, since, with_steps=with_steps))
    _, actions, reached = known[with_steps]
    return actions, reached


def read(
    agents: list[UUID], since: datetime, *, with_steps: bool
) -> tuple[list[Done], datetime | None]:
    """The newest actions, oldest first; and where reading stopped when it did not reach back to `since`."""
    found = (
        Action.objects.filter(agent__in=agents, id__gte=first_id(since))
        .order_by("-id")
        .values_list(*(STEPS if with_steps else PLAIN), named=True)[:MOST]
    )
    end = time.monotonic() + LONGEST_S
    actions: list[Done] = []
    for row in found.iterator(chunk_size=1000):
        actions.append(done(row, with_steps=with_steps))
        if time.monotonic() > end:
            break
    else:
        if len(actions) < MOST:
            return actions[::-1], None
    return actions[::-1], actions[-1].asked_at


def done(row: Any, *, with_steps: bool) -> Done:
    """A stored action as rules see it."""
    ended = row.settled_at
    if row.state in RELEASED:
        ended = row.decided_at or row.created_at
    print_ = bytes(row.fingerprint or b"")
    if with_steps and not print_ and row.state in OVER:
        print_ = fingerprint(row)
    waited = row.decided_at if row.decision or row.state in RELEASED else None
    return Done(
        id=str(row.id),
        agent=str(row.agent_id),
        run=str(row.run_id),
        tool=row.tool,
        item=row.item,
        asked_at=row.created_at,
        outcome=outcome(row),
        ended_at=ended,
        failed=row.state == ActionState.FAILED,
        malformed=row.is_malformed,
        kind=row.kind,
        estimated_tokens=row.estimated_tokens,
        estimated_cost_usd=row.estimated_cost_usd,
        tokens=row.input_tokens + row.output_tokens,
        cost_usd=row.cost_usd,
        duration_ms=row.duration_ms,
        fingerprint=print_,
        waited_until=waited,
    )


def outcome(row: Any) -> Any:
    if row.state == ActionState.DENIED:
        return "denied"
    if not row.gated:
        return "observed"
    if row.state in RELEASED:
        return "released"
    return row.state if row.state in OVER else "open"


def fingerprint(row: Any) -> bytes:
    error = row.error or {}
    return loops.fingerprint(
        tool=row.tool,
        subject=row.subject,
        arguments=row.arguments,
        result=error.get("message") if error else row.result,
    )


# -- runs and uses ---------------------------------------------------------------------------------


def runs_of(agents: list[UUID], since: datetime, until: datetime) -> list[Began]:
    """Those that began or were under way since then, the newest."""
    found = Run.objects.filter(agent__in=agents, started_at__lte=until).filter(
        Q(id__gte=first_id(since)) | Q(finished_at=None) | Q(finished_at__gte=since)
    )
    rows = found.order_by("-id").values_list("id", "agent_id", "started_at", "finished_at")[:MOST]
    return [Began(str(run), str(agent), at, over) for run, agent, at, over in rows][::-1]


def uses_before(agents: list[UUID], actions: list[Done]) -> dict[tuple[str, str], int]:
    """How often tools were used before the first of these actions: what is counted now, less these."""
    rows = ToolUse.objects.filter(agent__in=agents).values_list(
        "agent_id", "tool", "uses", "is_known"
    )
    uses = {(str(agent), tool): USUAL if known else n for agent, tool, n, known in rows}
    for action in actions:
        if action.outcome in ("denied", "refused"):
            continue
        for tool in ("", action.tool):
            if (action.agent, tool) in uses:
                uses[action.agent, tool] = max(uses[action.agent, tool] - 1, 0)
    return uses


# -- what really stopped ---------------------------------------------------------------------------


def stops_of(whose: Whose, agents: list[UUID], since: datetime) -> list[Trip]:
    """Oldest first."""
    found: QuerySet[Trip] = Trip.objects.filter(
        agent__in=agents, is_shadow=False, opened_at__gte=since
    ).select_related("breaker")
    return list(found.order_by("-id")[:MOST_TRIPS])[::-1]


def is_like(trip: Trip, tried: Tried) -> bool:
    """Whether it was tripped by a breaker that looks for the same."""
    if trip.condition != tried.condition or trip.unit != tried.unit:
        return False
    scope = trip.breaker.scope if trip.breaker else Scope.RUN if trip.run_id else Scope.AGENT
    return scope == tried.scope


def stopped(trip: Trip, until: datetime) -> Stopped:
    run = str(trip.run_id) if trip.run_id else ""
    return Stopped(str(trip.agent_id), run, trip.opened_at, trip.ended_at or until)


def lived(trip: Trip, tried: Tried, until: datetime, whose: Whose) -> Lived:
    owners = {Scope.RUN: trip.run_id, Scope.TEAM: whose.team_id}
    owner = owners.get(Scope(tried.scope)) or trip.agent_id
    return Lived(str(trip.pk), str(owner), trip.opened_at, trip.ended_at or until, trip.was_true)


def asked_for(trip: Trip) -> bool:
    """Whether it tripped on a proposal: that one was refused, and is kept only in the trip's evidence."""
    offender = (trip.evidence.get("offender") or {}).get("id", str(trip.agent_id))
    if offender != str(trip.agent_id):
        return False  # it was stopped with the others of its team
    event = (trip.evidence.get("judged") or {}).get("event") or {}
    return event.get("moment") == "proposed"


def refused(trip: Trip) -> Done:
    event = trip.evidence["judged"]["event"]
    return Done(
        id=str(trip.pk),
        agent=str(trip.agent_id),
        run=str(trip.run_id or trip.evidence.get("run") or ""),
        tool=event.get("tool", ""),
        item=event.get("item", ""),
        asked_at=trip.opened_at,
        outcome="refused",
        estimated_tokens=msgspec.convert(event.get("tokens", 0), int),
        estimated_cost_usd=msgspec.convert(event.get("cost_usd", 0), Decimal, strict=False),
    )
