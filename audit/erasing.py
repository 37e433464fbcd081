"""What could be erased, in numbers, before anybody says so: one entry, a case, or what a person did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from . import signals
from .models import LegalHold, Line, Payload, Pending
from .signals import Redaction

if TYPE_CHECKING:
    from people.models import Person

HELD = "select distinct hold from audit_held where id = any(%s)"
_STAYS = Q(kind__startswith="record.") | Q(kind__startswith="log.")
"""Entries about the record itself: without them nobody could say who erased what."""


@dataclass(frozen=True)
class Selected:
    """Entries that belong together. `label` is how people call them."""

    scope: str
    subject: str
    label: str
    lines: QuerySet[Line]
    names: frozenset[str] = frozenset()
    person: Person | None = field(default=None, compare=False)

    @cached_property
    def ids(self) -> list[int]:
        """Entries that still have something to erase, the oldest first."""
        told = Payload.objects.filter(id=OuterRef("pk"), at=OuterRef("at"))
        found = self.lines.exclude(_STAYS).filter(Exists(told)).order_by("pk")
        return list(found.values_list("pk", flat=True))

    @cached_property
    def count(self) -> int:
        """Entries in all, those erased before included."""
        return self.lines.count()

    @cached_property
    def teams(self) -> set[str]:
        return set(self.lines.order_by().values_list("team", flat=True).distinct())

    @property
    def team(self) -> str:
        """The team whose these are; empty when they are of several, or of the house."""
        return next(iter(self.teams)) if len(self.teams) == 1 else ""

    @property
    def record_name(self) -> str:
        return self.subject

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": self.team}

    def holds(self) -> list[LegalHold]:
        """Legal holds that cover any of it: then nothing of it goes."""
        with connection.cursor() as cursor:
            cursor.execute(HELD, [self.ids])
            found = [hold for (hold,) in cursor.fetchall()]
        return list(LegalHold.objects.filter(pk__in=found).order_by("pk"))

    def waits(self) -> bool:
        """Some of it has no place in the log yet, which would lose its proof."""
        return Pending.objects.filter(pk__in=self.ids).exists()

    def copies(self, *, really: bool = False) -> dict[str, int]:
        """What the apps keep of it beside the record; with `really` they let go of it."""
        redaction = Redaction(self.names, tuple(self.ids), self.person, really)
        return dict(signals.redact(redaction))


def of_entry(line: Line) -> Selected:
    """One entry, and the messages that were made of it."""
    return Selected(
        "entry", line.about, f"entry {line.pk}", Line.objects.filter(pk=line.pk), frozenset()
    )


def of_subject(subject: str, names: Iterable[str], label: str) -> Selected:
    """Everything about a case: `names` are all that belongs to it, as lines name what they are about."""
    known = frozenset(names) | {subject}
    return Selected("case", subject, label, Line.objects.filter(about__in=known), known)


def of_person(person: Person) -> Selected:
    """What somebody did, and what was done to them."""
    name = person.record_name
    lines = Line.objects.filter(Q(actor=name) | Q(about=name))
    return Selected("person", name, person.name, lines, frozenset({name}), person)
