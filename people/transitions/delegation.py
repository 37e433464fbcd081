"""Out of office: a delegation is given, and ends by itself or is ended"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from audit.errors import Conflict, Invalid, NotFound
from audit.record import record

from ..models import DECIDES, Delegation, Person
from .allowed import Doer, is_own_or_administered

LONGEST = timedelta(days=366)
LONGEST_REASON = 300


@transaction.atomic
def give(
    giver: Person,
    taker: Person,
    *,
    starts_at: datetime,
    ends_at: datetime,
    by: Doer,
    reason: str = "",
) -> Delegation:
    """From start to end the taker decides for the giver."""
    if not isinstance(by, str) and by.pk != giver.pk:
        raise PermissionDenied("Only who is out says who decides for them.")
    now = timezone.now()
    _check_times(starts_at, ends_at, now)
    _check_taker(giver, taker)
    reason = reason.strip()
    if len(reason) > LONGEST_REASON or "\x00" in reason:
        raise Invalid(f"A reason can be {LONGEST_REASON} characters long.")
    delegation = Delegation.objects.create(
        giver=giver, taker=taker, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    record(
        "delegation.given",
        actor=by,
        about=delegation,
        summary=f"{taker} decides for {giver}",
        data={
            "giver": giver.name,
            "taker": taker.name,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "reason": reason,
        },
    )
    return delegation


@transaction.atomic
def end(delegation: Delegation, *, by: Doer) -> Delegation:
    """Take it back, or (who was given it) give it back; admins may, too."""
    found = (
        Delegation.objects.select_for_update(of=("self",))
        .select_related("giver", "taker")
        .filter(pk=delegation.pk)
        .first()
    )
    if found is None or not (
        is_own_or_administered(found.giver, by) or (isinstance(by, Person) and by == found.taker)
    ):
        raise NotFound("There is no such delegation.")
    now = timezone.now()
    if found.ended_at is not None or found.ends_at <= now:
        raise Conflict("This is over already.")
    found.ended_at = now
    found.save(update_fields=["ended_at"])
    record(
        "delegation.ended",
        actor=by,
        about=found,
        summary=f"{found.taker} no longer decides for {found.giver}",
        data={"giver": found.giver.name, "taker": found.taker.name},
    )
    return found


def _check_times(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if ends_at <= starts_at:
        raise Invalid("It must end after it begins.")
    if ends_at <= now:
        raise Invalid("That time is over already.")
    if ends_at - starts_at > LONGEST:
        raise Invalid("It can last a year at most.")


def _check_taker(giver: Person, taker: Person) -> None:
    if giver.pk == taker.pk:
        raise Invalid("Choose somebody else: you cannot stand in for yourself.")
    if not taker.is_active:
        raise Invalid(f"{taker} is switched off.")
    decided = [team for team, role in giver.roles.items() if role in DECIDES]
    if not decided:
        raise Invalid(f"{giver} decides nothing, so nobody needs to stand in.")
    # Seeing is not delegated: somebody of other teams would have a right they could never use.
    if not any(taker.roles if team is None else taker.sees(team) for team in decided):
        raise Invalid(f"{taker} watches none of the teams that {giver} decides for.")
