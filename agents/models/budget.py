"""Budgets: how much may be spent in a period, and the accounts that keep what is reserved and spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Team

from .agent import Agent
from .visible import VisibleQuerySet


class BudgetScope(models.TextChoices):
    """What has an account of its own."""

    RUN = "run", _("Each run")
    AGENT = "agent", _("Each agent")
    TEAM = "team", _("The team together")


class Period(models.TextChoices):
    RUN = "run", _("a run")
    HOUR = "hour", _("an hour")
    DAY = "day", _("a day")
    MONTH = "month", _("a month")


class BudgetUnit(models.TextChoices):
    TOKENS = "tokens", _("tokens")
    USD = "usd", _("US dollars")


class Budget(models.Model):
    """A limit on what is reserved and spent: of one agent, or of every agent of a team (`agent` empty).

    Cost is reserved when an action is admitted and settled at its outcome. When there is no room, the agent (or
    its run) is paused and a person is asked: raise, resume, or end it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="budgets", db_index=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="budgets", null=True, blank=True)
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=5, choices=BudgetScope.choices)
    period = models.CharField(max_length=5, choices=Period.choices)
    unit = models.CharField(max_length=6, choices=BudgetUnit.choices, default=BudgetUnit.USD)
    limit = models.DecimalField(max_digits=18, decimal_places=6)
    time_zone = models.CharField(max_length=64, default="UTC")
    """Where its days and months begin."""
    created_at = models.DateTimeField(default=timezone.now)
    """It counts from then."""

    objects = VisibleQuerySet["Budget"].as_manager()

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "agent", "name"],
                nulls_distinct=False,
                name="budget_name_is_free",
            ),
            models.CheckConstraint(condition=models.Q(limit__gt=0), name="budget_is_positive"),
            models.CheckConstraint(
                condition=models.Q(scope__in=BudgetScope.values, unit__in=BudgetUnit.values)
                & (
                    models.Q(scope=BudgetScope.RUN, period=Period.RUN)
                    | (~models.Q(scope=BudgetScope.RUN) & ~models.Q(period=Period.RUN))
                )
                & models.Q(period__in=Period.values),
                name="budget_of_a_run_lasts_a_run",
            ),
            models.CheckConstraint(
                condition=models.Q(agent=None) | ~models.Q(scope=BudgetScope.TEAM),
                name="budget_of_an_agent_is_not_its_teams",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"agents.budget:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        agent = str(self.agent_id) if self.agent_id else ""
        return {"team": str(self.team_id), "agent": agent, "run": ""}


class AccountQuerySet(VisibleQuerySet["Account"]):
    team_path = "budget__team_id"


class Account(models.Model):
    """What of a budget is reserved and spent by one owner (run, agent or team) in one period."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    budget = models.ForeignKey(Budget, models.CASCADE, related_name="accounts", db_index=False)
    owner = models.UUIDField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    unit = models.CharField(max_length=6, choices=BudgetUnit.choices)
    raised = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    """Granted on top of the budget for this period only."""
    reserved = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    spent = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    warned = models.PositiveSmallIntegerField(default=0)
    """The highest share, in percent, that people were told of: see `rules/budgets.py`."""

    objects = AccountQuerySet.as_manager()

    if TYPE_CHECKING:
        _default_manager: ClassVar[models.Manager[Account]]

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["-starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "owner", "starts_at"], name="account_of_one_period"
            ),
            models.CheckConstraint(
                condition=models.Q(reserved__gte=0, spent__gte=0, raised__gte=0),
                name="account_is_never_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.spent} + {self.reserved}"
