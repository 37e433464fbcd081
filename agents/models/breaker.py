"""Breakers, their trips, and the buckets their windows look through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Team

from .agent import Agent
from .budget import Budget
from .run import Run
from .visible import OfAgentQuerySet, VisibleQuerySet, scope_of

if TYPE_CHECKING:
    from people.models import Person


class Condition(models.TextChoices):
    """What a breaker looks for; judged by `rules/breakers`."""

    REPEATS = "repeats", _("Repeats of one item")
    LOOP = "loop", _("Going in circles")
    ERRORS = "errors", _("Failures")
    FAILURE_RATE = "failure_rate", _("Failure rate")
    SLOW = "slow", _("Slow calls")
    SPEND = "spend", _("Spend")
    UNUSUAL = "unusual", _("Unusual tool")
    DROP = "drop", _("Success rate below usual")
    MALFORMED = "malformed", _("Malformed outputs")
    OFTEN = "often", _("Runs too often")
    RARELY = "rarely", _("Runs too rarely")
    SILENCE = "silence", _("Silence")


NEEDS_THRESHOLD = (Condition.SLOW, Condition.UNUSUAL)


class Unit(models.TextChoices):
    """What `spend` is measured in; empty for the other conditions."""

    TOKENS = "tokens", _("tokens")
    USD = "usd", _("US dollars")


class Scope(models.TextChoices):
    """What is counted together, and paused together."""

    AGENT = "agent", _("The agent")
    RUN = "run", _("One run")
    TEAM = "team", _("All agents of the team")


class BreakerState(models.TextChoices):
    CLOSED = "closed", _("Closed")
    OPEN = "open", _("Open")
    HALF_OPEN = "half_open", _("On probation")
    DISABLED = "disabled", _("Disabled")
    FORCED_OPEN = "forced_open", _("Forced open")
    SHADOW = "shadow", _("Shadow")


class BreakerQuerySet(VisibleQuerySet["Breaker"]):
    def visible_to(self, person: Person) -> Self:
        """Those of the agents and teams this person watches."""
        if person.watches_everything:
            return self
        return self.filter(
            models.Q(agent__team_id__in=person.team_ids) | models.Q(team_id__in=person.team_ids)
        )


class Breaker(models.Model):
    """A watch on one agent, or on all agents of a team together, with one condition.

    The row without a run is the setting. With scope `run`, a run that trips gets a row of its own,
    so that its probation is its own, too. What `limit` counts, `minimum` and `threshold` mean is said by the
    condition's function in `rules/breakers/conditions.py`; a `window` of nothing is the whole run.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="breakers", db_index=False, null=True, blank=True
    )
    team = models.ForeignKey(Team, models.CASCADE, related_name="breakers", null=True, blank=True)
    """Set instead of the agent, with scope `team`."""
    run = models.ForeignKey(Run, models.CASCADE, related_name="breakers", null=True, blank=True)
    condition = models.CharField(max_length=16, choices=Condition.choices)
    unit = models.CharField(max_length=6, choices=Unit.choices, blank=True)
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.AGENT)
    limit = models.DecimalField(max_digits=18, decimal_places=6)
    window = models.DurationField()
    minimum = models.PositiveIntegerField(default=0)
    """Fewer finished actions than this say nothing (rates), or make no history yet (unusual tools)."""
    threshold = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    """Slow: seconds. Unusual: percent of what the agent does, below which a tool is rare."""
    extra = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    extra_until = models.DateTimeField(null=True, blank=True)
    """Granted once on top of the limit, until then."""
    state = models.CharField(
        max_length=11, choices=BreakerState.choices, default=BreakerState.CLOSED
    )
    generation = models.PositiveIntegerField(default=1)
    reset_at = models.DateTimeField(null=True, blank=True)
    """Evidence up to here has been answered for and counts no more."""
    baseline = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    """What the bucket that `reset_at` falls into already held."""
    baseline_volume = models.PositiveIntegerField(default=0)
    state_reason = models.TextField(blank=True)
    """Why a person disabled it or forced it open."""
    disabled_until = models.DateTimeField(null=True, blank=True)
    """Disabled for a while: it watches again by itself."""
    opened_at = models.DateTimeField(null=True, blank=True)
    reopenings = models.PositiveIntegerField(default=0)
    probes_allowed = models.PositiveSmallIntegerField(default=5)
    probes_leased = models.PositiveSmallIntegerField(default=0)
    probes_succeeded = models.PositiveSmallIntegerField(default=0)
    probation = models.DurationField(default=timedelta(minutes=10))
    probation_until = models.DateTimeField(null=True, blank=True)

    objects = BreakerQuerySet.as_manager()

    class Meta:
        verbose_name = _("breaker")
        verbose_name_plural = _("breakers")
        ordering = ["condition", "unit"]
        indexes = [
            models.Index(
                fields=["probation_until"],
                name="breaker_on_probation",
                condition=models.Q(state=BreakerState.HALF_OPEN),
            ),
            models.Index(
                fields=["disabled_until"],
                name="breaker_disabled_for_a_while",
                condition=models.Q(disabled_until__isnull=False),
            ),
            models.Index(
                fields=["condition"],
                name="breaker_of_the_clock",
                condition=models.Q(condition__in=["rarely", "silence"], run=None),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "team", "condition", "unit", "scope", "window", "run"],
                nulls_distinct=False,
                name="breaker_watches_one_condition",
            ),
            models.CheckConstraint(
                condition=models.Q(agent__isnull=False, team=None) & ~models.Q(scope=Scope.TEAM)
                | models.Q(agent=None, team__isnull=False, scope=Scope.TEAM, run=None),
                name="breaker_watches_an_agent_or_a_team",
            ),
            models.CheckConstraint(
                condition=models.Q(condition__in=Condition.values),
                name="breaker_condition_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(extra=0) | models.Q(extra__gt=0, extra_until__isnull=False),
                name="what_is_granted_on_top_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(disabled_until=None) | models.Q(state=BreakerState.DISABLED),
                name="only_disabled_breakers_come_back",
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
                condition=models.Q(limit__gt=0)
                & (
                    models.Q(window__gt=timedelta(0))
                    | models.Q(window=timedelta(0), condition=Condition.SPEND, scope=Scope.RUN)
                ),
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
        if self.agent is None:
            return {"team": str(self.team_id), "agent": "", "run": ""}
        return scope_of(self.agent, self.run_id)

    @property
    def owner_team_id(self) -> UUID:
        """The team whose people may change it."""
        if self.agent is not None:
            return self.agent.team_id
        assert self.team_id is not None
        return self.team_id

    @property
    def owner(self) -> UUID:
        """Whose windows it looks through: the run's, the agent's or the team's. A setting for runs has none."""
        whose = self.run_id if self.scope == Scope.RUN else self.team_id or self.agent_id
        assert whose is not None
        return whose

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
    budget = models.ForeignKey(Budget, models.SET_NULL, related_name="trips", null=True, blank=True)
    """The budget that had no room; its trips have no breaker."""
    group = models.UUIDField(null=True, blank=True)
    """Stops made by one deed, of a team's breaker or the switch for many, have this in common."""
    is_shadow = models.BooleanField(default=False)
    """Nothing was paused: a breaker in shadow says it would have."""
    condition = models.CharField(max_length=16, choices=Condition.choices, blank=True)
    unit = models.CharField(max_length=6, choices=Unit.choices, blank=True)
    value = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    window = models.DurationField(null=True, blank=True)
    reason = models.TextField()
    evidence = models.JSONField(default=dict)
    """`{item, tool, proposal: {tool, subject, arguments}, actions: [id…], tokens, cost_usd, in_flight,
    judged: {breaker | budget, event, steps}}`; `judged` is what the rule saw, and trips it again."""
    by = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    was_true = models.BooleanField(null=True, blank=True)

    objects = OfAgentQuerySet["Trip"].as_manager()

    class Meta:
        verbose_name = _("trip")
        verbose_name_plural = _("trips")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="trip_of_agent"),
            models.Index(
                fields=["group"], name="trip_of_group", condition=models.Q(group__isnull=False)
            ),
        ]
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
    finished = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    slow = models.IntegerField(default=0)
    unusual = models.IntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=24, decimal_places=6, default=0)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Bucket]]

    class Meta:
        verbose_name = _("bucket")
        verbose_name_plural = _("buckets")
        # For forgetting. Partial, so that nobody who looks for an owner's windows is tempted to read all owners'.
        indexes = [
            models.Index(fields=["slot"], condition=models.Q(width=10), name="bucket_age_narrow"),
            models.Index(fields=["slot"], condition=models.Q(width=3600), name="bucket_age_wide"),
        ]

    def __str__(self) -> str:
        return f"{self.owner} {self.width}s {self.slot}"


class Streak(models.Model):
    """Malformed outputs in a row, of an agent, run or team. Written only when the number changes."""

    owner = models.UUIDField(primary_key=True)
    malformed = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField(db_default=Now())
    """When the first of them came: what a breaker answered for before is told from what came since."""

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Streak]]

    class Meta:
        verbose_name = _("streak")
        verbose_name_plural = _("streaks")

    def __str__(self) -> str:
        return f"{self.owner} {self.malformed}"


class ToolUse(models.Model):
    """How often an agent used a tool; with an empty name, all of them. Kept while a breaker looks for unusual tools."""

    pk = models.CompositePrimaryKey("agent", "tool")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="tool_uses", db_index=False)
    tool = models.CharField(max_length=200)
    uses = models.PositiveBigIntegerField(default=0)
    is_known = models.BooleanField(db_default=False)
    """A person saw it used and let the agent go on: it is not unusual any more."""

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[ToolUse]]

    class Meta:
        verbose_name = _("use of a tool")
        verbose_name_plural = _("uses of tools")

    def __str__(self) -> str:
        return f"{self.tool} {self.uses}"
