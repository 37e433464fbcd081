"""A trip by itself: one that a shadow noted, whether it was right, and a better limit when it was not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from agents.models import Trip
from agents.transitions import verdict
from audit.errors import Invalid
from dashboard.pages import trip as pages
from dashboard.pages import trip_better as better_pages
from people.permitting import check
from people.rules.permissions import Permission

from .asked import Asked
from .refusals import attempt

ANSWERS = {"true": True, "false": False}


@require_GET
@login_required
def trip(request: Asked, pk: UUID) -> HttpResponse:
    """What a breaker in shadow would have stopped. A real stop is told where it is answered."""
    found = _one(request, pk)
    if not found.is_shadow:
        return redirect("hold", found.pk)
    return render(request, "trip.html", _context(request, found))


def _context(request: Asked, found: Trip) -> dict[str, Any]:
    return {
        "trip": found,
        "evidence": pages.story(found),
        "may_judge": request.user.may(Permission.RESUME, found.agent.team_id),
    }


@require_POST
@login_required
def judge(request: Asked, pk: UUID) -> HttpResponse:
    """True or false? Can be said again, otherwise."""
    found = _one(request, pk)
    with attempt() as outcome:
        check(Permission.RESUME, request.user, found.agent.team_id)
        said = ANSWERS.get(request.POST.get("was_true", ""))
        if said is None:
            raise Invalid("Say whether it was right to stop: yes or no.")
        verdict.judge(found.pk, was_true=said, by=request.user)
    if outcome.problem:
        context = _context(request, found) | {"problem": outcome.problem}
        return render(request, "trip.html", context, status=outcome.status)
    return redirect(f"{_page_of(found)}#verdict")


@require_GET
@login_required
def better(request: Asked, pk: UUID) -> HttpResponse:
    """A better limit from history, with what it would have done. Takes its time, so it is asked for by itself."""
    found = _one(request, pk)
    if not request.htmx:
        return redirect(f"{_page_of(found)}#verdict")
    context = {
        "trip": found,
        "better": better_pages.better(found),
        "may_change": request.user.may(Permission.CHANGE_BREAKER, found.agent.team_id),
    }
    return render(request, "_trip_better.html", context)


def _one(request: Asked, pk: UUID) -> Trip:
    found = Trip.objects.visible_to(request.user)
    return get_object_or_404(
        found.select_related("agent__team", "run", "breaker__agent", "breaker__team", "budget"),
        pk=pk,
    )


def _page_of(trip: Trip) -> str:
    name = "trip" if trip.is_shadow else "hold"
    return redirect(name, trip.pk).url
