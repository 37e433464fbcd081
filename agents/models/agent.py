"""Agents, the keys they call with and the versions that were deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Team

from .visible import OfAgentQuerySet, VisibleQuerySet, scope_of


class AgentState(models.TextChoices):
    ACTIVE = "active", _("Active")
    PAUSED = "paused", _("Paused")
    RETIRED = "retired", _("Retired")


PRODUCTION = "production"


class AgentQuerySet(VisibleQuerySet["Agent"]):
    def living(self) -> Self:
        return self.exclude(state=AgentState.RETIRED)


class Agent(models.Model):
    """A registered program, owned by a team. What it may do is said by its policy and its team's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="agents")
    name = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=AgentState.choices, default=AgentState.ACTIVE)
    state_reason = models.TextField(blank=True)
    environment = models.CharField(max_length=40, default=PRODUCTION)
    """Where it acts, as people say it; policies may depend on it, so the agent itself cannot set it."""
    control_version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AgentQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="agent_name_is_free_in_its_team"),
            models.CheckConstraint(
                condition=models.Q(state__in=AgentState.values), name="agent_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("agent", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"agent:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self)

    @property
    def is_paused(self) -> bool:
        return self.state == AgentState.PAUSED

    @property
    def is_retired(self) -> bool:
        return self.state == AgentState.RETIRED


class AgentKeyQuerySet(OfAgentQuerySet["AgentKey"]):
    def working(self) -> Self:
        return self.filter(revoked_at=None)


class AgentKey(models.Model):
    """A key an agent calls with. Only its SHA-256 is kept; the prefix lets people tell keys apart."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=12)
    hash = models.BinaryField(unique=True, max_length=32)
    label = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AgentKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent key")
        verbose_name_plural = _("agent keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def record_name(self) -> str:
        return f"agents.key:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent)


class AgentVersion(models.Model):
    """What was deployed: a label, by whom, with which tools and model."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    label = models.CharField(max_length=80)
    tools = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    model = models.CharField(max_length=120, blank=True)
    deployed_by = models.CharField(max_length=120, blank=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[AgentVersion]]

    class Meta:
        verbose_name = _("agent version")
        verbose_name_plural = _("agent versions")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["agent", "label"], name="version_label_is_free")
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def record_name(self) -> str:
        return f"agents.version:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent)
