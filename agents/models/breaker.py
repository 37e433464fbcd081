"""Breakers, their trips, and the buckets their windows look through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id

from .agent import Agent
from .run import Run
from .visible import OfAgentQuerySet, scope_of


class Condition(models.TextChoices):
    REPEATS = "repeats", _("Repeats of one item")
    ERRORS = "errors", _("Failures")
    SPEND = "spend", _("Spend")


class Unit(models.TextChoices):
    """What `spend` is measured in; empty for the other conditions."""

    TOKENS = "tokens", _("tokens")
    USD = "usd", _("US dollars")


class Scope(models.TextChoices):
    """What is counted together, and paused together."""

    AGENT = "agent", _("The agent")
    RUN = "run", _("One run")


class BreakerState(models.TextChoices):
    CLOSED = "closed", _("Closed")
    OPEN = "open", _("Open")
    HALF_OPEN = "half_open", _("On probation")
    DISABLED = "disabled", _("Disabled")
    FORCED_OPEN = "forced_open", _("Forced open")
    SHADOW = "shadow", _("Shadow")


class Breaker(models.Model):
    """A watch on one agent with one condition.

    The row without a run is the setting. With scope `run`, a run that trips gets a row of its own,
    so that its probation is its own, too.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="breakers", db_index=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="breakers", null=True, blank=True)
    condition = models.CharField(max_length=10, choices=Condition.choices)
    unit = models.CharField(max_length=6, choices=Unit.choices, blank=True)
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.AGENT)
    limit = models.DecimalField(max_digits=18, decimal_places=6)
    window = models.DurationField()
    state = models.CharField(
        max_length=11, choices=BreakerState.choices, default=BreakerState.CLOSED
    )
    generation = models.PositiveIntegerField(default=1)
    reset_at = models.DateTimeField(null=True, blank=True)
    """Evidence up to here has been answered for and counts no more."""
    baseline = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    """What the bucket that `reset_at` falls into already held."""
    opened_at = models.DateTimeField(null=True, blank=True)
    reopenings = models.PositiveIntegerField(default=0)
    probes_allowed = models.PositiveSmallIntegerField(default=5)
    probes_leased = models.PositiveSmallIntegerField(default=0)
    probes_succeeded = models.PositiveSmallIntegerField(default=0)
    probation = models.DurationField(default=timedelta(minutes=10))
    probation_until = models.DateTimeField(null=True, blank=True)

    objects = OfAgentQuerySet["Breaker"].as_manager()

    class Meta:
        verbose_name = _("breaker")
        verbose_name_plural = _("breakers")
        ordering = ["condition", "unit"]
        indexes = [
            models.Index(
                fields=["probation_until"],
                name="breaker_on_probation",
                condition=models.Q(state=BreakerState.HALF_OPEN),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "condition", "unit", "run"],
                nulls_distinct=False,
                name="breaker_watches_one_condition",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=BreakerState.values), name="breaker_state_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(condition=Condition.SPEND, unit__in=Unit.values)
                | (~models.Q(condition=Condition.SPEND) & models.Q(unit="")),
                name="only_spend_has_a_unit",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=BreakerState.HALF_OPEN)
                | models.Q(probation_until__isnull=False),
                name="probation_has_a_deadline",
            ),
            models.CheckConstraint(
                condition=models.Q(limit__gt=0, window__gt=timedelta(0)),
                name="breaker_limit_and_window_are_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.condition} {self.unit}".strip()

    @property
    def record_name(self) -> str:
        return f"agents.breaker:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.run_id)

    @property
    def is_on_probation(self) -> bool:
        return self.state == BreakerState.HALF_OPEN


class Trip(models.Model):
    """A breaker opened, or a person stopped the agent (`breaker` empty). Its hold asks what now."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="trips", db_index=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="trips", null=True, blank=True)
    """The one paused run; empty when the whole agent is paused."""
    breaker = models.ForeignKey(
        Breaker, models.SET_NULL, related_name="trips", null=True, blank=True
    )
    condition = models.CharField(max_length=10, choices=Condition.choices, blank=True)
    unit = models.CharField(max_length=6, choices=Unit.choices, blank=True)
    value = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    window = models.DurationField(null=True, blank=True)
    reason = models.TextField()
    evidence = models.JSONField(default=dict)
    """`{item, tool, proposal: {tool, subject, arguments}, actions: [id…], tokens, cost_usd}`."""
    by = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    was_true = models.BooleanField(null=True, blank=True)

    objects = OfAgentQuerySet["Trip"].as_manager()

    class Meta:
        verbose_name = _("trip")
        verbose_name_plural = _("trips")
        ordering = ["-id"]
        indexes = [models.Index(fields=["agent", "-id"], name="trip_of_agent")]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "run"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="one_stop_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.reason

    @property
    def record_name(self) -> str:
        return f"agents.trip:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.run_id)


class Bucket(models.Model):
    """What an agent (or run: `owner`) did in one slot of time; windows are sums of these.

    `slot` counts `width` seconds since 1970. Narrow ones (10 s) feed breakers, wide ones (1 h) the charts.
    """

    pk = models.CompositePrimaryKey("owner", "width", "slot")
    owner = models.UUIDField()
    width = models.PositiveSmallIntegerField()
    slot = models.IntegerField()
    actions = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=18, decimal_places=6, default=0)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Bucket]]

    class Meta:
        verbose_name = _("bucket")
        verbose_name_plural = _("buckets")
        indexes = [models.Index(fields=["width", "slot"], name="bucket_age")]

    def __str__(self) -> str:
        return f"{self.owner} {self.width}s {self.slot}"
