"""Delegation: while somebody is out of office, somebody else decides for them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id

from .person import Person


class DelegationQuerySet(models.QuerySet["Delegation"]):
    def current(self, now: datetime) -> Self:
        return self.filter(starts_at__lte=now, ends_at__gt=now, ended_at=None)

    def not_over(self, now: datetime) -> Self:
        """Current, or still to come."""
        return self.filter(ends_at__gt=now, ended_at=None)


class Delegation(models.Model):
    """From start to end the taker may decide what the giver may, in the giver's seat.

    The taker still sees only what their own teams own, and cannot pass it on.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    giver = models.ForeignKey(Person, models.CASCADE, related_name="delegations_given")
    taker = models.ForeignKey(Person, models.CASCADE, related_name="delegations_taken")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    """Taken back early."""

    objects = DelegationQuerySet.as_manager()

    class Meta:
        verbose_name = _("delegation")
        verbose_name_plural = _("delegations")
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(giver=models.F("taker")), name="nobody_stands_in_for_themselves"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="delegation_ends_after_its_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.taker} for {self.giver}"

    @property
    def record_name(self) -> str:
        return f"people.delegation:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return self.giver.home_scope

    def is_current(self, now: datetime) -> bool:
        return self.ended_at is None and self.starts_at <= now < self.ends_at
