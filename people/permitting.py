"""What verbs ask before they act: may this person, and did they say why."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied

from audit.errors import Invalid

from .models import Person
from .rules.permissions import DANGEROUS, Permission, refusal

LONGEST_REASON = 2_000


def check(permission: Permission, by: Person | str, team_id: UUID | None) -> None:
    """Raise PermissionDenied in words. A text stands for whoever has the machine (`command`)."""
    if isinstance(by, Person) and not by.may(permission, team_id):
        raise PermissionDenied(refusal(permission))


def said(permission: Permission, reason: str) -> str:
    """The reason as it is kept; raises Invalid where a dangerous deed has none."""
    reason = reason.replace("\0", "").strip()
    if not reason and permission in DANGEROUS:
        raise Invalid("Say why, for the record.")
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"A reason can be {LONGEST_REASON:,} characters long.")
    return reason
