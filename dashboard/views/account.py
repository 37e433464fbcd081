"""My account: who decides for me while I am out, and the tokens my scripts use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from audit.errors import Invalid
from dashboard.pages import people as pages
from people import step_up
from people.models import Delegation, Person, PersonalToken, Scope
from people.transitions import delegation as delegations
from people.transitions import token as tokens

from .asked import Asked
from .refusals import attempt

LIVES = (7, 30, 90, 365)
SCOPES = {"read": [Scope.READ], "decide": [Scope.READ, Scope.DECIDE]}


@require_safe
@login_required
@never_cache
def account(request: Asked) -> HttpResponse:
    """Who stands in for me, for whom I stand in, and my tokens."""
    return _page(request)


def _page(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    person, now = request.user, timezone.now()
    begins = timezone.localtime(now).replace(second=0, microsecond=0)
    context = {
        "stand_ins": pages.stand_ins(person, now),
        "stands_in": pages.stands_in(person, now),
        "could_stand_in": pages.who_could_stand_in(person),
        "begins_text": f"{begins:%Y-%m-%dT%H:%M}",
        "ends_text": f"{begins + timedelta(days=1):%Y-%m-%dT%H:%M}",
        "tokens": PersonalToken.objects.filter(person=person, expires_at__gt=now)[:100],
        "lives": LIVES,
        "is_fresh": step_up.is_fresh(person),
        "now": now,
        "typed": request.POST,
    }
    return render(request, "account.html", context | more, status=status)


@require_POST
@login_required
def go_out(request: Asked) -> HttpResponse:
    """Say who decides for me, from when until when."""
    with attempt() as outcome:
        delegations.give(
            request.user,
            _taker(request),
            starts_at=_moment(request, "starts_at", "beginning"),
            ends_at=_moment(request, "ends_at", "end"),
            reason=request.POST.get("reason", ""),
            by=request.user,
        )
        return redirect("account")
    return _page(request, outcome.status, out_problem=outcome.problem)


@require_POST
@login_required
def come_back(request: Asked, pk: UUID) -> HttpResponse:
    """End it now: taken back by who was out, given back by who stood in."""
    with attempt() as outcome:
        delegations.end(Delegation(pk=pk), by=request.user)
        messages.success(request, "That is over now.")
        return redirect("account")
    return _page(request, outcome.status, out_problem=outcome.problem)


@require_POST
@login_required
@never_cache
def add_token(request: Asked) -> HttpResponse:
    """A new token, shown in this one answer and never again. It outlives this session, so it needs a fresh one."""
    with attempt() as outcome:
        if not step_up.is_fresh(request.user):
            raise Invalid("Sign in again first: a token lasts longer than a forgotten browser.")
        days = request.POST.get("days", "")
        made, secret = tokens.issue(
            request.user,
            label=request.POST.get("label", ""),
            scopes=SCOPES.get(request.POST.get("scope", ""), ()),
            days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
            by=request.user,
        )
        return _page(request, new_token=made, secret=secret)
    return _page(request, outcome.status, token_problem=outcome.problem)


@require_POST
@login_required
def revoke_token(request: Asked, pk: UUID) -> HttpResponse:
    """Whoever calls with it is a stranger from now on."""
    token = get_object_or_404(PersonalToken, pk=pk, person=request.user)
    with attempt() as outcome:
        tokens.revoke(token, by=request.user)
        messages.success(request, f"{token} is revoked.")
        return redirect("account")
    return _page(request, outcome.status, token_problem=outcome.problem)


def _taker(request: Asked) -> Person:
    try:
        pk = UUID(request.POST.get("taker", ""))
    except ValueError:
        raise Invalid("Choose who decides for you.") from None
    # From the same list as the form shows: who else there is, is not to be found out here.
    for person in pages.who_could_stand_in(request.user):
        if person.pk == pk:
            return person
    raise Invalid("Choose somebody who watches one of your teams.")


def _moment(request: Asked, name: str, word: str) -> datetime:
    """A local time, in the zone of whoever typed it."""
    try:
        at = datetime.fromisoformat(request.POST.get(name, ""))
    except ValueError:
        raise Invalid(f"The {word} is no date and time.") from None
    return at if at.tzinfo else timezone.make_aware(at)
