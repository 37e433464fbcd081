"""Who watches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from audit.record import Signature

from ..rules import permissions
from ..rules.permissions import Permission
from .team import DECIDES, READS_RECORD, Role

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from .delegation import Delegation
    from .token import PersonalToken


@dataclass(frozen=True)
class Arrangement:
    """At present the giver's decisions may be made by the taker."""

    giver_id: UUID
    giver: str
    taker_id: UUID
    taker: str
    ends_at: datetime


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

    signed_in_at: datetime | None = None
    """When they last showed who they are, in this session. An API token never does."""

    via: str = ""
    """What they act through when it is not a page, as the record keeps it: `people.token:…`."""

    USERNAME_FIELD = "name"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[PersonManager] = PersonManager()

    if TYPE_CHECKING:
        delegations_given: RelatedManager[Delegation]
        delegations_taken: RelatedManager[Delegation]
        tokens: RelatedManager[PersonalToken]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        """Never the name: what is hashed into the record could not be erased."""
        return f"person:{self.pk}"

    @property
    def signature(self) -> Signature:
        """As other columns keep, readably, who it was."""
        return Signature(f"person:{self.name}", record_name=self.record_name)

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
    def home_scope(self) -> dict[str, str]:
        """Where entries about their own affairs belong: in their team, or house-wide when that is not one."""
        return (
            {}
            if len(self.roles) != 1 or self.watches_everything
            else {"team": str(self.team_ids[0])}
        )

    @cached_property
    def arrangements(self) -> tuple[Arrangement, ...]:
        """Who stands in for whom at present, where one of the two is this person. Read once per request."""
        from .delegation import Delegation

        of_mine = models.Q(giver=self) | models.Q(taker=self)
        found = Delegation.objects.filter(of_mine).current(timezone.now())
        return tuple(
            Arrangement(d.giver_id, d.giver.name, d.taker_id, d.taker.name, d.ends_at)
            for d in found.select_related("giver", "taker").order_by("ends_at")
        )

    def remember_arrangements(self, rows: str | None) -> None:
        """Take them from JSON `[[giver id, name, taker id, name, end], …]` that was read with the person."""
        self.arrangements = tuple(
            Arrangement(UUID(giver), name, UUID(taker), other, datetime.fromisoformat(end))
            for giver, name, taker, other, end in json.loads(rows or "[]")
        )

    @property
    def stand_ins(self) -> list[Arrangement]:
        """Who decides for this person at present, because they are out."""
        return [found for found in self.arrangements if found.giver_id == self.pk]

    @property
    def stands_in_for(self) -> list[Arrangement]:
        """For whom this person decides at present."""
        return [found for found in self.arrangements if found.taker_id == self.pk]

    def is_out(self, now: datetime) -> bool:
        """Somebody decides for them."""
        return self.delegations_given.filter(
            starts_at__lte=now, ends_at__gt=now, ended_at=None
        ).exists()

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

    def may(self, permission: Permission, team_id: UUID | None) -> bool:
        """Whether their role lets them; `team_id` is whose it is, None for the whole house."""
        if team_id is None or permission in permissions.EVERYWHERE:
            return permissions.may(permission, {self.roles[None]} if None in self.roles else ())
        return permissions.may(permission, self.roles_in(team_id))

    def administers(self, other: Person) -> bool:
        """Admin of every team, or of all the teams the other has a role in."""
        if self.roles.get(None) == Role.ADMIN:
            return True
        return bool(other.roles) and all(self.roles.get(t) == Role.ADMIN for t in other.roles)

    def edits_policy_for(self, team_id: UUID) -> bool:
        """Whether they may write the rules that they, and everybody in the team, decide under."""
        return self.decides_for(team_id)

    @property
    def reads_record(self) -> bool:
        return bool(set(self.roles.values()) & READS_RECORD)
