"""The floor: is everything all right? Each part of it is a region that reads itself again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.pages import alerts, approved, budgets, controls
from dashboard.pages import floor as pages
from dashboard.pages.counts import waiting_for
from people.rules.permissions import Permission

from .asked import Asked

type Part = Callable[[Asked], dict[str, Any]]


def _summary(request: Asked) -> dict[str, Any]:
    return {
        "waiting": waiting_for(request),
        "oldest": pages.oldest_waiting(request.user),
        "spent": pages.spend_today(request.user, now=timezone.now()),
        "budgeted": budgets.day_budget(request.user),
        "firing": alerts.firing(request.user),
        "undone_since": approved.oldest(request.user, now=timezone.now()),
    }


def _needs(request: Asked) -> dict[str, Any]:
    return {
        "waiting": waiting_for(request),
        "holds": pages.needs_a_person(request.user),
        "now": timezone.now(),
    }


def _fleet(request: Asked) -> dict[str, Any]:
    return {
        "fleet": pages.fleet(request.user, now=timezone.now()),
        "may_switch": _may_switch(request),
    }


def _stops(request: Asked) -> dict[str, Any]:
    return {
        "groups": controls.groups(request.user),
        "guards": controls.guards(request.user, now=timezone.now()),
        "may_switch": _may_switch(request),
    }


def _may_switch(request: Asked) -> bool:
    return any(request.user.may(Permission.SWITCH_TEAM, team) for team in request.user.roles)


def _hour(request: Asked) -> dict[str, Any]:
    return {"hour": pages.hour(request.user, now=timezone.now())}


def _ticker(request: Asked) -> dict[str, Any]:
    return {"actions": pages.latest_actions(request.user, now=timezone.now())}


PARTS: dict[str, Part] = {
    "summary": _summary,
    "needs": _needs,
    "stops": _stops,
    "fleet": _fleet,
    "hour": _hour,
    "ticker": _ticker,
}


@require_safe
@login_required
def floor(request: Asked) -> HttpResponse:
    """Everything at once, or one region of it."""
    name = request.GET.get("region")
    if name is None:
        context: dict[str, Any] = {}
        for part in PARTS.values():
            context |= part(request)
        return render(request, "floor.html", context)
    if name not in PARTS:
        raise Http404("There is no such region")
    return render(request, f"floor.html#{name}", PARTS[name](request))
