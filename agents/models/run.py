"""Runs, what people tell them, and what they save."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.constants import Constant
from audit.ids import new_id

from .agent import Agent, AgentVersion
from .visible import OfAgentQuerySet, scope_of

if TYPE_CHECKING:
    from .breaker import Breaker


class RunState(models.TextChoices):
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    TERMINATED = "terminated", _("Terminated")


LIVE = (RunState.RUNNING, RunState.PAUSED)


class RunQuerySet(OfAgentQuerySet["Run"]):
    def of(self, breaker: Breaker) -> Self:
        """Those that a breaker watches."""
        if breaker.run_id:
            return self.filter(pk=breaker.run_id)
        if breaker.team_id:
            return self.filter(agent__team_id=breaker.team_id)
        return self.filter(agent_id=breaker.agent_id)

    def live(self) -> Self:
        """Running or paused; written into the statement, so that its plan uses the index of live runs."""
        return self.filter(Q(state=Constant(RunState.RUNNING)) | Q(state=Constant(RunState.PAUSED)))


class Run(models.Model):
    """One execution of an agent. Its sums are kept with every action, never counted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="runs", db_index=False)
    version = models.ForeignKey(
        AgentVersion, models.SET_NULL, related_name="runs", null=True, blank=True
    )
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, blank=True)
    on_behalf_of = models.CharField(max_length=200, blank=True)
    """The person for whom it runs, by name or e-mail; its actions inherit it."""
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.RUNNING)
    state_reason = models.TextField(blank=True)
    control_version = models.PositiveIntegerField(default=1)
    trace_url = models.URLField(max_length=1000, blank=True)
    metadata = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    actions_count = models.PositiveIntegerField(default=0)
    failures_count = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    seen_at = models.DateTimeField(null=True, blank=True)
    """The last sign of life: an action, an outcome, a report or a heartbeat."""
    steps = models.BinaryField(max_length=512, default=b"")
    """Fingerprints of the last steps, 8 bytes each, the newest last; see `rules/breakers/loops.py`."""

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["agent"],
                name="run_live",
                condition=models.Q(state__in=[RunState.RUNNING, RunState.PAUSED]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["agent", "id"], name="run_of_agent"),
            models.UniqueConstraint(
                fields=["agent", "key"], condition=~models.Q(key=""), name="run_key_is_used_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=RunState.values), name="run_state_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=LIVE, finished_at=None)
                | (~models.Q(state__in=LIVE) & models.Q(finished_at__isnull=False)),
                name="run_over_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"agents.run:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.pk)

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def is_paused(self) -> bool:
        return self.state == RunState.PAUSED

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class DirectiveKind(models.TextChoices):
    INSTRUCTION = "instruction", _("Instruction")
    STATE = "state", _("State")
    LIMIT = "limit", _("Limit")
    MODEL = "model", _("Model")
    TOOLS = "tools", _("Tools")
    REVIEW = "review", _("Review")


class DirectiveQuerySet(OfAgentQuerySet["Directive"]):
    def waiting(self) -> Self:
        return self.filter(acknowledged_at=None)


class Directive(models.Model):
    """Something a person wants the agent to do differently; repeated until the agent acknowledges it.

    Without a run it waits for the next run of the agent.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="directives")
    run = models.ForeignKey(Run, models.CASCADE, related_name="directives", null=True, blank=True)
    kind = models.CharField(max_length=12, choices=DirectiveKind.choices)
    body = models.JSONField()
    by = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    objects = DirectiveQuerySet.as_manager()

    class Meta:
        verbose_name = _("directive")
        verbose_name_plural = _("directives")
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["agent", "run"],
                name="directive_waiting",
                condition=models.Q(acknowledged_at=None),
            ),
            models.Index(fields=["run", "id"], name="directive_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by}"


class Checkpoint(models.Model):
    """What a run saved to continue from. `version` grows by one with each save."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="checkpoints")
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    state = models.JSONField(null=True)
    saved_at = models.DateTimeField()

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Checkpoint]]

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="checkpoint_has_one_latest")
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
