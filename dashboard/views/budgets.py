"""Budgets: what is spent and left, and giving more or less of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.models import Account, Agent, Budget
from agents.rules.budget_settings import BudgetSetting
from agents.transitions import budget as transitions
from audit.errors import Invalid, NotFound
from dashboard.pages import budgets as pages
from people.models import Team
from people.permitting import check
from people.rules.permissions import Permission

from .asked import Asked
from .refusals import attempt

# -- looking ---------------------------------------------------------------------------------------


@require_safe
@login_required
def budgets(request: Asked) -> HttpResponse:
    """Every budget I may see, and a form for another one."""
    return _list(request)


def _list(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "rows": pages.listed(request.user),
        "owners": pages.owners(request.user),
        "typed": request.POST,
    }
    region = request.GET.get("region") == "budgets" and request.method == "GET"
    template = "budgets.html#budgets" if region else "budgets.html"
    return render(request, template, context | more, status=status)


@require_safe
@login_required
def budget(request: Asked, pk: UUID) -> HttpResponse:
    """One budget: each account of the present period, and how periods before went."""
    return _page(request, _one(request, pk))


def _one(request: Asked, pk: UUID) -> Budget:
    found = Budget.objects.visible_to(request.user).select_related("team", "agent")
    return get_object_or_404(found, pk=pk)


def _page(request: Asked, found: Budget, status: int = 200, **more: Any) -> HttpResponse:
    (row,) = pages.rows([found], owners=True)
    context = pages.context_of(row, request.user, timezone.now()) | {"typed": request.POST}
    region = request.GET.get("region") == "standing" and request.method == "GET"
    template = "budget.html#standing" if region else "budget.html"
    return render(request, template, context | more, status=status)


# -- acting ----------------------------------------------------------------------------------------


@require_POST
@login_required
def add(request: Asked) -> HttpResponse:
    """A budget of a team, or of one agent."""
    with attempt() as outcome:
        team, agent = _owner(request)
        transitions.allowed(team, request.user)
        setting = pages.typed(request.POST, of_agent=agent is not None)
        if Budget.objects.filter(team=team, agent=agent, name=setting.name).exists():
            raise Invalid(f"There is a budget “{setting.name}” already: change that one.")
        made = transitions.set(team, agent, setting, by=request.user)
        return redirect("budget", made.pk)
    return _list(request, outcome.status, problem=outcome.problem)


def _owner(request: Asked) -> tuple[Team, Agent | None]:
    """Whose it shall be. Raises NotFound."""
    kind, _, text = request.POST.get("owner", "").partition(":")
    try:
        pk = UUID(text)
    except ValueError:
        raise Invalid("Say whose budget it is.") from None
    if kind == "agent":
        agent = Agent.objects.visible_to(request.user).select_related("team").filter(pk=pk).first()
        if agent is not None:
            return agent.team, agent
    elif request.user.sees(pk) and (team := Team.objects.filter(pk=pk).first()):
        return team, None
    raise NotFound("There is no such team or agent.")


@require_POST
@login_required
def change(request: Asked, pk: UUID) -> HttpResponse:
    """Another limit, for good: more, or less."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.allowed(found.team, request.user)
        limit = pages.limit_typed(request.POST, found)
        setting = transitions.setting_of(found)
        changed = BudgetSetting(setting.name, setting.scope, setting.per, setting.unit, limit)
        if limit > Decimal(0):
            transitions.set(found.team, found.agent, changed, by=request.user)
            messages.success(request, f"{found.name}: {changed}.")
            return redirect("budget", found.pk)
        raise Invalid("A limit is above nothing.")
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def raise_account(request: Asked, pk: UUID, account: UUID) -> HttpResponse:
    """More for one of those it limits, until the period ends."""
    found = _one(request, pk)
    one = get_object_or_404(Account.objects.select_related("budget"), pk=account, budget=found)
    with attempt() as outcome:
        check(Permission.RAISE_LIMIT, request.user, found.team_id)
        limit = pages.limit_typed(request.POST, found)
        why = request.POST.get("why", "").replace("\x00", "")
        transitions.raise_for_now(one, limit, by=request.user, why=why)
        messages.success(request, f"{found.name} is raised for this period.")
        return redirect("budget", found.pk)
    return _page(request, found, outcome.status, problem=outcome.problem)


@require_POST
@login_required
def remove(request: Asked, pk: UUID) -> HttpResponse:
    """Nothing limits it any more."""
    found = _one(request, pk)
    with attempt() as outcome:
        transitions.remove(found, by=request.user)
        messages.success(request, f"{found.name} is removed.")
        return redirect("budgets")
    return _page(request, found, outcome.status, problem=outcome.problem)
