"""The record as people read it: what happened, who did it, to what. Rows are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from people.models import Person


class EntryQuerySet(models.QuerySet["Entry"]):
    def visible_to(self, person: Person) -> EntryQuerySet:
        """Entries of the teams this person watches; those of no team only for house-wide roles."""
        if person.watches_everything:
            return self
        return self.filter(team__in=[str(pk) for pk in person.team_ids])

    def about(self, subject: str) -> EntryQuerySet:
        return self.filter(about=subject)


class Entry(models.Model):
    """One entry of the append-only record: a line and, unless it was erased, its payload (a view over both).

    `actor` and `about` are text (`person:…`, `agent:…`, `clock`, `reviews.hold:…`), so that the
    record depends on nobody and outlives everybody. `team` is the id of the team that may read it.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))
    kind = models.CharField(max_length=60)
    actor = models.CharField(max_length=200)
    about = models.CharField(max_length=200)
    team = models.CharField(max_length=36, blank=True)
    agent = models.CharField(max_length=36, blank=True)
    run = models.CharField(max_length=36, blank=True)
    summary = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    version = models.SmallIntegerField(default=1)
    source = models.JSONField(default=dict)
    """Where the act came from: channel, address, program, token."""
    is_erased = models.BooleanField(default=False, editable=False)
    """Its payload was erased; the line and its place in the tree stay."""

    objects = EntryQuerySet.as_manager()

    class Meta:
        managed = False
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"

    def facts(self) -> dict[str, Any]:
        """The parts a reader sees, for export."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "actor": self.actor,
            "about": self.about,
            "summary": self.summary,
            "data": self.data,
        }
