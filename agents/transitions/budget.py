"""Budgets are set, raised and removed; what was reserved and spent stays in their accounts"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit.bell import ring
from audit.changes import changed
from audit.errors import Conflict, Invalid
from audit.record import Recordable, record
from people.models import Calendar, Person, Team
from people.permitting import check
from people.rules.permissions import Permission

from ..models import Account, Agent, Budget, Run
from ..models.budget import AccountQuerySet
from ..rules.breakers.words import amount
from ..rules.budget_settings import MOST, MOST_BUDGETS, BudgetSetting, parse_budget
from ..rules.budgets import share_of
from . import documenting

NOT_YOURS = "Your role may not change this budget: that takes a lead, ops or admin of its team."


@transaction.atomic
def set(  # the word people use
    team: Team, agent: Agent | None, setting: BudgetSetting, *, by: Person | Recordable | str
) -> Budget:
    """Give a team, or one agent, a budget; of the same name there is one, whose limit changes.

    Another unit, scope or period makes it another budget, which counts from now. Raises Invalid, PermissionDenied.
    """
    allowed(team, by)
    setting = parse_budget(setting.as_dict(), of_agent=agent is not None)
    budget = locked(team, agent, setting.name)
    before = setting_of(budget) if budget else None
    if budget and before == setting:
        return budget
    if budget and not same_accounts(setting_of(budget), setting):
        delete(budget)
        budget = None
    if budget is None:
        budget = made(team, agent, setting)
    else:
        change_limit(budget, setting.limit)
    tell(
        "budget.set",
        budget,
        by,
        summary=f"{setting.name}: {setting}",
        before=before.as_dict() if before else None,
        after=setting.as_dict(),
    )
    documenting.keep_budget(team.pk, agent, by=by, why=f"{setting.name}: {setting}")
    return budget


@transaction.atomic
def remove(budget: Budget, *, by: Person | Recordable | str, why: str = "") -> None:
    """Nothing limits what it limited any more; whom it paused can be resumed."""
    allowed(budget.team, by)
    found = locked(budget.team, budget.agent, budget.name)
    if found is None:
        raise Conflict(f"The budget “{budget.name}” was removed already.")
    tell(
        "budget.removed",
        found,
        by,
        summary=why.strip() or f"{found.name}: no limit any more",
        before=setting_of(found).as_dict(),
    )
    delete(found)
    said = why.strip() or f"The budget “{found.name}” was removed."
    documenting.keep_budget(found.team_id, found.agent, by=by, why=said)


@transaction.atomic
def raise_for_good(budget: Budget, limit: Decimal, *, by: Person | str, why: str = "") -> Budget:
    """A higher limit, in this period and those to come."""
    check(Permission.RAISE_LIMIT, by, budget.team_id)
    found = locked(budget.team, budget.agent, budget.name)
    if found is None:
        raise Conflict(f"The budget “{budget.name}” was removed meanwhile.")
    before = setting_of(found)
    higher(limit, found.limit, found)
    change_limit(found, limit)
    tell(
        "budget.raised",
        found,
        by,
        summary=why.strip() or f"{found.name}: {setting_of(found)}",
        before=before.as_dict(),
        after=setting_of(found).as_dict(),
    )
    said = why.strip() or f"{found.name}: {setting_of(found)}"
    documenting.keep_budget(found.team_id, found.agent, by=by, why=said)
    return found


@transaction.atomic
def raise_for_now(account: Account, limit: Decimal, *, by: Person | str, why: str = "") -> Account:
    """A higher limit for this one account (run, agent or team), until its period ends."""
    check(Permission.RAISE_LIMIT, by, account.budget.team_id)
    account = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account.pk)
    budget = account.budget
    if account.ends_at is not None and account.ends_at <= timezone.now():
        raise Conflict("This period is over: the next one began with the whole limit.")
    before = budget.limit + account.raised
    higher(limit, before, budget)
    account.raised = limit - budget.limit
    account.warned = share_of(account.reserved + account.spent, limit)
    account.save(update_fields=["raised", "warned"])
    tell(
        "budget.raised",
        budget,
        by,
        summary=why.strip()
        or f"{budget.name}: {amount(limit, budget.unit)} for this period, instead of {amount(before, budget.unit)}",
        before={"limit": str(before)},
        after={"limit": str(limit)},
        account=str(account.pk),
        owner=str(account.owner),
        until=account.ends_at,
    )
    return account


@transaction.atomic
def apply(
    team: Team,
    agent: Agent | None,
    settings: Sequence[BudgetSetting],
    *,
    by: Person | Recordable | str,
) -> list[Budget]:
    """Make the budgets of a team, or of one agent, just these. Twice is harmless."""
    allowed(team, by)
    if len(settings) > MOST_BUDGETS:
        raise Invalid(f"There can be {MOST_BUDGETS} budgets.")
    named = {setting.name for setting in settings}
    for budget in Budget.objects.filter(team=team, agent=agent).order_by("name"):
        if budget.name not in named:
            remove(budget, by=by)
    return [set(team, agent, setting, by=by) for setting in sorted(settings, key=lambda s: s.name)]


def settings_of(team: Team, agent: Agent | None) -> list[BudgetSetting]:
    """What holds now, as it is written."""
    return [
        setting_of(one) for one in Budget.objects.filter(team=team, agent=agent).order_by("name")
    ]


def setting_of(budget: Budget) -> BudgetSetting:
    return BudgetSetting(budget.name, budget.scope, budget.period, budget.unit, budget.limit)


# -- what they have in common ----------------------------------------------------------------------


def allowed(team: Team, by: Any) -> None:
    """Raises PermissionDenied when this person may not set budgets here; scripts may."""
    if isinstance(by, Person) and not by.edits_policy_for(team.pk):
        raise PermissionDenied(NOT_YOURS)


def same_accounts(before: BudgetSetting, after: BudgetSetting) -> bool:
    return (before.scope, before.per, before.unit) == (after.scope, after.per, after.unit)


def higher(limit: Decimal, before: Decimal, budget: Budget) -> None:
    if not limit.is_finite() or not before < limit <= MOST[budget.unit]:
        raise Invalid(
            f"“{budget.name}” is {amount(before, budget.unit)} now: a raise needs more than that."
        )


def locked(team: Team, agent: Agent | None, name: str) -> Budget | None:
    """The budget, its accounts of the present periods locked first, in the one order."""
    return next(iter(lock(Budget.objects.filter(team=team, agent=agent, name=name))), None)


def lock(budgets: QuerySet[Budget]) -> list[Budget]:
    """These budgets in the order of their ids, their accounts of the present periods locked first.

    An account may be made between the two: then both are let go of and locked again, for whoever locked the new one
    waits for its budget. Once the budgets are locked (so that nobody can refer to them anew) there are no more.
    """
    while True:
        with transaction.atomic():
            accounts = present(Account.objects.filter(budget__in=budgets.values("pk")))
            rows = accounts.select_for_update(no_key=True, of=("self",))
            seen = {pk for (pk,) in rows.values_list("pk")}
            found = list(budgets.order_by("pk").select_for_update(of=("self",)))
            if seen.issuperset(accounts.values_list("pk", flat=True)):
                return found
            transaction.set_rollback(True)


def present(accounts: AccountQuerySet) -> AccountQuerySet:
    """Those whose period, or run, is not over, in the order in which everybody locks them."""
    live = Run.objects.live().values("pk")
    return accounts.filter(
        Q(ends_at__gt=timezone.now()) | Q(ends_at=None, owner__in=live)
    ).order_by("pk")


def made(team: Team, agent: Agent | None, setting: BudgetSetting) -> Budget:
    hours = Calendar.objects.hours_of(team.pk)
    try:
        with transaction.atomic():
            return Budget.objects.create(
                team=team,
                agent=agent,
                name=setting.name,
                scope=setting.scope,
                period=setting.per,
                unit=setting.unit,
                limit=setting.limit,
                time_zone=hours.time_zone if hours else "UTC",
            )
    except IntegrityError as error:
        raise Conflict(f"Somebody else set “{setting.name}” at this very moment.") from error


def change_limit(budget: Budget, limit: Decimal) -> None:
    """What was granted for a period only is part of a limit that is higher for good; people are told anew."""
    granted = limit - budget.limit
    budget.limit = limit
    budget.save(update_fields=["limit"])
    for account in present(Account.objects.filter(budget=budget)):
        account.raised = max(Decimal(0), account.raised - max(granted, Decimal(0)))
        account.warned = share_of(account.reserved + account.spent, limit + account.raised)
        account.save(update_fields=["raised", "warned"])


def delete(budget: Budget) -> None:
    """Accounts first: who holds one may be about to name the budget."""
    list(
        Account.objects.filter(budget=budget)
        .order_by("pk")
        .select_for_update(of=("self",))
        .values_list("pk")
    )
    Budget.objects.select_for_update(of=("self",)).get(pk=budget.pk)
    budget.delete()


def tell(
    kind: str,
    budget: Budget,
    by: Any,
    *,
    summary: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None = None,
    **data: Any,
) -> None:
    was, now = changed(before, after)
    record(kind, actor=by, about=budget, summary=summary[:300], data=data, before=was, after=now)
    ring("agents", f"agents.{budget.team_id}")
