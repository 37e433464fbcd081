"""closed | open | half_open | disabled | shadow → forced_open → open, or closed: a person keeps it open until they release it"""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict
from audit.ids import new_id
from people.models import Person
from people.permitting import check, said
from people.rules.permissions import Permission

from ..models import Agent, AgentState, Breaker, BreakerState, Run, RunState, Trip
from ..rules.breakers import states
from . import probation, stopping, together


@together.whole_team
def force(breaker: Breaker, *, by: Person, reason: str) -> Breaker:
    """Keep it open: what it watches is paused, and nobody can resume it before this is released."""
    check(Permission.FORCE, by, breaker.owner_team_id)
    reason = said(Permission.FORCE, reason)
    breaker = locked(breaker)
    if states.after(breaker.state, "force") is None:
        raise Conflict(states.REFUSALS[breaker.state])
    now, before = timezone.now(), probation.facts(breaker)
    probation.open_up(breaker, now, again=False)
    breaker.state, breaker.state_reason, breaker.disabled_until = (
        BreakerState.FORCED_OPEN,
        reason,
        None,
    )
    breaker.save()
    stopped = pause(breaker, reason, by=by)
    trips = [str(one.pk) for one in stopped]
    probation.tell("forced", breaker, by=by, before=before, summary=reason, trips=trips)
    ring_breaker(breaker)
    return breaker


@together.whole_team
def release(breaker: Breaker, *, by: Person, reason: str = "") -> Breaker:
    """Keep it open no longer. What it paused waits for an answer; where nothing does, it watches again."""
    check(Permission.FORCE, by, breaker.owner_team_id)
    reason = said(Permission.RESUME, reason)  # to let go takes none
    breaker = locked(breaker)
    if states.after(breaker.state, "release") is None:
        raise Conflict("Nobody keeps this breaker open.")
    before = probation.facts(breaker)
    waits = Trip.objects.filter(breaker=breaker, ended_at=None).exists()
    breaker.state = BreakerState.OPEN if waits else BreakerState.CLOSED
    breaker.state_reason = ""
    breaker.generation += 1
    if not waits:
        probation.forget(breaker, timezone.now())
    breaker.save()
    probation.tell("released", breaker, by=by, before=before, summary=reason)
    ring_breaker(breaker)
    return breaker


def locked(breaker: Breaker) -> Breaker:
    """Lock the agents it watches, its run, then itself."""
    agent = None
    if breaker.team_id is not None:
        together.need_team(breaker.team_id)
    if breaker.agent_id is not None:
        agent = Agent.objects.select_for_update(no_key=True).get(pk=breaker.agent_id)
    if breaker.run_id is not None:
        Run.objects.select_for_update(no_key=True).get(pk=breaker.run_id)
    breaker = Breaker.objects.select_for_update(of=("self",)).get(pk=breaker.pk)
    breaker.agent = agent
    return breaker


def pause(breaker: Breaker, reason: str, *, by: Person) -> list[Trip]:
    """Stop what it watches and is not stopped already."""
    at, name = timezone.now(), by.signature
    if breaker.run_id is not None:
        run = Run.objects.select_related("agent__team").get(pk=breaker.run_id)
        if run.state != RunState.RUNNING:
            return []
        return [stopping.stop(run.agent, run, at=at, reason=reason, breaker=breaker, by=name)]
    active = Agent.objects.filter(state=AgentState.ACTIVE).select_related("team").order_by("pk")
    if breaker.team_id is not None:
        found = list(active.filter(team=breaker.team_id))
        if not found:
            return []
        return stopping.stop_all(
            found, group=new_id(), at=at, reason=reason, breaker=breaker, by=name
        )
    assert breaker.agent_id is not None
    agent = active.filter(pk=breaker.agent_id).first()
    if agent is None:
        return []
    evidence = {"in_flight": stopping.in_flight([agent.pk]).get(agent.pk, 0)}
    return [
        stopping.stop(
            agent, None, at=at, reason=reason, breaker=breaker, evidence=evidence, by=name
        )
    ]


def keeping(made: Trip) -> Breaker | None:
    """The forced breaker, if any, that keeps this paused."""
    watches = Q(agent=made.agent_id, run=None) | Q(team=made.agent.team_id)
    if made.run_id is not None:
        watches |= Q(run=made.run_id)
    return Breaker.objects.filter(watches, state=BreakerState.FORCED_OPEN).first()


def refuse(made: Trip) -> None:
    """Raise Conflict while a person keeps a breaker open that watches what was paused."""
    kept = keeping(made)
    if kept is not None:
        raise Conflict(
            f"The breaker “{kept.get_condition_display()}” is forced open: {kept.state_reason} Release it first.",
            code="forced_open",
        )


def ring_breaker(breaker: Breaker) -> None:
    ring(f"agent.{breaker.agent_id}", f"agents.{breaker.owner_team_id}", "agents")
