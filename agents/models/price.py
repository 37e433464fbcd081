"""Prices: what tokens of a model cost, and the work of correcting what was priced wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from people.models import Person, Team

from .visible import VisibleQuerySet


class PriceQuerySet(VisibleQuerySet["Price"]):
    def visible_to(self, person: Person) -> Self:
        """The house's, and those of the teams this person watches."""
        if person.watches_everything:
            return self
        return self.filter(Q(team=None) | Q(team_id__in=person.team_ids))


class Price(models.Model):
    """What a million tokens of a model cost in US dollars from a moment on. Rows are added, never changed.

    `name` is a model's name, or the beginning of some with a star behind it (`gpt-4o*`). A row with the
    same team, name and `valid_from` as an earlier one corrects it. Numbers grow in the order of commits,
    so that the highest one is the version of the whole table.
    """

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="prices", null=True, blank=True)
    """None: the house's, for teams that have none of their own for that model."""
    name = models.CharField(max_length=120)
    input = models.DecimalField(max_digits=12, decimal_places=6)
    output = models.DecimalField(max_digits=12, decimal_places=6)
    cached_input = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    """None: as other input."""
    cache_write = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    """None: as other input."""
    withdrawn = models.BooleanField(default=False)
    """From then on this name has no price here."""
    valid_from = models.DateTimeField()
    note = models.CharField(max_length=500, blank=True)
    """Where it was read, or why it was corrected."""
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    objects = PriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["name", "-valid_from", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(input__gte=0, output__gte=0)
                & (Q(cached_input=None) | Q(cached_input__gte=0))
                & (Q(cache_write=None) | Q(cache_write__gte=0)),
                name="price_is_never_negative",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="price_names_a_model"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"agents.price:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id)} if self.team_id else {}


class Repricing(models.Model):
    """What was priced before a price was added is computed anew, agent by agent, in batches.

    `agent` and `action` are the last ones that are done: whoever goes on, goes on after them.
    """

    price = models.OneToOneField(
        Price, models.CASCADE, primary_key=True, related_name="repricing", editable=False
    )
    agent = models.UUIDField(null=True, blank=True)
    action = models.UUIDField(null=True, blank=True)
    looked_at = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    difference = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    """US dollars that it made more (or, below zero, less)."""
    finished_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Repricing]]

    class Meta:
        verbose_name = _("repricing")
        verbose_name_plural = _("repricings")
        indexes = [
            models.Index(
                fields=["price"], name="repricing_under_way", condition=Q(finished_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.changed} of {self.looked_at}"
