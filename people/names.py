"""Names for the record, which knows people by id."""

from __future__ import annotations

from uuid import UUID

from audit import names

from .models import Person


def names_of(ids: list[str]) -> dict[str, str]:
    found = Person.objects.filter(pk__in=[pk for text in ids if (pk := _uuid(text))])
    return {str(pk): name for pk, name in found.values_list("pk", "name")}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


names.tellers["person"] = names_of
