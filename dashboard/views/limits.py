"""Limits of shared resources: how each stands, and setting them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.models import Limit
from agents.transitions import limit as transitions
from audit.errors import Invalid, NotFound
from dashboard.pages import limits as pages
from people.models import Team

from .asked import Asked
from .refusals import attempt

REGIONS = ("standing", "people", "limits")

# -- looking ---------------------------------------------------------------------------------------


@require_safe
@login_required
def limits(request: Asked) -> HttpResponse:
    """Every limit I may see, and a form for another one."""
    return _list(request)


def _list(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "rows": pages.standings(request.user, timezone.now()),
        "owners": pages.owners(request.user),
        "typed": request.POST,
    }
    region = request.GET.get("region") == "limits" and request.method == "GET"
    template = "limits.html#limits" if region else "limits.html"
    return render(request, template, context | more, status=status)


@require_safe
@login_required
def limit(request: Asked, pk: UUID) -> HttpResponse:
    """One limit: how far it is booked, who waits, who holds a place, the last hour."""
    return _page(request, _one(request, pk))


def _one(request: Asked, pk: UUID) -> Limit:
    found = Limit.objects.visible_to(request.user).select_related("team")
    return get_object_or_404(found, pk=pk)


def _page(request: Asked, found: Limit, status: int = 200, **more: Any) -> HttpResponse:
    now, person = timezone.now(), request.user
    standing = pages.standing(found, now)
    form = {
        "rate": standing.rate,
        "burst": standing.setting.rate.burst if standing.setting.rate else "",
        "concurrency": found.concurrency or "",
        "lease": standing.lease,
        "was": found.changed_at.isoformat(),
    }
    context = {
        "limit": found,
        "row": standing,
        "may_change": found.can_be_changed_by(person),
        "in_line": pages.in_line(found, person, now),
        "holders": pages.holders(found, person, now),
        "users": pages.users(found, person, now),
        "typed": request.POST if request.method == "POST" and status != 200 else form,
    }
    region = request.GET.get("region", "") if request.method == "GET" else ""
    template = f"limit.html#{region}" if region in REGIONS[:2] else "limit.html"
    return render(request, template, context | more, status=status)


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
def add(request: Asked) -> HttpResponse:
    """Limit a resource that has no limit here yet."""
    with attempt() as outcome:
        team = _team(request)
        setting = pages.typed(request.POST, request.POST.get("resource", "").strip())
        made = transitions.set(team, setting, by=request.user, is_new=True)
        return redirect("limit", made.pk)
    return _list(request, outcome.status, problem=outcome.problem)


def _team(request: Asked) -> Team | None:
    """For whom it is: a team of mine, or (None) the whole house."""
    wanted = request.POST.get("team", "")
    if not wanted:
        return None
    mine = [str(pk) for pk in Team.objects.values_list("pk", flat=True) if request.user.sees(pk)]
    if wanted not in mine:
        raise NotFound("There is no such team.")
    return Team.objects.get(pk=wanted)


@require_POST
@login_required
def change(request: Asked, pk: UUID) -> HttpResponse:
    """How often, how many at once."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.check(found.team, request.user)
        setting = pages.typed(request.POST, found.resource)
        transitions.set(found.team, setting, by=request.user, was=_was(request))
        messages.success(request, f"{found.resource}: {setting}.")
        return redirect("limit", found.pk)
    return _page(request, found, outcome.status, problem=outcome.problem)


def _was(request: Asked) -> datetime:
    try:
        return datetime.fromisoformat(request.POST.get("was", ""))
    except ValueError as error:
        raise Invalid("Open the page again: the form does not say what it changes.") from error


@require_POST
@login_required
def remove(request: Asked, pk: UUID) -> HttpResponse:
    """Nobody gets a permit for it any more."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.remove(found, by=request.user)
        messages.success(request, f"{found.resource} has no limit any more.")
        return redirect("limits")
    return _page(request, found, outcome.status, problem=outcome.problem)
