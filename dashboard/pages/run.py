"""What the runs' pages show: what a run did, step by step, and what it saved to continue from."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404

from agents.models import Action, Agent, Checkpoint, Directive, Run, RunState, Trip
from people.models import Person

from . import keyset
from .timeline import Step, readable, steps

RUNS_ON_A_PAGE = 50
ACTIONS_ON_A_PAGE = 100
CHECKPOINTS_SHOWN = 10
DIRECTIVES_SHOWN = 20


@dataclass(frozen=True)
class Timeline:
    steps: list[Step]
    page: keyset.Page[Action]


def listed(person: Person, *, state: str = "", agent: Agent | None = None) -> QuerySet[Run]:
    """Runs for the list, narrowed; without the columns of any size."""
    runs = Run.objects.visible_to(person).select_related("agent", "version")
    if state in RunState.values:
        runs = runs.filter(state=state)
    elif state == "live":
        runs = runs.live()
    if agent:
        runs = runs.filter(agent=agent)
    return runs.defer("metadata", "output")


def one(pk: UUID, person: Person) -> Run:
    return get_object_or_404(
        Run.objects.visible_to(person).select_related("agent__team", "version"), pk=pk
    )


def timeline(run: Run, query: QueryDict) -> Timeline:
    """The oldest first; `?after=` pages on."""
    actions = readable(Action.objects.filter(run=run))
    page = keyset.page(actions, query, size=ACTIONS_ON_A_PAGE, newest_first=False)
    return Timeline(steps(page.rows), page)


def action(run_pk: UUID, pk: UUID, person: Person) -> Action:
    return get_object_or_404(
        Action.objects.visible_to(person).select_related("agent", "run"), pk=pk, run_id=run_pk
    )


def checkpoints(run: Run) -> list[Checkpoint]:
    return list(Checkpoint.objects.filter(run=run).order_by("-saved_at")[:CHECKPOINTS_SHOWN])


def directives(run: Run) -> list[Directive]:
    return list(Directive.objects.filter(run=run).order_by("-id")[:DIRECTIVES_SHOWN])


def open_trip(run: Run) -> Trip | None:
    """Why it is paused: its own stop, or its agent's."""
    return (
        Trip.objects.filter(agent=run.agent_id, ended_at=None)
        .filter(run__in=[run.pk])
        .select_related("hold")
        .first()
        or Trip.objects.filter(agent=run.agent_id, run=None, ended_at=None)
        .select_related("hold")
        .first()
    )
