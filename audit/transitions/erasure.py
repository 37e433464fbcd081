"""What an entry told goes away; that it was there, when, and that it was erased, stays provable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from django.db import connection, transaction

from audit import allowing
from audit.bell import ring
from audit.erasing import Selected
from audit.errors import Conflict, Invalid
from audit.record import record

if TYPE_CHECKING:
    from people.models import Person

AT_ONCE = 5_000
"""Entries that one entry names as erased."""
WRITTEN = "select currval('audit_line_id_seq')"
ERASE = "select audit_erase(%s)"


@dataclass(frozen=True)
class Erased:
    entries: int
    copies: dict[str, int]


@transaction.atomic
def erase(selected: Selected, *, by: Person | str, reason: str, basis: str = "") -> Erased:
    """Delete what these entries told, and the apps' copies of it; the entry says who and why, never what it was.

    `basis` is what obliges to it (“Art. 17 GDPR”). Raises PermissionDenied, Conflict under a legal hold.
    """
    for team in selected.teams or {""}:
        allowing.check("erase", by, team)
    allowing.check_is_fresh(by)
    reason = allowing.said(reason)
    _check_may_go(selected)
    ids = selected.ids
    copies = selected.copies(really=True)
    if not ids and not copies:
        raise Invalid("There is nothing left to erase.")
    gone = 0
    for some in batched(ids, AT_ONCE) if ids else [()]:
        record(
            "record.erased",
            actor=by,
            about=selected,
            data={
                "ids": list(some),
                "count": len(some),
                "scope": selected.scope,
                "reason": reason,
                "basis": basis.strip()[:300],
                "copies": copies if gone == 0 else {},
            },
        )
        gone += _let_go()
    ring("record")
    return Erased(gone, copies)


def _check_may_go(selected: Selected) -> None:
    if holds := selected.holds():
        reasons = "; ".join(f"{hold} ({hold.reason})" for hold in holds[:3])
        raise Conflict(f"A legal hold keeps this: {reasons}. End it first.", code="legal_hold")
    if selected.waits():
        raise Conflict("Some of it has no place in the log yet. Try again in a few seconds.")


def _let_go() -> int:
    """What the entry just written names: by the owner's function, which asks for that entry."""
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        (entry,) = cursor.fetchone()
        cursor.execute(ERASE, [entry])
        return int(cursor.fetchone()[0])
