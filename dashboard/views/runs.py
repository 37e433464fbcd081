"""Runs: the list, one run as a story with its sums, and ending it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from agents.models import Action, Agent, Run, RunState
from agents.models.action import CostSource
from agents.transitions import correcting
from agents.transitions import run as transitions
from audit.errors import Invalid
from dashboard.pages import controls, keyset, trip
from dashboard.pages import run as pages
from dashboard.pages.arguments import changes
from people.rules.permissions import Permission

from .asked import Asked
from .holds import plain_json
from .refusals import attempt

STATES = (("", "All"), ("live", "Live"), *RunState.choices)
LONGEST_REASON = 2_000


# -- looking ---------------------------------------------------------------------------------------


@require_GET
@login_required
def runs(request: Asked) -> HttpResponse:
    """Every run I may see, the newest first."""
    state = request.GET.get("state", "")
    agent = _agent(request)
    found = pages.listed(request.user, state=state, agent=agent)
    context = {
        "page": keyset.page(found, request.GET, size=pages.RUNS_ON_A_PAGE),
        "states": STATES,
        "state": state,
        "agent": agent,
        "asked_for": request.GET.urlencode(),
    }
    template = "runs.html#list" if request.GET.get("region") == "list" else "runs.html"
    return render(request, template, context)


def _agent(request: Asked) -> Agent | None:
    """The agent the list is narrowed to; one that is not mine narrows to nothing I could see anyway."""
    try:
        pk = UUID(request.GET.get("agent", ""))
    except ValueError:
        return None
    return Agent.objects.visible_to(request.user).filter(pk=pk).first()


@require_GET
@login_required
def run(request: Asked, pk: UUID) -> HttpResponse:
    """What one run did, step by step."""
    found = pages.one(pk, request.user)
    match request.GET.get("region"):
        case "state":
            return render(request, "run.html#standing", _standing(request, found))
        case "timeline":
            return render(request, "run.html#timeline", _timeline(request, found))
    return _page(request, found)


@require_GET
@login_required
def action(request: Asked, run: UUID, pk: UUID) -> HttpResponse:
    """One action whole: what went in, what came out, what was decided."""
    return _action(request, pages.action(run, pk, request.user))


def _action(request: Asked, found: Action, status: int = 200, problem: str = "") -> HttpResponse:
    context = {
        "action": found,
        "problem": problem,
        "may_void": found.cost_usd
        and found.is_over
        and found.cost_source != CostSource.VOIDED
        and request.user.may(Permission.RAISE_LIMIT, found.agent.team_id),
        "hold": found.holds.filter(team__in=[found.agent.team_id]).order_by("id").first(),
        "changes": changes(found.arguments, found.effective_arguments),
    }
    template = "action.html#whole" if request.htmx else "action.html"
    return render(request, template, context, status=status)


@require_POST
@login_required
def void_action(request: Asked, run: UUID, pk: UUID) -> HttpResponse:
    """What it cost shall not count."""
    found = pages.action(run, pk, request.user)
    with attempt() as outcome:
        correcting.void(found, by=request.user, reason=request.POST.get("reason", ""))
        return redirect("action", run, pk)
    return _action(request, found, outcome.status, outcome.problem)


@require_GET
@login_required
def raw_action(request: Asked, run: UUID, pk: UUID) -> HttpResponse:
    """The same as plain text, nothing left out."""
    found = pages.action(run, pk, request.user)
    columns = ("arguments", "approved_arguments", "result", "error", "resume", "reason", "message")
    return plain_json({column: getattr(found, column) for column in columns})


def _page(request: Asked, run: Run, status: int = 200, problem: str = "") -> HttpResponse:
    context = _standing(request, run) | _timeline(request, run)
    context |= {
        "checkpoints": pages.checkpoints(run),
        "directives": pages.directives(run),
        "problem": problem,
        "typed": request.POST,
    }
    return render(request, "run.html", context, status=status)


def _standing(request: Asked, run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "trip": pages.open_trip(run) if run.is_live else None,
        "may_decide": request.user.decides_for(run.agent.team_id),
        "actions": controls.in_flight(run.agent, run),
        "may_cancel": request.user.may(Permission.CANCEL, run.agent.team_id),
        "cancel_all": reverse("run-cancel", args=[run.pk]),
        "approvals": trip.waiting_approvals(run.agent, run) if run.is_live else 0,
    }


def _timeline(request: Asked, run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "timeline": pages.timeline(run, request.GET),
        "asked_for": request.GET.urlencode(),
    }


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
def stop(request: Asked, pk: UUID) -> HttpResponse:
    """Pause this run and ask a person what next."""
    found = pages.one(pk, request.user)
    with attempt() as outcome:
        made = transitions.stop(found, by=request.user, reason=_reason(request))
        return redirect("hold", made.pk)
    return _page(request, found, outcome.status, outcome.problem)


@require_POST
@login_required
def terminate(request: Asked, pk: UUID) -> HttpResponse:
    """End this run now."""
    found = pages.one(pk, request.user)
    with attempt() as outcome:
        transitions.terminate(found, by=request.user, reason=_reason(request))
        return redirect(found)
    return _page(request, pages.one(pk, request.user), outcome.status, outcome.problem)


def _reason(request: Asked) -> str:
    reason = request.POST.get("reason", "").replace("\x00", "").replace("\r\n", "\n").strip()
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"A reason can be {LONGEST_REASON:,} characters long.")
    return reason
