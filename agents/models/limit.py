"""Limits of a resource that all agents share, the permits given for it, and how much it was used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Person, Role, Team

from .agent import Agent
from .run import Run
from .visible import VisibleQuerySet


class LimitQuerySet(VisibleQuerySet["Limit"]):
    def visible_to(self, person: Person) -> Self:
        """Those of the teams this person watches, and those of the whole house for everybody in it."""
        if person.watches_everything:
            return self
        if not person.team_ids:
            return self.none()
        return self.filter(models.Q(team__in=person.team_ids) | models.Q(team=None))


def _given(*fields: str) -> models.Q:
    """None of them is empty: PostgreSQL takes a check that is neither true nor false for kept."""
    return models.Q(**{f"{field}__isnull": False for field in fields})


class Limit(models.Model):
    """How often, and by how many at once, a resource may be used. Without a team: by the whole house.

    An agent's team is asked first, then the house. `tat` is GCRA's theoretical arrival time
    (`rules/gcra.py`): until when use is promised already.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(
        Team, models.PROTECT, related_name="limits", null=True, blank=True, db_index=False
    )
    resource = models.CharField(max_length=80)
    count = models.PositiveIntegerField(null=True, blank=True)
    """So many units in `period`; empty: however often."""
    period = models.DurationField(null=True, blank=True)
    burst = models.PositiveIntegerField(null=True, blank=True)
    """So many units at one moment, after a rest."""
    concurrency = models.PositiveIntegerField(null=True, blank=True)
    """So many at once; empty: however many."""
    lease = models.DurationField(null=True, blank=True)
    """How long a place is kept for who neither gives it back nor renews it."""
    tat = models.DateTimeField(null=True, blank=True, editable=False)
    changed_by = models.CharField(max_length=200)
    """As the record names who set it: `person:ada`, `command`."""
    changed_at = models.DateTimeField()

    objects = LimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        ordering = ["resource", "team__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "team"],
                nulls_distinct=False,
                name="resource_has_one_limit_in_a_team",
            ),
            models.CheckConstraint(
                condition=models.Q(count=None, period=None, burst=None)
                | _given("count", "period", "burst")
                & models.Q(count__gt=0, period__gt=timedelta(0), burst__gt=0),
                name="rate_is_whole_and_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(concurrency=None, lease=None)
                | _given("concurrency", "lease")
                & models.Q(concurrency__gt=0, lease__gt=timedelta(0)),
                name="concurrency_is_whole_and_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(count__isnull=False) | models.Q(concurrency__isnull=False),
                name="limit_limits_something",
            ),
        ]

    def __str__(self) -> str:
        return self.resource

    def get_absolute_url(self) -> str:
        return reverse("limit", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"agents.limit:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id)} if self.team_id else {}

    def can_be_changed_by(self, person: Person) -> bool:
        """Whoever writes the team's policy; for the whole house, admins of every team."""
        return may_set(self.team_id, person)


def may_set(team_id: object, person: Person) -> bool:
    """Whether this person may set limits of a team, or (None) of the whole house."""
    if team_id is None:
        return person.roles.get(None) == Role.ADMIN
    return person.edits_policy_for(team_id)  # type: ignore[arg-type]


class Permit(models.Model):
    """Somebody waits for a place (`starts_at` empty), may begin later (booked), or holds a place (a lease).

    A permit that began at once and holds no place is only counted (`LimitUse`), and has no row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    limit = models.ForeignKey(Limit, models.CASCADE, related_name="permits", db_index=False)
    # The agent's and run's rows are not locked as a foreign key would: a verb that holds one for long
    # would stop everybody else who wants the resource.
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="permits", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(
        Run,
        models.CASCADE,
        related_name="permits",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
    )
    units = models.PositiveIntegerField(default=1)
    is_lease = models.BooleanField(default=False)
    """It takes one of the limit's places."""
    asked_at = models.DateTimeField()
    starts_at = models.DateTimeField(null=True, blank=True)
    """Empty while it waits for a place."""
    until = models.DateTimeField()
    """End of the lease; of a booking without one, its beginning; of who waits, when to count them no more."""

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Permit]]

    class Meta:
        verbose_name = _("permit")
        verbose_name_plural = _("permits")
        ordering = ["asked_at", "id"]
        indexes = [
            models.Index(fields=["limit", "until"], name="permit_in_force"),
            models.Index(fields=["until"], name="permit_age"),
        ]

    def __str__(self) -> str:
        return f"{self.limit_id} {self.agent_id}"


class LimitUse(models.Model):
    """How one agent used one limit within one minute (`minute` counts from 1970)."""

    pk = models.CompositePrimaryKey("limit_id", "minute", "agent_id")
    limit = models.ForeignKey(Limit, models.CASCADE, related_name="uses", db_index=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    minute = models.IntegerField()
    granted = models.IntegerField(default=0)
    units = models.BigIntegerField(default=0)
    delayed = models.IntegerField(default=0)
    """Of those granted, how many were told to wait."""
    refused = models.IntegerField(default=0)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[LimitUse]]

    class Meta:
        verbose_name = _("use of a limit")
        verbose_name_plural = _("uses of limits")
        indexes = [models.Index(fields=["minute"], name="limit_use_age")]

    def __str__(self) -> str:
        return f"{self.limit_id} {self.minute}"
