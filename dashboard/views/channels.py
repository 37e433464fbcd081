"""Where alerts go: channels, and the routes that lead to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dashboard.pages import alerts as words
from dashboard.pages import channels as pages
from reviews.models import Channel, Notification, Route
from reviews.transitions import channel as transitions
from reviews.transitions import notification as notifications
from reviews.transitions import route as routes

from .asked import Asked
from .refusals import attempt

# -- looking ---------------------------------------------------------------------------------------


@require_safe
@login_required
def channels(request: Asked) -> HttpResponse:
    """Every channel and route I may know of, and forms for another of each."""
    return _list(request)


def _list(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "channels": pages.channels(request.user),
        "routes": pages.routes(request.user),
        "teams": words.teams_arranged_by(request.user),
        "mailable": pages.mailable(request.user),
        "form": pages.form_of(None),
        "typed": {},
        **words.words(),
    }
    return render(request, "channels.html", context | more, status=status)


@require_safe
@login_required
def channel(request: Asked, pk: UUID) -> HttpResponse:
    """One channel: how it is doing, and its messages."""
    return _channel(request, _one(request, pk))


def _one(request: Asked, pk: UUID) -> Channel:
    seen = Channel.objects.visible_to(request.user).living().select_related("team", "person")
    return get_object_or_404(seen, pk=pk)


def _channel(request: Asked, found: Channel, status: int = 200, **more: Any) -> HttpResponse:
    sent = pages.messages_of(found, request.user)
    context = {
        "channel": found,
        "sent": sent,
        "waiting": sum(one.is_unsent for one in sent),
        "routes": found.routes.filter(pk__in=Route.objects.visible_to(request.user)),
        "may_arrange": found.is_arranged_by(request.user),
    }
    region = request.GET.get("region") in ("standing", "messages") and request.method == "GET"
    template = f"channel.html#{request.GET['region']}" if region else "channel.html"
    return render(request, template, context | more, status=status)


@require_safe
@login_required
def route(request: Asked, pk: UUID) -> HttpResponse:
    """One route, to be changed."""
    return _route(request, _found(request, pk))


def _found(request: Asked, pk: UUID) -> Route:
    seen = Route.objects.visible_to(request.user).select_related("team")
    return get_object_or_404(seen.prefetch_related("channels"), pk=pk)


def _route(request: Asked, found: Route, status: int = 200, **more: Any) -> HttpResponse:
    usable = (
        Channel.objects.for_team(found.team) if found.team else Channel.objects.filter(team=None)
    )
    context = {
        "route": found,
        "row": pages.row(found, request.user),
        "form": pages.form_of(found),
        "channels": list(usable.living().select_related("team")),
        **words.words(),
    }
    return render(request, "route.html", context | more, status=status)


# -- channels --------------------------------------------------------------------------------------


@require_POST
@login_required
def add(request: Asked) -> HttpResponse:
    """A new channel: its address is sealed at once, and never shown again."""
    team = pages.team_of(request.user, request.POST.get("team", ""))
    with attempt() as outcome:
        if name := request.POST.get("person", ""):
            routes.check(team, request.user)
            person = pages.person_of(request.user, name)
            made = transitions.create_for_person(team, person, by=request.user)
        else:
            made = transitions.create(
                team,
                name=_line(request, "name"),
                address=_line(request, "address"),
                by=request.user,
            )
        messages.success(request, f"{made} is added. Send it a test.")
        return redirect("channel", made.pk)
    typed = {"name": _line(request, "name"), "team": request.POST.get("team", "")}
    return _list(request, outcome.status, channel_problem=outcome.problem, typed=typed)


@require_POST
@login_required
def test(request: Asked, pk: UUID) -> HttpResponse:
    """Send a message that says only that it is one; the page shows what became of it."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.test(found.pk, by=request.user)
        return redirect("channel", found.pk)
    return _channel(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def disable(request: Asked, pk: UUID) -> HttpResponse:
    """Send nothing more."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.disable(found.pk, by=request.user)
        return redirect("channel", found.pk)
    return _channel(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def enable(request: Asked, pk: UUID) -> HttpResponse:
    """Send again from now on."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.enable(found.pk, by=request.user)
        return redirect("channel", found.pk)
    return _channel(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def delete(request: Asked, pk: UUID) -> HttpResponse:
    """Gone for everybody."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.delete(found.pk, by=request.user)
        messages.success(request, f"{found} is deleted. Nothing more is sent to it.")
        return redirect("channels")
    return _channel(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def again(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """Send a message once more."""
    found = _one(request, pk)
    get_object_or_404(Notification, pk=number, channel=found)
    with attempt() as outcome:
        notifications.resend(number, by=request.user)
        return redirect("channel", found.pk)
    return _channel(request, found, outcome.status, problem=outcome.problem)


# -- routes ----------------------------------------------------------------------------------------


@require_POST
@login_required
def add_route(request: Asked) -> HttpResponse:
    """Another route, after the others of its team."""
    team = pages.team_of(request.user, request.POST.get("team", ""))
    with attempt() as outcome:
        routes.check(team, request.user)
        routes.create(team, pages.setting_of(request.POST), by=request.user)
        messages.success(request, "The route is added.")
        return redirect("channels")
    form = pages.typed_form(request.POST)
    typed = {"team": request.POST.get("team", "")}
    return _list(request, outcome.status, route_problem=outcome.problem, form=form, typed=typed)


@require_POST
@login_required
def change_route(request: Asked, pk: UUID) -> HttpResponse:
    """Let it say something else from now on."""
    found = _found(request, pk)
    with attempt() as outcome:
        routes.check(found.team, request.user)
        routes.change(found.pk, pages.setting_of(request.POST), by=request.user)
        messages.success(request, "The route is changed.")
        return redirect("channels")
    form = pages.typed_form(request.POST)
    return _route(request, found, outcome.status, problem=outcome.problem, form=form)


@require_POST
@login_required
def move_route(request: Asked, pk: UUID) -> HttpResponse:
    """Earlier or later among its team's."""
    found = _found(request, pk)
    with attempt() as outcome:
        routes.move(found.pk, up=request.POST.get("to") == "up", by=request.user)
        return redirect("channels")
    return _list(request, outcome.status, route_problem=outcome.problem)


@require_POST
@login_required
def delete_route(request: Asked, pk: UUID) -> HttpResponse:
    """Nobody is told by it any more."""
    found = _found(request, pk)
    with attempt() as outcome:
        routes.delete(found.pk, by=request.user)
        messages.success(request, f"The route {found} is deleted.")
        return redirect("channels")
    return _route(request, found, outcome.status, problem=outcome.problem)


def _line(request: Asked, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "").strip()
