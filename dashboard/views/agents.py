"""Agents: the list, one agent with its breakers, runs and keys, and stopping it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from agents.models import Agent, AgentKey, AgentState, Breaker
from agents.transitions import agent as transitions
from agents.transitions import breaker as breakers
from audit.errors import Invalid
from dashboard.pages import agent as pages
from dashboard.pages import budgets, controls, gauges
from people.rules.permissions import Permission

from .asked import Asked
from .controls import rest
from .refusals import attempt

LONGEST_REASON = 2_000
STATES = (("", "All"), *AgentState.choices)


# -- looking ---------------------------------------------------------------------------------------


@require_GET
@login_required
def agents(request: Asked) -> HttpResponse:
    """Every agent I watch, with how near each is to being stopped."""
    state = request.GET.get("state", "")
    found = Agent.objects.visible_to(request.user).select_related("team")
    if state in AgentState.values:
        found = found.filter(state=state)
    page, more = _after(found, request.GET.get("after", ""))
    context = {
        "rows": pages.rows(page, now=timezone.now()),
        "more": f"?state={state}&after={page[-1].pk}" if more else "",
        "states": STATES,
        "state": state,
        "is_first": "after" not in request.GET,
    }
    template = "agents.html#list" if request.GET.get("region") == "list" else "agents.html"
    return render(request, template, context)


def _after(found: QuerySet[Agent], text: str) -> tuple[list[Agent], bool]:
    """The page of agents that begins after one of them, by name."""
    found = found.order_by("name", "pk")
    try:
        last = Agent.objects.filter(pk=UUID(text)).values_list("name", "pk").first()
    except ValueError:
        last = None
    if last:
        name, pk = last
        found = found.filter(name__gt=name) | found.filter(name=name, pk__gt=pk)
    page = list(found[: pages.AGENTS_ON_A_PAGE + 1])
    return page[: pages.AGENTS_ON_A_PAGE], len(page) > pages.AGENTS_ON_A_PAGE


@require_GET
@login_required
def agent(request: Asked, pk: UUID) -> HttpResponse:
    """One agent: whether it runs, what watches it, what it did, how to connect it."""
    found = pages.one(pk, request.user)
    match request.GET.get("region"):
        case "state":
            return render(request, "agent.html#standing", _standing(request, found))
        case "gauges":
            return render(request, "agent.html#gauges", _gauges(request, found))
        case "budgets":
            context = {"agent": found, "budgets": budgets.of_agent(found)}
            return render(request, "agent.html#budgets", context)
        case "runs":
            context = {"agent": found, "runs": pages.newest_runs(found)}
            return render(request, "agent.html#runs", context)
    return _page(request, found)


def _page(request: Asked, agent: Agent, status: int = 200, **more: Any) -> HttpResponse:
    context = _standing(request, agent) | _gauges(request, agent)
    policy = pages.policy(agent)
    tools = policy.document.get("tools", []) if policy else []
    context |= {
        "runs": pages.newest_runs(agent),
        "versions": pages.newest_versions(agent),
        "keys": pages.keys(agent),
        "budgets": budgets.of_agent(agent),
        "policy": policy,
        "tools": tools,
        "address": request.build_absolute_uri("/").rstrip("/"),
        "tool": "look_up" if not tools or "*" in tools[0] else tools[0],
        "typed": request.POST,
    }
    return render(request, "agent.html", context | more, status=status)


def _standing(request: Asked, agent: Agent) -> dict[str, Any]:
    return {
        "agent": agent,
        "trip": pages.open_trip(agent),
        "consequence": pages.consequence(agent),
        "may_decide": request.user.decides_for(agent.team_id),
        "actions": controls.in_flight(agent),
        "may_cancel": request.user.may(Permission.CANCEL, agent.team_id),
        "cancel_all": reverse("agent-cancel", args=[agent.pk]),
    }


def _gauges(request: Asked, agent: Agent) -> dict[str, Any]:
    now = timezone.now()
    return {
        "agent": agent,
        "gauges": gauges.gauges(agent, now=now),
        "spend": gauges.spend(agent.pk, now=now),
        "may_decide": request.user.decides_for(agent.team_id),
    }


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
def stop(request: Asked, pk: UUID) -> HttpResponse:
    """Pause it now and ask a person what next."""
    found = pages.one(pk, request.user)
    with attempt() as outcome:
        trip = transitions.stop(found, by=request.user, reason=_reason(request))
        return redirect("hold", trip.pk)
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
def retire(request: Asked, pk: UUID) -> HttpResponse:
    """End it for good."""
    found = pages.one(pk, request.user)
    with attempt() as outcome:
        if request.POST.get("name", "").strip() != found.name:
            raise Invalid(f"Type {found.name} to say that you mean it.")
        transitions.retire(found, by=request.user)
        return redirect(found)
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
@never_cache
def add_key(request: Asked, pk: UUID) -> HttpResponse:
    """A new key, shown in this one answer and never again."""
    found = pages.one(pk, request.user)
    label = request.POST.get("label", "").replace("\x00", "").strip()
    with attempt() as outcome:
        if len(label) > 80:
            raise Invalid("A label can be 80 characters long.")
        key, secret = transitions.add_key(found, by=request.user, label=label)
        return _page(request, found, new_key=key, secret=secret)
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
def revoke_key(request: Asked, pk: UUID, key: UUID) -> HttpResponse:
    """Whoever calls with it is a stranger from now on."""
    found = pages.one(pk, request.user)
    its_key = get_object_or_404(AgentKey.objects.select_related("agent"), pk=key, agent=found)
    with attempt() as outcome:
        transitions.revoke_key(its_key, by=request.user)
        return redirect(f"{found.get_absolute_url()}#keys")
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
def change_breaker(request: Asked, pk: UUID, breaker: UUID) -> HttpResponse:
    """Another limit or window."""
    found = pages.one(pk, request.user)
    its_breaker = get_object_or_404(Breaker.objects.filter(agent=found, run=None), pk=breaker)
    with attempt() as outcome:
        breakers.change(
            its_breaker,
            by=request.user,
            limit=_number(request, "limit", "limit"),
            window=_window(request),
        )
        return redirect(f"{found.get_absolute_url()}#breakers")
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
def disable_breaker(request: Asked, pk: UUID, breaker: UUID) -> HttpResponse:
    """Stop watching for this."""
    found = pages.one(pk, request.user)
    its_breaker = get_object_or_404(Breaker.objects.filter(agent=found, run=None), pk=breaker)
    with attempt() as outcome:
        reason, until = _reason(request), rest(request)
        breakers.disable(its_breaker, by=request.user, reason=reason, until=until)
        return redirect(f"{found.get_absolute_url()}#breakers")
    return _refused(request, found, outcome.problem, outcome.status)


@require_POST
@login_required
def enable_breaker(request: Asked, pk: UUID, breaker: UUID) -> HttpResponse:
    """Watch for this again."""
    found = pages.one(pk, request.user)
    its_breaker = get_object_or_404(Breaker.objects.filter(agent=found, run=None), pk=breaker)
    with attempt() as outcome:
        breakers.enable(its_breaker, by=request.user, reason=_reason(request))
        return redirect(f"{found.get_absolute_url()}#breakers")
    return _refused(request, found, outcome.problem, outcome.status)


def _refused(request: Asked, agent: Agent, problem: str, status: int) -> HttpResponse:
    return _page(request, agent, status=status, problem=problem)


def _reason(request: Asked) -> str:
    reason = request.POST.get("reason", "").replace("\x00", "").replace("\r\n", "\n").strip()
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"A reason can be {LONGEST_REASON:,} characters long.")
    return reason


def _number(request: Asked, name: str, word: str) -> Decimal | None:
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 < value < 10**12 or value != round(value, 6):
        raise Invalid(f"The {word} must be a number above zero, such as 10 or 2.5.")
    return value


UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def _window(request: Asked) -> timedelta | None:
    count = _number(request, "window", "window")
    if count is None:
        return None
    unit = UNITS.get(request.POST.get("unit", "s"))
    if unit is None:
        raise Invalid("A window is in seconds, minutes, hours or days.")
    seconds = count * unit
    if seconds > 31 * 86400:
        raise Invalid("A window can be 31 days long.")
    return timedelta(seconds=float(seconds))
