"""Who watches: persons, teams and the role a person has in a team."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
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


class PersonManager(BaseUserManager["Person"]):
    def create_person(self, name: str, password: str | None = None, **fields: object) -> Person:
        person = self.model(name=self.model.normalize_username(name), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    """Someone who watches. Signs in by `name`; may do what their roles in teams allow."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(_("name"), max_length=80, unique=True)
    email = models.EmailField(_("e-mail"), blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "name"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"person:{self.name}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {}

    @cached_property
    def roles(self) -> dict[UUID | None, Role]:
        """Role by team id; the key None is a role in every team. Read once per request."""
        return {m.team_id: Role(m.role) for m in self.memberships.all()}

    def remember_roles(self, memberships: str | None) -> None:
        """Take the roles from JSON `[[team id or null, role], …]` that was read with the person."""
        self.roles = {
            UUID(team) if team else None: Role(role)
            for team, role in json.loads(memberships or "[]")
        }

    @property
    def watches_everything(self) -> bool:
        return None in self.roles

    @property
    def team_ids(self) -> list[UUID]:
        """Teams this person has a role in by name; meaningless when they watch everything."""
        return [team for team in self.roles if team is not None]

    def roles_in(self, team_id: UUID) -> set[Role]:
        return {role for team, role in self.roles.items() if team in (None, team_id)}

    def sees(self, team_id: UUID) -> bool:
        return bool(self.roles_in(team_id))

    def decides_for(self, team_id: UUID) -> bool:
        return bool(self.roles_in(team_id) & DECIDES)

    @property
    def reads_record(self) -> bool:
        return bool(set(self.roles.values()) & READS_RECORD)


class Membership(models.Model):
    """A person's role in one team, or (team empty) in every team."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="memberships")
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
