"""Control over what acts: the red switch, one breaker, and what is in flight. Every deed is asked about in numbers first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents.models import Agent, Breaker, Run
from agents.transitions import breaker as breakers
from agents.transitions import cancelling, forcing, switch
from audit.errors import Invalid
from dashboard.pages import agent as agent_pages
from dashboard.pages import controls as pages
from dashboard.pages import run as run_pages
from people.models import Person, Team
from people.rules.permissions import Permission, refusal
from reviews.transitions import stops

from .asked import Asked
from .refusals import attempt

EVERYTHING = "STOP"
RESUME = "RESUME"
SPANS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1), "": None}


# -- the red switch --------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def everything(request: Asked) -> HttpResponse:
    """What can be stopped; POST stops everything."""
    if request.method == "POST":
        with attempt() as outcome:
            typed(request, EVERYTHING)
            made = switch.stop_everything(by=request.user, reason=request.POST.get("reason", ""))
            messages.success(request, f"Paused {agents_in_words(len(made))}.")
            return redirect("floor")
        return _switch(request, outcome)
    return _switch(request)


def _switch(request: Asked, outcome: attempt | None = None) -> HttpResponse:
    may_all = request.user.may(Permission.SWITCH_EVERYTHING, None)
    teams = pages.switchable(request.user)
    if not any(request.user.may(Permission.SWITCH_TEAM, where) for where in request.user.roles):
        raise PermissionDenied(refusal(Permission.SWITCH_TEAM))
    if outcome is not None and outcome.status == 403:
        raise PermissionDenied(outcome.problem)
    context = {
        "teams": teams,
        "house": pages.numbers() if may_all else None,
        "word": EVERYTHING,
        "groups": pages.groups(request.user),
        "typed": request.POST,
        "problem": outcome.problem if outcome else "",
    }
    return render(request, "switch.html", context, status=outcome.status if outcome else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def team(request: Asked, pk: UUID) -> HttpResponse:
    """Stop every active agent of a team, asked in numbers."""
    found = _team(pk, request.user)
    if not request.user.may(Permission.SWITCH_TEAM, found.pk):
        raise PermissionDenied(refusal(Permission.SWITCH_TEAM))
    with attempt() as outcome:
        if request.method == "POST":
            typed(request, found.name)
            made = switch.stop_team(found, by=request.user, reason=request.POST.get("reason", ""))
            messages.success(request, f"Paused {agents_in_words(len(made))} of {found}.")
            return redirect("floor")
    context = {
        "team": found,
        "numbers": pages.numbers(found),
        "breakers": pages.breakers_of(found),
        "word": found.name,
        "typed": request.POST,
        "problem": outcome.problem,
    }
    return render(request, "switch_team.html", context, status=outcome.status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def resume(request: Asked, group: UUID) -> HttpResponse:
    """Let everything run again that one deed paused, asked in numbers."""
    found = pages.group(group, request.user)
    if found is None:
        raise Http404("Nothing of this group is paused.")
    if not any(request.user.may(Permission.RESUME, team) for team in pages.teams_of(group)):
        raise PermissionDenied(refusal(Permission.RESUME))
    with attempt() as outcome:
        if request.method == "POST":
            typed(request, RESUME)
            held = stops.resume_group(group, by=request.user, note=request.POST.get("reason", ""))
            messages.success(request, f"Resumed {agents_in_words(len(held))}.")
            return redirect("floor")
    context = {
        "group": found,
        "word": RESUME,
        "typed": request.POST,
        "problem": outcome.problem,
    }
    return render(request, "switch_resume.html", context, status=outcome.status)


def agents_in_words(count: int) -> str:
    return "1 agent" if count == 1 else f"{count:,} agents"


def typed(request: Asked, word: str) -> None:
    """The second question: whoever means it types the word."""
    if request.POST.get("word", "").strip() != word:
        raise Invalid(f"Type {word} to say that you mean it.")


def _team(pk: UUID, person: Person) -> Team:
    found = get_object_or_404(Team, pk=pk)
    if not person.sees(found.pk):
        raise Http404("There is no such team.")
    return found


# -- one breaker -----------------------------------------------------------------------------------


@require_safe
@login_required
def breaker(request: Asked, breaker: UUID) -> HttpResponse:
    """How one breaker stands, and everything that can be done with it."""
    return _breaker(request, pages.breaker(breaker, request.user))


def _breaker(request: Asked, found: Breaker, outcome: attempt | None = None) -> HttpResponse:
    context = {
        "breaker": found,
        "numbers": pages.watched_by(found),
        "team": found.team or (found.agent.team if found.agent else None),
        "typed": request.POST,
        "problem": outcome.problem if outcome else "",
    }
    return render(request, "breaker.html", context, status=outcome.status if outcome else 200)


@require_POST
@login_required
def act(request: Asked, breaker: UUID, verb: str) -> HttpResponse:
    """Force, release, disable, enable, shadow, or raise once."""
    found = pages.breaker(breaker, request.user)
    if verb not in VERBS:
        raise Http404("There is no such verb.")
    with attempt() as outcome:
        VERBS[verb](request, found)
        return redirect("breaker", found.pk)
    return _breaker(request, pages.breaker(breaker, request.user), outcome)


def _force(request: Asked, found: Breaker) -> Any:
    return forcing.force(found, by=request.user, reason=_reason(request))


def _release(request: Asked, found: Breaker) -> Any:
    return forcing.release(found, by=request.user, reason=_reason(request))


def _disable(request: Asked, found: Breaker) -> Any:
    return breakers.disable(found, by=request.user, reason=_reason(request), until=rest(request))


def rest(request: Asked) -> datetime | None:
    """`for`: until when it does not watch; None until somebody lets it watch again."""
    span = SPANS.get(request.POST.get("for", ""))
    return timezone.now() + span if span else None


def _enable(request: Asked, found: Breaker) -> Any:
    return breakers.enable(found, by=request.user, reason=_reason(request))


def _shadow(request: Asked, found: Breaker) -> Any:
    return breakers.shadow(found, by=request.user, reason=_reason(request))


def _grant(request: Asked, found: Breaker) -> Any:
    return breakers.grant(
        found, by=request.user, extra=more(request) or Decimal(0), reason=_reason(request)
    )


VERBS: dict[str, Callable[[Asked, Breaker], Any]] = {
    "force": _force,
    "release": _release,
    "disable": _disable,
    "enable": _enable,
    "shadow": _shadow,
    "grant": _grant,
}


def more(request: Asked) -> Decimal | None:
    """`extra`: how much on top of the limit, once."""
    text = request.POST.get("extra", "").strip()
    if not text:
        return None
    try:
        extra = Decimal(text)
    except InvalidOperation:
        extra = Decimal("NaN")
    if not extra.is_finite() or not 0 < extra < 10**12 or extra != round(extra, 6):
        raise Invalid("How much more must be a number above zero, such as 3 or 2.50.")
    return extra


def _reason(request: Asked) -> str:
    return request.POST.get("reason", "").replace("\r\n", "\n")


# -- in flight -------------------------------------------------------------------------------------


@require_POST
@login_required
def cancel_action(request: Asked, run: UUID, pk: UUID) -> HttpResponse:
    """Ask its agent to stop one action."""
    found = run_pages.action(run, pk, request.user)
    with attempt() as outcome:
        cancelling.ask(found, by=request.user, reason=_reason(request))
        messages.success(request, "Its agent is asked to stop it.")
    return _back(request, outcome, found.run.get_absolute_url())


@require_POST
@login_required
def cancel_run(request: Asked, pk: UUID) -> HttpResponse:
    """Ask for everything of a run that is under way to stop."""
    found = run_pages.one(pk, request.user)
    return _cancel_all(request, found.agent, found, found.get_absolute_url())


@require_POST
@login_required
def cancel_agent(request: Asked, pk: UUID) -> HttpResponse:
    """Ask for everything of an agent that is under way to stop."""
    found = agent_pages.one(pk, request.user)
    return _cancel_all(request, found, None, found.get_absolute_url())


def _cancel_all(request: Asked, agent: Agent, run: Run | None, there: str) -> HttpResponse:
    with attempt() as outcome:
        made = cancelling.ask_all(agent, run, by=request.user, reason=_reason(request))
        words = f"{len(made)} actions are" if len(made) != 1 else "1 action is"
        messages.success(request, f"{words} asked to stop.")
    return _back(request, outcome, there)


def _back(request: Asked, outcome: attempt, there: str) -> HttpResponse:
    if outcome.status == 403:
        raise PermissionDenied(outcome.problem)
    if not outcome.succeeded:
        messages.error(request, outcome.problem)
    return redirect(there)
