"""Trying another limit of a breaker on what really happened, and setting it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from agents.backtest import tried_of
from agents.models import Breaker
from agents.rules.breakers import plain, span
from agents.transitions import breaker as transitions
from dashboard.pages import backtest as pages
from people.rules.permissions import Permission

from .asked import Asked
from .refusals import attempt


@require_http_methods(["GET", "POST"])
@login_required
def attempt_limit(request: Asked, breaker: UUID) -> HttpResponse:
    """What another limit would have done; nothing is changed until it is set."""
    found = pages.one(breaker, request.user)
    if request.method == "POST":
        return _set(request, found)
    if request.GET.get("region") == "offer":
        return render(request, "breaker_try.html#offer", _offer(found))
    return _page(request, found, pages.Asked.of(found, request.GET.dict()))


def _set(request: Asked, breaker: Breaker) -> HttpResponse:
    asked = pages.Asked.of(breaker, request.POST.dict())
    with attempt() as outcome:
        tried = asked.tried(breaker)
        transitions.change(breaker, by=request.user, limit=tried.limit, window=tried.window or None)
        messages.success(request, pages.sentence(breaker, tried))
        return redirect("breaker-try", breaker.pk)
    return _page(request, breaker, asked, problem=outcome.problem, status=outcome.status)


def _page(
    request: Asked, breaker: Breaker, asked: pages.Asked, *, status: int = 200, problem: str = ""
) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {
        "breaker": breaker,
        "team": breaker.agent.team if breaker.agent else breaker.team,
        "asked": asked,
        "sentence": pages.sentence(breaker, tried_of(breaker)),
        "problem": problem,
        "may_change": request.user.may(Permission.CHANGE_BREAKER, breaker.owner_team_id),
    }
    if not problem:
        with attempt() as outcome:
            tried = asked.tried(breaker)
            context["tries"] = pages.tries(breaker, tried, since=asked.since, now=now)
            context["new_sentence"] = pages.sentence(breaker, tried)
            context["is_another"] = tried != tried_of(breaker)
        context["problem"], status = outcome.problem, outcome.status if outcome.problem else status
        if "offer" in request.GET:
            context |= _offer(breaker)
    return render(request, "breaker_try.html", context, status=status)


def _offer(breaker: Breaker) -> dict[str, Any]:
    """What history offers: a month is looked through, so the page does not wait for it."""
    offered = pages.offered(breaker, now=timezone.now())
    limit = plain(offered.limit) if offered.limit is not None else ""
    count, _, unit = span(breaker.window.total_seconds()).partition(" ")
    window = {"count": count, "unit": unit}
    return {"breaker": breaker, "offered": offered, "offered_limit": limit, "window": window}
