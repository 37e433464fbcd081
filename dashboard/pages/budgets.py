"""Budgets as people look after them: what is spent, reserved and left, of whom, and how periods before went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from agents.models import Account, Agent, Budget, Run
from agents.models.budget import BudgetScope, Period
from agents.rules.breakers.words import amount
from agents.rules.budget_settings import BudgetSetting, limit_of, parse_budget
from agents.transitions.budget import present, setting_of
from audit.errors import Invalid
from people.models import Person, Team

MOST_BUDGETS = 300
MOST_ACCOUNTS = 100
PERIODS_SHOWN = 30
ENDS = {"hour": "the hour", "day": "the day", "month": "the month"}


@dataclass(frozen=True)
class Bar:
    """One account: what of a limit is spent, reserved and left."""

    budget: Budget
    account: Account | None
    owner: Run | Agent | Team | None
    """None: it has no account yet, nothing was spent in this period."""

    @property
    def room(self) -> Decimal:
        return self.budget.limit + (self.account.raised if self.account else 0)

    @property
    def spent(self) -> Decimal:
        return self.account.spent if self.account else Decimal(0)

    @property
    def reserved(self) -> Decimal:
        return self.account.reserved if self.account else Decimal(0)

    @property
    def left(self) -> Decimal:
        return max(self.room - self.spent - self.reserved, Decimal(0))

    @property
    def share(self) -> float:
        return float((self.spent + self.reserved) / self.room)

    @property
    def is_over(self) -> bool:
        return self.share >= 1

    @property
    def in_words(self) -> dict[str, str]:
        names = ("spent", "reserved", "left", "room")
        return {name: amount(getattr(self, name), self.budget.unit) for name in names}

    @property
    def level(self) -> str:
        return "over" if self.is_over else "near" if self.share >= 0.8 else "calm"

    @property
    def spent_share(self) -> float:
        return round(min(100.0, float(self.spent / self.room * 100)), 1)

    @property
    def reserved_share(self) -> float:
        return round(min(100.0 - self.spent_share, float(self.reserved / self.room * 100)), 1)

    @property
    def title(self) -> str:
        said = self.in_words
        return f"{said['spent']} spent, {said['reserved']} reserved, {said['left']} left of {said['room']}"

    @property
    def proposed_raise(self) -> str:
        """Twice the limit: what most people type."""
        return f"{(self.room * 2).normalize():f}"


@dataclass
class Row:
    """One budget with its accounts of the present period, the fullest first."""

    budget: Budget
    bars: list[Bar] = field(default_factory=list)

    @property
    def setting(self) -> BudgetSetting:
        return setting_of(self.budget)

    @property
    def sentence(self) -> str:
        """`$50.00 a day for each agent`; of one agent's own it goes without saying."""
        said = str(self.setting)
        return said.removesuffix(" for each agent") if self.budget.agent_id else said

    @property
    def fullest(self) -> Bar:
        return self.bars[0] if self.bars else Bar(self.budget, None, None)

    @property
    def limit(self) -> str:
        return amount(self.budget.limit, self.budget.unit)


def rows(budgets: Iterable[Budget], *, owners: bool = False) -> list[Row]:
    """Budgets as they stand; with `owners` also whose each account is."""
    found = {budget.pk: Row(budget) for budget in budgets}
    accounts = list(
        present(Account.objects.filter(budget__in=found.keys())).select_related("budget")
    )
    named = names_of(accounts) if owners else {}
    for account in accounts:
        row = found[account.budget_id]
        row.bars.append(Bar(row.budget, account, named.get(account.owner)))
    for row in found.values():
        row.bars.sort(key=lambda bar: -bar.share)
        del row.bars[MOST_ACCOUNTS:]
    return list(found.values())


def names_of(accounts: Iterable[Account]) -> dict[UUID, Run | Agent | Team]:
    owners = {account.owner for account in accounts}
    found: dict[UUID, Run | Agent | Team] = {}
    for model in (Run, Agent, Team):
        found |= {one.pk: one for one in model._default_manager.filter(pk__in=owners)}
    return found


def listed(person: Person) -> list[Row]:
    """Every budget this person sees, by team."""
    budgets = Budget.objects.visible_to(person).select_related("team", "agent")
    return rows(budgets.order_by("team__name", "agent__name", "name")[:MOST_BUDGETS], owners=True)


def of_agent(agent: Agent) -> list[Bar]:
    """What limits one agent now: its own budgets, its share of "each agent", and its team's."""
    budgets = Budget.objects.filter(Q(agent=agent) | Q(agent=None), team=agent.team_id)
    bars = []
    for row in rows(budgets.exclude(scope=BudgetScope.RUN).order_by("name")):
        owner = agent.team_id if row.budget.scope == BudgetScope.TEAM else agent.pk
        bars += [bar for bar in row.bars if bar.account and bar.account.owner == owner] or [
            Bar(row.budget, None, None)
        ]
    return sorted(bars, key=lambda bar: -bar.share)


@dataclass(frozen=True)
class Past:
    """Periods that are over, oldest first."""

    values: list[Decimal]
    since: datetime | None
    total: str
    over: int


def past(budget: Budget, now: datetime) -> Past:
    """What was spent in each of the periods before, by all its owners together."""
    accounts = Account.objects.filter(budget=budget)
    if budget.period == Period.RUN:
        accounts = accounts.exclude(owner__in=Run.objects.live().values("pk"))
        found = list(accounts.order_by("-pk").values_list("starts_at", "spent")[:PERIODS_SHOWN])
    else:
        ended = accounts.filter(ends_at__lte=now).values("starts_at").annotate(total=Sum("spent"))
        found = list(ended.order_by("-starts_at").values_list("starts_at", "total")[:PERIODS_SHOWN])
    values = [total for _, total in reversed(found)]
    return Past(
        values,
        found[-1][0] if found and budget.period != Period.RUN else None,
        amount(sum(values, Decimal(0)), budget.unit),
        sum(value >= budget.limit for value in values),
    )


def day_budget(person: Person) -> Decimal | None:
    """What the teams this person sees may spend today, in dollars; None where no team has such a budget."""
    budgets = Budget.objects.visible_to(person).filter(
        agent=None, scope=BudgetScope.TEAM, period=Period.DAY, unit="usd"
    )
    least: dict[UUID, Decimal] = {}
    for row in rows(budgets):
        team, room = row.budget.team_id, row.fullest.room
        least[team] = min(least.get(team, room), room)
    return sum(least.values(), Decimal(0)) if least else None


# -- what is typed ---------------------------------------------------------------------------------


def owners(person: Person) -> list[tuple[str, str]]:
    """`(value, name)` of what this person may give a budget: teams, then their agents."""
    teams = [team for team in Team.objects.order_by("name") if person.edits_policy_for(team.pk)]
    agents = Agent.objects.filter(team__in=teams).living().select_related("team").order_by("name")
    return [
        *((f"team:{team.pk}", team.name) for team in teams),
        *((f"agent:{one.pk}", f"{one.name} ({one.team.name})") for one in agents[:500]),
    ]


def typed(form: Mapping[str, str], *, of_agent: bool) -> BudgetSetting:
    """The form as a budget. Raises Invalid in a sentence."""
    written = {name: form.get(name, "").strip() for name in ("name", "scope", "per", "limit")}
    if written["per"] == "run":
        written["scope"] = "run"
    return parse_budget({k: v for k, v in written.items() if v}, of_agent=of_agent)


def limit_typed(form: Mapping[str, str], budget: Budget) -> Decimal:
    """A new limit, with or without its unit. Raises Invalid in a sentence."""
    text = form.get("limit", "").strip()
    try:
        plain = Decimal(text.replace(",", "").removeprefix("$"))
    except InvalidOperation:
        unit, limit = limit_of(text)
        if unit != budget.unit:
            raise Invalid(f"“{budget.name}” counts {budget.get_unit_display()}.") from None
        return limit
    if not plain.is_finite():
        raise Invalid("A limit is a number.")
    return plain


def context_of(row: Row, person: Person, now: datetime) -> dict[str, Any]:
    budget = row.budget
    return {
        "row": row,
        "budget": budget,
        "past": past(budget, now),
        "ends": next((bar.account.ends_at for bar in row.bars if bar.account), None),
        "may_change": person.edits_policy_for(budget.team_id),
    }
