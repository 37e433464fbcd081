"""Alerts: what fires, acknowledging it, silencing what is known, sending again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.rules.policy import durations
from audit.errors import Invalid
from dashboard.pages import alerts as pages
from dashboard.pages import channels as arranged
from reviews.models import Alert, Notification, Route, Silence
from reviews.transitions import alert as transitions
from reviews.transitions import notification as notifications
from reviews.transitions import silence as transitions_of_silence

from .asked import Asked
from .refusals import attempt

# -- looking ---------------------------------------------------------------------------------------


@require_safe
@login_required
def alerts(request: Asked) -> HttpResponse:
    """What fires, and what does not any more."""
    return _list(request)


def _list(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "page": pages.shown(request.user, request.GET),
        "tabs": pages.TABS,
        "state": request.GET.get("state", ""),
        "failing": pages.failing(request.user),
        "silences": pages.silences(request.user, timezone.now()),
        "teams": pages.teams_decided_by(request.user),
        "is_routed": Route.objects.visible_to(request.user).exists(),
        "typed": request.POST,
        **pages.words(),
    }
    region = request.GET.get("region") in ("alerts", "failing") and request.method == "GET"
    template = f"alerts.html#{request.GET['region']}" if region else "alerts.html"
    return render(request, template, context | more, status=status)


@require_safe
@login_required
def alert(request: Asked, pk: UUID) -> HttpResponse:
    """One alert: what happened, how often, who was told and how that went."""
    return _page(request, _one(request, pk))


def _one(request: Asked, pk: UUID) -> Alert:
    seen = Alert.objects.visible_to(request.user).select_related("team", "agent", "silence")
    return get_object_or_404(seen, pk=pk)


def _page(request: Asked, found: Alert, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "alert": found,
        "occurrences": pages.occurrences(found),
        "sent": pages.messages_of(found),
        "may_decide": found.may_be_acknowledged_by(request.user),
        "typed": request.POST,
        **pages.words(),
    }
    region = request.GET.get("region") in ("standing", "messages") and request.method == "GET"
    template = f"alert.html#{request.GET['region']}" if region else "alert.html"
    return render(request, template, context | more, status=status)


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
def acknowledge(request: Asked, pk: UUID) -> HttpResponse:
    """I am at it: nobody is told again."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.acknowledge(found.pk, by=request.user)
        messages.success(request, "Acknowledged: nobody is told of it again.")
        return redirect("alert", found.pk)
    return _page(request, _one(request, pk), outcome.status, problem=outcome.problem)


@require_POST
@login_required
def again(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """Send a message once more."""
    found = _one(request, pk)
    get_object_or_404(Notification, pk=number, alert=found)
    with attempt() as outcome:
        notifications.resend(number, by=request.user)
        return redirect(f"{found.get_absolute_url()}#messages")
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def silence(request: Asked) -> HttpResponse:
    """Say nothing of what is known, for a while and for a reason."""
    team = arranged.team_of(request.user, request.POST.get("team", ""))
    with attempt() as outcome:
        transitions_of_silence.check(team, request.user)
        length = durations.read(request.POST.get("for", ""))
        if length is None:
            raise Invalid("Say for how long.")
        transitions_of_silence.create(
            team,
            kind=request.POST.get("kind", ""),
            agent=_line(request, "agent"),
            severity=request.POST.get("severity", ""),
            length=length,
            reason=_line(request, "reason"),
            by=request.user,
        )
        messages.success(request, "Silenced. It is still seen here, with what it swallowed.")
        return redirect("alerts")
    return _list(request, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def end_silence(request: Asked, pk: UUID) -> HttpResponse:
    """People are told again."""
    found = get_object_or_404(Silence.objects.visible_to(request.user), pk=pk)
    with attempt() as outcome:
        transitions_of_silence.end(found.pk, by=request.user)
        messages.success(request, "The silence is over: people are told again.")
        return redirect("alerts")
    return _list(request, outcome.status, problem=outcome.problem)


def _line(request: Asked, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "").strip()
