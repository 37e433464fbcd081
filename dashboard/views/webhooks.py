"""Webhooks: where messages go, what became of each, and sending one again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from audit.models import Delivery, Endpoint
from audit.models.outbox import teams_kept_by
from audit.transitions import endpoint as transitions
from dashboard.pages import webhooks as pages

from .asked import Asked
from .refusals import attempt

# -- looking ---------------------------------------------------------------------------------------


@require_safe
@login_required
def webhooks(request: Asked) -> HttpResponse:
    """Every webhook I look after, and a form for another one."""
    if not teams_kept_by(request.user):
        raise PermissionDenied(transitions.NOT_YOURS)
    return _list(request)


def _list(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    chosen = set(request.POST.getlist("events")) if request.method == "POST" else pages.USUAL
    context = {
        "rows": pages.rows(request.user),
        "teams": pages.teams_of(request.user),
        "choices": pages.choices(chosen),
        "typed": request.POST,
    }
    return render(request, "webhooks.html", context | more, status=status)


@require_safe
@login_required
def webhook(request: Asked, pk: UUID) -> HttpResponse:
    """One webhook: what it is told, how it is doing, its messages."""
    return _page(request, _one(request, pk))


def _one(request: Asked, pk: UUID) -> Endpoint:
    return get_object_or_404(Endpoint.objects.visible_to(request.user), pk=pk)


def _page(request: Asked, endpoint: Endpoint, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "endpoint": endpoint,
        "team": pages.team_names({endpoint.team}).get(endpoint.team, endpoint.team),
        "events": pages.in_words(endpoint.events),
        "page": pages.deliveries(endpoint, request.GET),
        "waiting": pages.waiting(endpoint),
        "resting": pages.is_resting(endpoint),
        "tabs": pages.TABS,
        "state": request.GET.get("state", ""),
    }
    region = request.GET.get("region") in ("standing", "deliveries") and request.method == "GET"
    template = f"webhook.html#{request.GET['region']}" if region else "webhook.html"
    return render(request, template, context | more, status=status)


@require_safe
@login_required
def delivery(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """One message: what it says, and how each try went."""
    return _message(request, _one(request, pk), number)


def _message(
    request: Asked, endpoint: Endpoint, number: int, status: int = 200, problem: str = ""
) -> HttpResponse:
    found = get_object_or_404(
        Delivery.objects.select_related("entry"), pk=number, endpoint=endpoint
    )
    context = {
        "endpoint": endpoint,
        "delivery": found,
        "content": pages.content(found),
        "tries": pages.tries(found),
        "problem": problem,
    }
    live = request.GET.get("region") == "course"
    template = "delivery.html#course" if live else "delivery.html"
    return render(request, template, context, status=status)


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
@never_cache
def add(request: Asked) -> HttpResponse:
    """A new webhook. Its secret is shown in this one answer and never again."""
    if not teams_kept_by(request.user):
        raise PermissionDenied(transitions.NOT_YOURS)
    with attempt() as outcome:
        endpoint, secret = transitions.create(
            url=_line(request, "url"),
            team=_line(request, "team"),
            events=request.POST.getlist("events"),
            label=_line(request, "label"),
            by=request.user,
        )
        return _page(request, endpoint, secret=secret, is_new=True)
    return _list(request, outcome.status, problem=outcome.problem)


@require_POST
@login_required
@never_cache
def renew_secret(request: Asked, pk: UUID) -> HttpResponse:
    """Another secret, shown in this one answer and never again."""
    found = _one(request, pk)
    with attempt() as outcome:
        endpoint, secret = transitions.renew_secret(found.pk, by=request.user)
        return _page(request, endpoint, secret=secret)
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def test(request: Asked, pk: UUID) -> HttpResponse:
    """Send an event that only says that it is one, and look what becomes of it."""
    found = _one(request, pk)
    with attempt() as outcome:
        sent = transitions.test(found.pk, by=request.user)
        return redirect("webhook-delivery", found.pk, sent.pk)
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def disable(request: Asked, pk: UUID) -> HttpResponse:
    """Send nothing more."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.disable(found.pk, by=request.user)
        return redirect("webhook", found.pk)
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def enable(request: Asked, pk: UUID) -> HttpResponse:
    """Send again from now on."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.enable(found.pk, by=request.user)
        return redirect("webhook", found.pk)
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def delete(request: Asked, pk: UUID) -> HttpResponse:
    """Gone for everybody."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.delete(found.pk, by=request.user)
        messages.success(request, f"{found} is deleted. Nothing more is sent to it.")
        return redirect("webhooks")
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def again(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """Send a message again: the same id, the same bytes."""
    found = _one(request, pk)
    get_object_or_404(Delivery, pk=number, endpoint=found)
    with attempt() as outcome:
        transitions.resend(number, by=request.user)
        return redirect("webhook-delivery", found.pk, number)
    return _message(request, found, number, outcome.status, outcome.problem)


def _line(request: Asked, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "").strip()
