"""Policies as data: which actions are allowed, denied, or need whose approval. Versions are never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pgtrigger
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Team

from .agent import Agent
from .visible import OfAgentQuerySet, VisibleQuerySet


class Policy(models.Model):
    """The rules of a team for all of its agents (`agent` empty), or those of one agent.

    `current` is the version in force; none yet means no rules. See `rules/policy/document.py` for
    the shape of a version's document.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="policies", db_index=False)
    agent = models.OneToOneField(
        Agent, models.CASCADE, related_name="policy", null=True, blank=True
    )
    current = models.ForeignKey(
        "PolicyVersion", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    objects = VisibleQuerySet["Policy"].as_manager()

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")
        ordering = ["team__name", "agent__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "agent"], nulls_distinct=False, name="policy_has_one_owner"
            )
        ]

    def __str__(self) -> str:
        return str(self.agent or self.team)

    def get_absolute_url(self) -> str:
        return reverse("policy", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"agents.policy:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id), "agent": str(self.agent_id) if self.agent_id else ""}

    @property
    def document(self) -> dict[str, Any]:
        """What is in force: `{tools, rules}`."""
        if self.current is None:
            return {"rules": []}
        document: dict[str, Any] = self.current.document
        return document


class PolicyVersionQuerySet(VisibleQuerySet["PolicyVersion"]):
    team_path = "policy__team_id"


class PolicyVersion(models.Model):
    """One saved state of a policy: what it said, who saved it and why. PostgreSQL refuses to change it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy = models.ForeignKey(Policy, models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    document = models.JSONField()
    author = models.CharField(max_length=200)
    """As the record names who saved it: `person:ada`, `command`."""
    why = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PolicyVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "number"], name="policy_version_is_numbered")
        ]
        triggers = [
            pgtrigger.Protect(name="policy_versions_stay", operation=pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class ToolSchema(models.Model):
    """What an agent's newest version says a tool takes: a JSON Schema, from which forms are made."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="schemas", db_index=False)
    tool = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    schema = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OfAgentQuerySet["ToolSchema"].as_manager()

    if TYPE_CHECKING:
        _default_manager: ClassVar[models.Manager[ToolSchema]]

    class Meta:
        verbose_name = _("tool schema")
        verbose_name_plural = _("tool schemas")
        constraints = [
            models.UniqueConstraint(fields=["agent", "tool"], name="tool_is_described_once")
        ]

    def __str__(self) -> str:
        return self.tool
