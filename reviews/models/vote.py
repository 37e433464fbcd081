"""Votes: who said yes to which state of a request. And what people tell each other about it."""

from __future__ import annotations

from typing import Self

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id
from people.models import Person

from .hold import Hold


class VoteQuerySet(models.QuerySet["Vote"]):
    def standing(self) -> Self:
        """Not dismissed: they count."""
        return self.filter(dismissed_at=None)


class Vote(models.Model):
    """One person's yes to one revision of a request. Dismissed when the request changes, never deleted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    hold = models.ForeignKey(Hold, models.PROTECT, related_name="votes")
    person = models.ForeignKey(Person, models.PROTECT, related_name="votes", db_index=False)
    seat = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False)
    """Whose right was used: the person's own, or that of somebody they stand in for."""
    revision = models.PositiveIntegerField()
    digest = models.BinaryField(max_length=32)
    """SHA-256 of what they said yes to: agent, run, tool, arguments, policy version."""
    note = models.TextField(blank=True)
    at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True, blank=True)

    objects = VoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["hold", "person"],
                condition=models.Q(dismissed_at=None),
                name="person_votes_once",
            ),
            models.UniqueConstraint(
                fields=["hold", "seat"],
                condition=models.Q(dismissed_at=None),
                name="seat_votes_once",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="votes_stay", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.person} for revision {self.revision}"

    @property
    def is_for_another(self) -> bool:
        return self.person_id != self.seat_id


class Comment(models.Model):
    """What a person tells the others about a hold. Agents never read it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    hold = models.ForeignKey(Hold, models.PROTECT, related_name="comments")
    author = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"
