"""Alerts: what somebody should know now. Silences: what nobody needs to be told for a while."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agents.models import Agent
from agents.models.visible import VisibleQuerySet
from audit.constants import Constant
from audit.ids import new_id
from people.models import Person, Team

from ..rules.alerts import KINDS, SEVERITY_WORDS, Matter, silence_fits
from .channel import OrHouseQuerySet
from .hold import Hold


class AlertState(models.TextChoices):
    FIRING = "firing", _("Firing")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    RESOLVED = "resolved", _("Resolved")


KIND_WORDS = {kind.name: kind.words for kind in KINDS.values()}


class SilenceQuerySet(OrHouseQuerySet["Silence"]):
    def current(self, now: datetime) -> Self:
        return self.filter(until__gt=now, ended_at=None)


class Silence(models.Model):
    """Alerts that are seen on their page and sent nowhere, for a while and for a reason."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(
        Team, models.CASCADE, related_name="+", null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=20, blank=True, choices=KIND_WORDS)
    agent = models.CharField(max_length=200, blank=True)
    """A name or glob; empty: any, also none."""
    severity = models.CharField(max_length=8, choices=SEVERITY_WORDS)
    """At most: nothing graver is silenced."""
    reason = models.CharField(max_length=300)
    by = models.CharField(max_length=200)
    starts_at = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)

    objects = SilenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("silence")
        verbose_name_plural = _("silences")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["until"], name="silence_on", condition=models.Q(ended_at=None))
        ]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="silence_has_a_reason"),
            models.CheckConstraint(
                condition=models.Q(severity__in=SEVERITY_WORDS), name="silence_severity_is_known"
            ),
        ]

    def __str__(self) -> str:
        what = KIND_WORDS.get(self.kind, "Everything")
        return f"{what}{f' of {self.agent}' if self.agent else ''}"

    @property
    def record_name(self) -> str:
        return f"reviews.silence:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id or "")}

    def is_on(self, now: datetime) -> bool:
        return self.ended_at is None and self.until > now

    def fits(self, matter: Matter) -> bool:
        return silence_fits(matter, kind=self.kind, agent=self.agent, most=self.severity)


class AlertQuerySet(VisibleQuerySet["Alert"]):
    def firing(self) -> Self:
        return self.filter(state=Constant(AlertState.FIRING))

    def unresolved(self) -> Self:
        return self.exclude(state=Constant(AlertState.RESOLVED))


class Alert(models.Model):
    """Something somebody should know now, and what is like it: one alert, however often it happened."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(
        Team, models.PROTECT, related_name="alerts", null=True, blank=True, db_index=False
    )
    """Whose; none: the house's own."""
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="alerts", null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=20, choices=KIND_WORDS)
    severity = models.CharField(max_length=8, choices=SEVERITY_WORDS)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=200, blank=True)
    """Where the newest of it is looked at: a path."""
    count = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=AlertState.choices, default=AlertState.FIRING)
    silence = models.ForeignKey(
        Silence, models.SET_NULL, related_name="alerts", null=True, blank=True
    )
    """Nobody is told of it while this is on."""
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    group_until = models.DateTimeField()
    """What is like it and happens before belongs to it."""
    repeat_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["team", "kind", "agent"],
                name="alert_firing_alike",
                condition=models.Q(state="firing"),
            ),
            models.Index(
                fields=["-id"], name="alert_unresolved", condition=~models.Q(state="resolved")
            ),
            models.Index(fields=["team", "-id"], name="alert_of_team"),
            models.Index(
                fields=["repeat_at"],
                name="alert_to_repeat",
                condition=models.Q(state="firing", repeat_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=AlertState.values), name="alert_state_is_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="acknowledged") | models.Q(acknowledged_at__isnull=False),
                name="acknowledged_alert_says_when",
            ),
            models.CheckConstraint(
                condition=models.Q(state="resolved", resolved_at__isnull=False)
                | ~models.Q(state="resolved") & models.Q(resolved_at=None),
                name="resolved_alert_says_when",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("alert", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"reviews.alert:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id or ""), "agent": str(self.agent_id or "")}

    @property
    def matter(self) -> Matter:
        return Matter(self.kind, self.severity, self.agent.name if self.agent else "")

    @property
    def is_firing(self) -> bool:
        return self.state == AlertState.FIRING

    @property
    def is_over(self) -> bool:
        return self.state == AlertState.RESOLVED

    def may_be_acknowledged_by(self, person: Person) -> bool:
        return decides(person, self.team_id)


def decides(person: Person, team: object) -> bool:
    """Whether this person acknowledges and silences; the house's own (None): who decides for every team."""
    from people.models import DECIDES

    if team is None:
        return person.roles.get(None) in DECIDES
    return person.decides_for(team)  # type: ignore[arg-type]


class Occurrence(models.Model):
    """One time that it happened. The last one that is over resolves its alert (`sql/alerts.sql`)."""

    id = models.BigAutoField(primary_key=True)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="occurrences", db_index=False)
    hold = models.ForeignKey(
        Hold, models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    """What waits for a person; when it no longer does, this is over."""
    title = models.CharField(max_length=300)
    link = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=200, blank=True)
    """A name for what is told once only, whoever finds it again."""
    silence = models.ForeignKey(
        Silence, models.SET_NULL, related_name="occurrences", null=True, blank=True
    )
    """What swallowed it."""
    at = models.DateTimeField()
    over_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Occurrence]]

    class Meta:
        verbose_name = _("occurrence")
        verbose_name_plural = _("occurrences")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["alert", "-id"], name="occurrence_of_alert"),
            models.Index(
                fields=["hold"], name="occurrence_waits", condition=models.Q(over_at=None)
            ),
            models.Index(
                fields=["alert"], name="occurrence_not_over", condition=models.Q(over_at=None)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=~models.Q(key=""), name="occurrence_is_told_once"
            )
        ]

    def __str__(self) -> str:
        return self.title
