"""open → decided | expired | cancelled; claimed by one person at a time, with a lease

All verbs of a hold can be had from here; voting, time and the answers to stops have files of their own.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models.action import Decision
from agents.models.run import DirectiveKind
from agents.transitions import action as actions
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record
from audit.trips import last_trip
from people.models import Person

from ..models import Comment, Hold, HoldDecision, HoldKind
from ..models.hold import CLAIM_LEASE
from . import seating
from .locking import LONGEST_NOTE, decide, lock, locked, required
from .opening import ring_hold
from .stops import modify, resume, tell, terminate
from .timing import escalate, expire, extend, remind
from .voting import approve, edit

__all__ = [
    "answer",
    "approve",
    "ask",
    "claim",
    "comment",
    "discard",
    "edit",
    "escalate",
    "expire",
    "extend",
    "modify",
    "reject",
    "release",
    "remind",
    "resolve",
    "resume",
    "retry",
    "terminate",
]

LONGEST_TOLD = 16 * 1024
"""Characters of JSON."""


@transaction.atomic
def reject(hold: Hold | UUID, *, by: Person, note: str) -> Hold:
    """Refuse; the agent's model reads the note."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    actions.reject(hold.action, by=by, message=required(note, "Say why: the agent reads it."))
    with last_trip():
        return decide(hold, HoldDecision.REJECTED, by=by, note=note)


@transaction.atomic
def answer(hold: Hold | UUID, *, by: Person, note: str) -> Hold:
    """Answer in words instead of letting it happen; the agent's model reads them."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    words = required(note, "Write the answer the agent should read.")
    actions.reject(hold.action, by=by, message=words, decision=Decision.ANSWERED)
    with last_trip():
        return decide(hold, HoldDecision.ANSWERED, by=by, note=note)


@transaction.atomic
def ask(hold: Hold | UUID, *, by: Person, note: str) -> Hold:
    """Ask the agent something first; its model reads the question and asks again, with a new version."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    question = required(note, "Write the question the agent should read.")
    actions.reject(hold.action, by=by, message=question, decision=Decision.ASKED)
    with last_trip():
        return decide(hold, HoldDecision.ASKED, by=by, note=note)


@transaction.atomic
def comment(hold: Hold | UUID, *, by: Person, text: str) -> Comment:
    """Tell the others something about it; whoever sees it may. Agents never read comments."""
    hold = locked(hold)
    if not by.sees(hold.team_id):
        raise NotFound("There is no such hold.")
    text = required(text, "Write what the others should read.").strip()
    if len(text) > LONGEST_NOTE:
        raise Invalid(f"A comment may have {LONGEST_NOTE:,} characters.")
    said = Comment.objects.create(hold=hold, author=by, text=text)
    record("hold.commented", actor=by, about=hold, summary=text, data={"title": hold.title})
    ring_hold(hold)
    return said


@transaction.atomic
def resolve(
    hold: Hold | UUID, *, by: Person, note: str = "", payload: dict[str, Any] | None = None
) -> Hold:
    """The person did the work, or settled how it ended; the agent is told."""
    hold = lock(hold, by=by, kind=HoldKind.REVIEW)
    if payload is not None:
        if not isinstance(payload, dict):
            raise Invalid("The payload must be an object.")
        hold.payload = payload
        hold.save(update_fields=["payload"])
    if hold.action is not None:
        actions.clear_up(hold.action, happened=True, by=by, note=note)
    return answered(hold, HoldDecision.RESOLVED, by=by, note=note)


@transaction.atomic
def retry(hold: Hold | UUID, *, by: Person, note: str = "") -> Hold:
    """Send the work back: the agent should try again."""
    hold = lock(hold, by=by, kind=HoldKind.REVIEW)
    if hold.action is not None:
        actions.clear_up(hold.action, happened=False, by=by, note=note)
    return answered(hold, HoldDecision.RETRIED, by=by, note=note)


@transaction.atomic
def discard(hold: Hold | UUID, *, by: Person, note: str = "") -> Hold:
    """Nobody needs to do this work."""
    hold = lock(hold, by=by, kind=HoldKind.REVIEW)
    if hold.action is not None:
        actions.clear_up(hold.action, happened=False, by=by, note=note)
    return answered(hold, HoldDecision.DISCARDED, by=by, note=note)


@transaction.atomic
def claim(hold: Hold | UUID, *, by: Person) -> Hold:
    """Take it, for ten minutes; others see who has it and can still decide in an emergency after that."""
    hold = lock(hold, by=by)
    now = timezone.now()
    if hold.is_claimed_by_other(by, now):
        raise Conflict(f"{hold.claimed_by} has this.")
    before = holder(hold)
    hold.claimed_by, hold.claimed_until = by, now + CLAIM_LEASE
    hold.save(update_fields=["claimed_by", "claimed_until"])
    tell_claim("claimed", hold, by=by, before=before)
    ring_hold(hold)
    return hold


@transaction.atomic
def release(hold: Hold | UUID, *, by: Person) -> Hold:
    """Give a claimed hold back to everybody."""
    hold = lock(hold, by=by)
    if hold.is_claimed_by_other(by):
        raise Conflict(f"{hold.claimed_by} has this.")
    before = holder(hold)
    hold.claimed_by = hold.claimed_until = None
    hold.save(update_fields=["claimed_by", "claimed_until"])
    tell_claim("released", hold, by=by, before=before)
    ring_hold(hold)
    return hold


def holder(hold: Hold) -> dict[str, Any]:
    return {"claimed_by": str(hold.claimed_by_id) if hold.claimed_by_id else None}


def tell_claim(what: str, hold: Hold, *, by: Person, before: dict[str, Any]) -> None:
    facts = {"title": hold.title}
    if giver := seating.giver_of(hold, by):
        facts["seat"] = str(giver)
    now = holder(hold)
    record(f"hold.{what}", actor=by, about=hold, data=facts, before=before, after=now)


def answered(hold: Hold, decision: HoldDecision, *, by: Person, note: str) -> Hold:
    """Decide a review and tell the agent."""
    decide(hold, decision, by=by, note=note)
    body = {
        "review_id": str(hold.pk),
        "key": hold.key,
        "decision": str(decision),
        "note": note,
        "payload": hold.payload if small(hold.payload) else None,
    }
    tell(hold, DirectiveKind.REVIEW, body, by)
    return hold


def small(payload: Any) -> bool:
    """Whether it may travel with every answer until it is acknowledged; else the agent reads the review."""
    return len(json.dumps(payload)) <= LONGEST_TOLD
