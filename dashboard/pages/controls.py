"""What the pages of control show: what a stop would touch in numbers, what was stopped together, and what is in flight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, Min, Q
from django.shortcuts import get_object_or_404

from agents.models import Action, Agent, AgentState, Breaker, Run, Trip
from audit.models import Entry
from people.models import Person, Team
from people.rules.permissions import Permission
from reviews.models import Hold, HoldKind

from .timeline import readable

IN_FLIGHT_SHOWN = 50
GUARD_SHOWN = timedelta(minutes=30)


@dataclass(frozen=True)
class Numbers:
    """What a stop touches."""

    agents: int
    runs: int
    in_flight: int
    approvals: int
    paused: int = 0


def numbers(team: Team | None = None) -> Numbers:
    """Of a team, or of the house."""
    mine = Q() if team is None else Q(agent__team=team)
    agents = Agent.objects.all() if team is None else Agent.objects.filter(team=team)
    acting = mine & Q(agent__state=AgentState.ACTIVE)
    waiting = Hold.objects.waiting().filter(acting, kind=HoldKind.APPROVAL)
    return Numbers(
        agents=agents.filter(state=AgentState.ACTIVE).count(),
        runs=Run.objects.filter(acting).live().count(),
        in_flight=Action.objects.filter(acting).executing().count(),
        approvals=waiting.count(),
        paused=agents.filter(state=AgentState.PAUSED).count(),
    )


@dataclass(frozen=True)
class Switchable:
    team: Team
    numbers: Numbers


def switchable(person: Person) -> list[Switchable]:
    """Teams that this person may stop."""
    teams = Team.objects.filter(agents__isnull=False).distinct().order_by("name")
    return [
        Switchable(team, numbers(team))
        for team in teams
        if person.may(Permission.SWITCH_TEAM, team.pk)
    ]


def breakers_of(team: Team) -> list[Breaker]:
    return list(Breaker.objects.filter(team=team))


# -- what was stopped together ---------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Agents that one deed paused and that still wait for an answer."""

    id: UUID
    reason: str
    by: str
    at: datetime
    agents: int
    runs: int


def groups(person: Person) -> list[Group]:
    rows = (
        Trip.objects.visible_to(person)
        .filter(ended_at=None, group__isnull=False)
        .order_by()
        .values("group")
        .annotate(n=Count("pk"), why=Min("reason"), who=Max("by"), at=Min("opened_at"))
        .order_by("-at")[:10]
    )
    return [
        Group(group, row["why"], row["who"], row["at"], row["n"], runs_of(group))
        for row in rows
        if (group := row["group"]) is not None
    ]


def group(pk: UUID, person: Person) -> Group | None:
    return next((one for one in groups(person) if one.id == pk), None)


def runs_of(group: UUID) -> int:
    paused = Trip.objects.filter(group=group, ended_at=None).values("agent")
    return Run.objects.filter(agent__in=paused).live().count()


def teams_of(group: UUID) -> list[UUID]:
    waiting = Trip.objects.filter(group=group, ended_at=None).order_by()
    return list(waiting.values_list("agent__team_id", flat=True).distinct())


def together(hold: Hold) -> int:
    """How many agents this answer is for, the hold's own included."""
    if hold.trip is None or hold.trip.group is None:
        return 1
    return Trip.objects.filter(group=hold.trip.group, ended_at=None).count()


def guards(person: Person, *, now: datetime) -> list[Entry]:
    """What the fleet guard did lately, the newest for each team."""
    rows = Entry.objects.visible_to(person).filter(kind="breaker.guarded", at__gt=now - GUARD_SHOWN)
    newest: dict[str, Entry] = {}
    for entry in rows.order_by("-id")[:50]:
        newest.setdefault(entry.team, entry)
    return list(newest.values())


# -- one breaker -----------------------------------------------------------------------------------


def breaker(pk: UUID, person: Person) -> Breaker:
    found = Breaker.objects.visible_to(person).select_related("agent__team", "team", "run")
    return get_object_or_404(found, pk=pk)


def watched_by(breaker: Breaker) -> Numbers:
    """What forcing it open would pause."""
    if breaker.team is not None:
        return numbers(breaker.team)
    assert breaker.agent is not None
    runs = Run.objects.of(breaker).live()
    active = breaker.agent.state == AgentState.ACTIVE and breaker.run_id is None
    return Numbers(
        agents=int(active),
        runs=runs.count(),
        in_flight=Action.objects.filter(run__in=runs).executing().count(),
        approvals=0,
    )


# -- in flight -------------------------------------------------------------------------------------


def in_flight(agent: Agent, run: Run | None = None) -> list[Action]:
    """What is under way, and what was asked to stop and ended since, the newest first."""
    mine = Action.objects.filter(agent=agent) if run is None else Action.objects.filter(run=run)
    under_way = readable(mine.executing()).select_related("run").order_by("-id")
    return list(under_way[:IN_FLIGHT_SHOWN])
