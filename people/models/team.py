"""Teams own agents and queues; a role in one says what a person may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id


class Team(models.Model):
    """Owns agents and queues. Its members see what it owns, strangers do not know that it exists."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Team]]

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("team", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"team:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.pk)}


class Role(models.TextChoices):
    LEAD = "lead", _("Lead")
    OPS = "ops", _("Ops")
    AUDITOR = "auditor", _("Auditor")
    ADMIN = "admin", _("Admin")
    VIEWER = "viewer", _("Viewer")


DECIDES = frozenset({Role.LEAD, Role.OPS, Role.ADMIN})
"""Roles that answer holds and stop or resume agents; the others read."""

READS_RECORD = frozenset({Role.LEAD, Role.OPS, Role.AUDITOR, Role.ADMIN})
"""Roles that read the record."""


class Membership(models.Model):
    """A person's role in one team, or (team empty) in every team."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey("people.Person", models.CASCADE, related_name="memberships")
    team = models.ForeignKey(
        Team, models.CASCADE, related_name="memberships", null=True, blank=True
    )
    role = models.CharField(max_length=10, choices=Role.choices)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Membership]]

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["person", "team"],
                nulls_distinct=False,
                name="person_has_one_role_in_a_team",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role} in {self.team_id or 'every team'}"
