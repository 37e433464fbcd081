"""What an entry is made of: its line, which is hashed and stays, and its payload, which may be erased."""

from __future__ import annotations

from django.db import models
from django.db.models import Func


class Line(models.Model):
    """The facts of an entry that are hashed into the log. Only ever inserted, and never by the ORM."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Func(function="clock_timestamp"))
    kind = models.CharField(max_length=60)
    version = models.SmallIntegerField(db_default=1)
    """Of the kind's fields; 0 is what was written before kinds were declared."""
    actor = models.CharField(max_length=200)
    about = models.CharField(max_length=200)
    team = models.CharField(max_length=36, blank=True)
    agent = models.CharField(max_length=36, blank=True)
    run = models.CharField(max_length=36, blank=True)

    class Meta:
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

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"


class Payload(models.Model):
    """What an entry tells beyond its line, exactly as committed to; partitioned by month, deleted as a whole."""

    pk = models.CompositePrimaryKey("id", "at")
    id = models.BigIntegerField()
    at = models.DateTimeField()
    salt = models.UUIDField(db_default=Func(function="gen_random_uuid"))
    body = models.TextField()

    def __str__(self) -> str:
        return f"payload of {self.id}"


class Pending(models.Model):
    """A line that has no place in the tree yet. The writer adds it, the sequencer takes it away."""

    id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return f"line {self.id}"
