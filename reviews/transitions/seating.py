"""Who may say yes to a request, and in whose seat"""

from __future__ import annotations

import unicodedata
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents.rules.policy.sentences import either
from audit.errors import Refused
from people import step_up
from people.models import Person
from people.rules.permissions import Permission
from people.seats import Seat, seats

from ..models import Hold, HoldKind, Vote


class StepUp(Refused):
    """What is decided here is decided only by who has just shown who they are."""

    code = step_up.CODE


def may_answer(hold: Hold, by: Person) -> bool:
    """Whether any answer to this is theirs: by a role of their own, or in the seat of somebody who is out."""
    if by.decides_for(hold.team_id):
        return True
    return any(seat.decides_for(hold.team_id) for seat in seats(by, timezone.now()))


def may(hold: Hold, by: Person, permission: Permission) -> bool:
    """Whether they may do this to what was stopped: by a role of their own, or in the seat of somebody who is out."""
    if by.may(permission, hold.team_id):
        return True
    return any(seat.may(permission, hold.team_id) for seat in seats(by, timezone.now()))


def giver_of(hold: Hold, by: Person | str) -> UUID | None:
    """In whose seat a person answers who could not by a role of their own; None: in their own."""
    if isinstance(by, str) or by.decides_for(hold.team_id):
        return None
    found = (seat for seat in seats(by, timezone.now()) if seat.decides_for(hold.team_id))
    return next((seat.id for seat in found if seat.id != by.pk), None)


def seat_for(hold: Hold, by: Person) -> Seat | Person:
    """The seat in which this person may say yes. Raises PermissionDenied or StepUp in words."""
    requirement = hold.requirement
    if is_theirs(hold, by):
        raise PermissionDenied("This was asked on your behalf: somebody else must approve it.")
    if requirement.step_up and not step_up.is_fresh(by):
        raise StepUp(step_up.SENTENCE)
    anyone = not requirement.groups and not requirement.people
    if anyone and by.decides_for(hold.team_id):
        return by
    for seat in seats(by, timezone.now()):
        if is_asked(hold, seat) and not is_theirs(hold, seat):
            return seat
    raise PermissionDenied(f"This needs the approval of {who(hold)}.")


def is_asked(hold: Hold, seat: Seat) -> bool:
    """Whether a yes from this seat is one of those that are needed."""
    requirement = hold.requirement
    return seat.decides_for(hold.team_id) and (
        (not requirement.groups and not requirement.people)
        or seat.name in requirement.people
        or seat.is_in(hold.team_id, requirement.groups)
    )


def still_counts(hold: Hold, vote: Vote) -> bool:
    """Whether a yes could still be given: its person is there, and the seat has its right. Being back takes nothing away."""
    own = next((seat for seat in seats(vote.seat, timezone.now()) if seat.id == vote.seat_id), None)
    is_there = vote.person.is_active and vote.person.sees(hold.team_id)
    return is_there and own is not None and is_asked(hold, own)


def obstacle(hold: Hold, by: Person) -> str:
    """Why this person may not say yes, in a sentence; empty when they may."""
    if not may_answer(hold, by):
        return "Your role reads here; deciding is for leads, ops and admins."
    try:
        seat_for(hold, by)
    except (PermissionDenied, StepUp) as refusal:
        return str(refusal)
    return ""


def is_theirs(hold: Hold, person: Person | Seat) -> bool:
    """Nobody decides what was asked for themselves, nor in the seat of whom it was asked for."""
    asked_for = wish_of(hold)
    if not asked_for:
        return False
    if isinstance(person, Seat):
        person = Person.objects.only("name", "email").get(pk=person.id)
    return asked_for in {comparable(name) for name in (person.name, person.email) if name}


def wish_of(hold: Hold) -> str:
    """For whom it was asked, in a form that can be compared: a name or an address, as agents write them."""
    if hold.kind != HoldKind.APPROVAL or hold.action is None:
        return ""
    return comparable(hold.action.on_behalf_of).removeprefix("person:").strip()


def comparable(name: str) -> str:
    """Equal for names that read alike: however letters are composed, and with nothing hidden in them."""
    seen = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).strip()


def who(hold: Hold) -> str:
    """Whose approval counts, in words."""
    requirement = hold.requirement
    named = [f"a member of {group}" for group in requirement.groups] + list(requirement.people)
    return either(named) if named else "a lead, ops or an admin of this team"
