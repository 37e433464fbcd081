"""Who may arrange people's affairs. A text stands for whoever has the machine (`command`)."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from audit.errors import Invalid, NotFound

from ..models import Person, Team

type Doer = Person | str

NOT_YOURS = "Your role reads here; leads, ops and admins of the team arrange this."


def check_arranges(team: Team, by: Doer) -> None:
    """Leads, ops and admins arrange their team. Raises NotFound for strangers, PermissionDenied for readers."""
    if isinstance(by, str):
        return
    if not by.sees(team.pk):
        raise NotFound("There is no such team.")
    if not by.decides_for(team.pk):
        raise PermissionDenied(NOT_YOURS)


def is_own_or_administered(person: Person, by: Doer) -> bool:
    return isinstance(by, str) or by.pk == person.pk or by.administers(person)


def worded(text: str, what: str, longest: int) -> str:
    """A name or label as it is kept. Raises Invalid: nothing in it may hide or turn the text around."""
    text = text.strip()
    if not text or len(text) > longest or not text.isprintable():
        raise Invalid(f"{what} has 1 to {longest} visible characters.")
    return text
