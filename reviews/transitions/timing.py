"""open → expired, and what the clock does before: reminders, escalation; people may extend"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models import Action
from agents.transitions import action as actions
from audit.errors import Conflict, Invalid
from audit.record import record
from people.models import Calendar, Person
from people.rules.calendar import Hours, add_working, at_share

from .. import signals
from ..models import Hold, HoldKind, HoldState
from . import seating
from .locking import lock, locked, required
from .opening import close, queue_of, ring_hold

HALF = 0.5
REST = 0.8
"""From half of the time to nine tenths of it."""
LONGEST_EXTENSION = timedelta(days=30)
USUAL = timedelta(hours=24)


@transaction.atomic
def expire(hold: Hold) -> Hold:
    """Nobody answered in time: it goes where policy says, once, and then the answer is no. Twice is harmless."""
    hold = locked(hold)
    if not hold.is_open or not hold.is_overdue(timezone.now()):
        return hold
    if hold.requirement.otherwise == "escalate" and hold.escalated_at is None:
        return moved(
            hold, hold.requirement.escalate_to, by="clock", note="Nobody answered in time."
        )
    if hold.kind == HoldKind.APPROVAL and hold.action is not None:
        actions.expire(hold.action)
    return close(hold, HoldState.EXPIRED, by="clock", note="Nobody answered in time.")


@transaction.atomic
def remind(hold: Hold) -> Hold:
    """Half of the time is over, or nine tenths: say so. Twice is harmless."""
    hold = locked(hold)
    now = timezone.now()
    due = hold.remind_at is not None and hold.remind_at <= now
    if not hold.is_open or hold.is_frozen or not due or hold.expires_at is None:
        return hold
    if hold.is_overdue(now):  # the clock was late, too: what is left is to say that it is over
        return hold
    assert hold.remind_at is not None
    hold.reminders += 1
    half_over = hold.reminders % 2 == 1
    next_one = at_share(hold.remind_at, hold.expires_at, REST, hours_of(hold))
    hold.remind_at = next_one if half_over else None
    hold.save(update_fields=["reminders", "remind_at"])
    share = 50 if half_over else 90
    record(
        "hold.reminded",
        actor="clock",
        about=hold,
        summary=f"{share} % of the time to answer is over.",
        data={"title": hold.title, "share": share, "expires_at": hold.expires_at.isoformat()},
    )
    signals.hold_reminded.send(Hold, hold=hold, share=share)
    ring_hold(hold)
    return hold


@transaction.atomic
def extend(hold: Hold | UUID, *, by: Person, until: datetime, note: str = "") -> Hold:
    """Give it more time."""
    hold = lock(hold, by=by)
    now = timezone.now()
    if hold.expires_at is None:
        raise Conflict("This has no deadline.")
    if until <= hold.expires_at + stood_still(hold, now):
        raise Invalid("That is no later than the deadline it has.")
    if until > now + LONGEST_EXTENSION:
        raise Invalid(f"A deadline can be at most {LONGEST_EXTENSION.days} days away.")
    before = hold.expires_at
    set_deadline(hold, until, now)
    record(
        "hold.extended",
        actor=by,
        about=hold,
        summary=note,
        data=told(hold, by),
        before={"expires_at": before.isoformat()},
        after={"expires_at": until.isoformat()},
    )
    ring_hold(hold)
    return hold


@transaction.atomic
def escalate(hold: Hold | UUID, *, by: Person, queue: str = "", note: str) -> Hold:
    """Hand it to those who watch another queue: where policy says, or the one named."""
    hold = lock(hold, by=by)
    why = required(note, "Say why: those who get it read it.")
    to = queue.strip() or hold.requirement.escalate_to
    if not to:
        raise Invalid("Name the queue it should go to.")
    if len(to) > 80:
        raise Invalid("A queue's name has at most 80 characters.")
    return moved(hold, to, by=by, note=why)


def moved(hold: Hold, queue: str, *, by: Person | str, note: str) -> Hold:
    """Into another queue, its time begun anew."""
    now = timezone.now()
    before, hold.queue = hold.queue, queue_of(hold.agent.team, queue)
    hold.escalated_at = now
    hold.claimed_by = hold.claimed_until = None
    hold.save(update_fields=["queue", "escalated_at", "claimed_by", "claimed_until"])
    if hold.expires_at is not None:
        within = hold.requirement.within or USUAL
        set_deadline(hold, add_working(now, within, hours_of(hold)), now)
    record(
        "hold.escalated",
        actor=by,
        about=hold,
        summary=note,
        data=told(hold, by),
        before={"queue": before.name},
        after={"queue": hold.queue.name},
    )
    signals.hold_escalated.send(Hold, hold=hold, before=before.name, why=note)
    ring_hold(hold)
    return hold


def told(hold: Hold, by: Person | str) -> dict[str, Any]:
    giver = seating.giver_of(hold, by)
    return {"title": hold.title} | ({"seat": str(giver)} if giver else {})


def set_deadline(hold: Hold, until: datetime, now: datetime) -> None:
    """A new deadline, also for its action, with reminders before it. A frozen one stands still from now."""
    hold.expires_at = until
    hold.frozen_at = now if hold.is_frozen else None
    hold.remind_at = at_share(now, until, HALF, hours_of(hold))
    hold.reminders = 0
    hold.save(update_fields=["expires_at", "frozen_at", "remind_at", "reminders"])
    if hold.action is not None and hold.kind == HoldKind.APPROVAL:
        Action.objects.filter(pk=hold.action.pk).update(expires_at=until)


def stood_still(hold: Hold, now: datetime) -> timedelta:
    """By how much its deadline would move on if its agent ran again now."""
    return now - hold.frozen_at if hold.frozen_at else timedelta(0)


def hours_of(hold: Hold) -> Hours | None:
    """The hours its clock runs in; None: always."""
    if not hold.requirement.working_time:
        return None
    return Calendar.objects.hours_of(hold.team_id)
