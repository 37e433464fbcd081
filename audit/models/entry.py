"""The record: what happened, who did it, to what. Rows are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pgtrigger
from django.db import models
from django.db.models.functions import Now
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
    """One line of the append-only record.

    `actor` and `about` are text (`person:ada`, `agent:…`, `clock`, `reviews.hold:…`), so that the
    record depends on nobody and outlives everybody. `team` is the id of the team that may read it.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=60)
    actor = models.CharField(max_length=200)
    about = models.CharField(max_length=200)
    team = models.CharField(max_length=36, blank=True)
    agent = models.CharField(max_length=36, blank=True)
    run = models.CharField(max_length=36, blank=True)
    summary = models.TextField(blank=True)
    data = models.JSONField(default=dict)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["about", "-id"], name="entry_about"),
            models.Index(fields=["team", "-id"], name="entry_team"),
            models.Index(fields=["run", "-id"], name="entry_run", condition=~models.Q(run="")),
            models.Index(fields=["agent", "-id"], name="entry_agent"),
            models.Index(fields=["kind", "-id"], name="entry_kind"),
            models.Index(
                fields=["actor", "-id"],
                name="entry_person",
                condition=models.Q(actor__startswith="person:"),
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="entries_are_only_added", operation=pgtrigger.Update | pgtrigger.Delete
            ),
            pgtrigger.Trigger(
                name="entries_are_not_truncated",
                operation=pgtrigger.Truncate,
                when=pgtrigger.Before,
                level=pgtrigger.Statement,
                func="raise exception 'entries are only added';",
            ),
        ]

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
