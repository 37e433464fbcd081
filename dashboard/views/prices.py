"""Prices of models: which count, adding one, and what a correction would change before it does."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.models import Price
from agents.models.limit import may_set
from agents.transitions import price as transitions
from audit.errors import NotFound
from dashboard.pages import prices as pages
from people.models import Team

from .asked import Asked
from .refusals import attempt


@require_safe
@login_required
def prices(request: Asked) -> HttpResponse:
    """What tokens cost, and a form for what nobody wrote down yet."""
    typed = {}
    if (number := request.GET.get("correct", "")).isdecimal() and len(number) < 19:
        found = Price.objects.visible_to(request.user).filter(pk=number).first()
        typed = pages.written(found) if found else {}
    return _page(request, typed=typed, corrects=bool(typed))


def _page(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    rows = pages.listed(request.user, timezone.now())
    context = {
        "rows": rows,
        "owners": pages.owners(request.user),
        "typed": request.POST,
        "is_under_way": any(row.is_under_way for row in rows),
    }
    region = request.GET.get("region") == "prices" and request.method == "GET"
    template = "prices.html#prices" if region else "prices.html"
    return render(request, template, context | more, status=status)


@require_POST
@login_required
def add(request: Asked) -> HttpResponse:
    """First says what it would change; with `sure` it is added, and what it concerns is priced anew."""
    with attempt() as outcome:
        team = _team(request)
        setting = pages.typed(request.POST)
        if request.POST.get("sure") != "yes":
            found = transitions.preview(team, setting)
            return _page(request, preview=found, setting=setting)
        made = transitions.add(team, setting, by=request.user)
        messages.success(request, f"{made.name} has its price. What it concerns is priced anew.")
        return redirect("prices")
    return _page(request, outcome.status, problem=outcome.problem)


def _team(request: Asked) -> Team | None:
    """For whom it is: a team of mine, or (None) the whole house. Raises NotFound, PermissionDenied."""
    wanted = request.POST.get("team", "")
    team = None
    if wanted:
        mine = [one for one in Team.objects.all() if request.user.sees(one.pk)]
        team = next((one for one in mine if str(one.pk) == wanted), None)
        if team is None:
            raise NotFound("There is no such team.")
    if not may_set(team.pk if team else None, request.user):
        raise PermissionDenied(transitions.NOT_YOURS)
    return team
