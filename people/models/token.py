"""Personal tokens: how people and their scripts use the operators' API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id

from .person import Person

LONGEST_LIFE = timedelta(days=366)
NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    READ = "read", _("Read")
    DECIDE = "decide", _("Read and decide")


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    def working(self, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=now)


class PersonalToken(models.Model):
    """A token that acts as its person, within its scopes. Only its SHA-256 is kept; it ends by itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="tokens")
    prefix = models.CharField(max_length=12)
    hash = models.BinaryField(unique=True, max_length=32)
    label = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    """To the minute."""
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonalTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("personal token")
        verbose_name_plural = _("personal tokens")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scopes__len__gt=0)
                & models.Q(scopes__contained_by=list(Scope.values)),
                name="token_has_known_scopes",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__lte=models.F("created_at") + LONGEST_LIFE),
                name="token_ends_within_a_year",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def record_name(self) -> str:
        return f"people.token:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return self.person.home_scope

    @property
    def decides(self) -> bool:
        return Scope.DECIDE in self.scopes

    def is_over(self, now: datetime) -> bool:
        return self.expires_at <= now

    def is_use_worth_noting(self, now: datetime) -> bool:
        return self.last_used_at is None or now - self.last_used_at >= NOTED_EVERY
