"""What the record is searched by. Nothing is proved by it: it is made of the log, and can be made again."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVectorField
from django.db import models


class Text(models.Model):
    """The words of one entry; partitioned by month, and gone with its payload."""

    pk = models.CompositePrimaryKey("line", "at")
    line = models.BigIntegerField()
    at = models.DateTimeField()
    words = SearchVectorField()

    def __str__(self) -> str:
        return f"words of {self.line}"


class Indexed(models.Model):
    """How far the words of the log have been read: the index of the next leaf. One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    next = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"words up to {self.next}"
