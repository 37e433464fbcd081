"""Who may erase from the record, keep it for the law, or say how long it is kept; asked before a verb acts.

The table of who may is the people's app (`people.rules.permissions`), above this one: a person answers for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from .errors import Invalid, Refused

if TYPE_CHECKING:
    from people.models import Person
    from people.rules.permissions import Permission

LONGEST_REASON = 2_000
STEP_UP = "step_up"
SENTENCES = {
    "erase": "Erasing from the record takes an auditor or admin of its team.",
    "legal_hold": "Keeping entries for the law takes an auditor or admin of its team.",
    "retention": "Saying how long the record is kept takes admin of its team.",
}


def check(permission: str, by: Person | str, team: str) -> None:
    """Raise PermissionDenied in words. A text stands for whoever has the machine (`command`); `""` is every team."""
    if isinstance(by, str):
        return
    if not by.may(cast("Permission", permission), UUID(team) if team else None):
        raise PermissionDenied(SENTENCES[permission])


def check_is_fresh(by: Person | str) -> None:
    """Whoever erases has just shown who they are, in this very session. Never by a token."""
    if isinstance(by, str):
        return
    at = by.signed_in_at
    if at is None or timezone.now() - at > settings.WATCHFLOOR_STEP_UP:
        raise Refused("This needs a fresh sign-in. Sign in again, then decide.", code=STEP_UP)


def said(reason: str) -> str:
    """The reason as it is kept. Raises Invalid without one."""
    reason = reason.replace("\0", "").strip()
    if not reason:
        raise Invalid("Say why, for the record.")
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"A reason can be {LONGEST_REASON:,} characters long.")
    return reason


def named(by: Person | str) -> str:
    """Who it was, for a column: by id, so that nothing personal stays in it."""
    return by if isinstance(by, str) else by.record_name
