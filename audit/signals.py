"""What the apps above are asked: to let go of their copies of what is erased, and what belongs to a case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Model
from django.dispatch import Signal

if TYPE_CHECKING:
    from people.models import Person


FORMER = "former-"


@dataclass(frozen=True)
class Redaction:
    """Whose copies go. With `really` they go now, in this transaction; else they are only counted."""

    names: frozenset[str]
    """Subjects, as lines name what they are about: `agents.action:…`, `reviews.hold:…`."""
    ids: tuple[int, ...] = ()
    """Entries."""
    person: Person | None = None
    really: bool = False

    @property
    def alias(self) -> str:
        """What a person who is erased is called from then on."""
        return f"{FORMER}{self.person.pk.hex[-12:]}" if self.person else ""

    def rename(self, *columns: tuple[type[Model], str]) -> None:
        """Put the alias where a column keeps, readably, who it was (`person:ada`)."""
        if self.really and self.person:
            for model, column in columns:
                theirs = model._default_manager.filter(**{column: f"person:{self.person.name}"})
                theirs.update(**{column: f"person:{self.alias}"})

    def of(self, noun: str) -> list[str]:
        """The ids among the subjects of one noun (`agents.action`)."""
        return sorted(name.partition(":")[2] for name in self.names if name.startswith(f"{noun}:"))


redacting = Signal()
"""With `redaction`: each receiver answers how many copies it has, by what people call them (`{"action": 3}`)."""

naming_case = Signal()
"""With `subject` (`agents.action:…`): each receiver answers the names of everything that belongs to that case."""


def redact(redaction: Redaction) -> Counter[str]:
    """Ask every app. What one of them refuses is raised."""
    found: Counter[str] = Counter()
    for _receiver, counted in redacting.send(sender=Redaction, redaction=redaction):
        found.update(counted or {})
    return +found


def names_of_case(subject: str) -> list[str]:
    """Everything that belongs to a case, itself included."""
    found = [subject]
    for _receiver, names in naming_case.send(sender=Redaction, subject=subject):
        found += names or []
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Subject:
    """What an entry about the record itself is about."""

    record_name: str
    record_scope: dict[str, str] = field(default_factory=dict)


HOUSE = Subject("log")
"""The record as a whole."""
