"""How long payloads are kept, and who said that some may not go: lines and their proofs stay for ever."""

from __future__ import annotations

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id


class Retention(models.Model):
    """For how many whole months payloads of a team's entries are kept, or of every team without a word of its own."""

    team = models.CharField(max_length=36, primary_key=True, blank=True)
    """Its id; empty: the house, for entries of no team and of teams that say nothing themselves."""
    months = models.PositiveSmallIntegerField()
    """After the month in which they were written; 0: for ever."""
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[Retention]]

    class Meta:
        verbose_name = _("retention")
        verbose_name_plural = _("retentions")
        ordering = ["team"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(months__lte=1200), name="retention_is_a_century_at_most"
            )
        ]

    def __str__(self) -> str:
        return spoken(self.months)

    @property
    def record_name(self) -> str:
        return f"audit.retention:{self.team or 'house'}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": self.team}


def spoken(months: int) -> str:
    """
    >>> spoken(0), spoken(1), spoken(24)
    ('for ever', '1 month', '24 months')
    """
    return "for ever" if not months else f"{months} month{'' if months == 1 else 's'}"


class Scope(models.TextChoices):
    """What a legal hold covers."""

    CASE = "case", _("One case")
    RUN = "run", _("A run")
    AGENT = "agent", _("An agent")
    PERSON = "person", _("A person")
    TEAM = "team", _("A team")
    EVERYTHING = "everything", _("Everything")


class LegalHoldQuerySet(models.QuerySet["LegalHold"]):
    def current(self) -> Self:
        return self.filter(ended_at=None)


class LegalHold(models.Model):
    """While it stands, no payload that it covers is erased or expires."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    subject = models.CharField(max_length=200, blank=True)
    """Of what: a name in the record of a case (`agents.action:…`) or a person, else an id; empty: of everything."""
    label = models.CharField(max_length=300, blank=True)
    """How people call it."""
    names = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    """Of a case: everything that belongs to it, as lines name what they are about."""
    reason = models.CharField(max_length=2000)
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=2000, blank=True)

    objects = LegalHoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("legal hold")
        verbose_name_plural = _("legal holds")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["scope"], name="legal_hold_stands", condition=models.Q(ended_at=None)
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=Scope.values), name="legal_hold_scope_is_known"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="legal_hold_has_a_reason"),
            models.CheckConstraint(
                condition=models.Q(scope="everything", subject="")
                | ~models.Q(scope="everything") & ~models.Q(subject=""),
                name="legal_hold_says_of_what",
            ),
        ]

    def __str__(self) -> str:
        scope = str(Scope(self.scope).label)
        return f"{scope}: {self.label or self.subject}" if self.subject else scope

    @property
    def record_name(self) -> str:
        return f"audit.legalhold:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": self.subject} if self.scope == Scope.TEAM else {}

    @property
    def stands(self) -> bool:
        return self.ended_at is None
