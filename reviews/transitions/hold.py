"""open → decided | expired | cancelled; claimed by one person at a time, with a lease"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Action, Agent, Run, Trip
from agents.models.run import DirectiveKind
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import breaker as breakers
from agents.transitions import run as runs
from audit.columns import columns, parted
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record
from people.models import Person

from ..models import Hold, HoldDecision, HoldKind, HoldState
from ..models.hold import CLAIM_LEASE
from .opening import close, ring_hold

LONGEST_NOTE = 10_000
LONGEST_TOLD = 16 * 1024
"""Characters of JSON."""

LOCK_AGENT = """
select 1 from agents_agent a join reviews_hold h on h.agent_id = a.id where h.id = %s
   for no key update of a
"""

LOCKED = f"""
select {columns(Hold, "h")}, {columns(Agent, "a")}, {columns(Run, "r")}, {columns(Action, "x")},
       {columns(Person, "p")}
  from reviews_hold h
  join agents_agent a on a.id = h.agent_id
  left join agents_run r on r.id = h.run_id
  left join agents_action x on x.id = h.action_id
  left join people_person p on p.id = h.claimed_by_id
 where h.id = %s
   for no key update of h
"""


@transaction.atomic
def approve(hold: Hold | UUID, *, by: Person, note: str = "") -> Hold:
    """Let the agent go ahead with what it proposed."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    actions.approve(hold.action, by=by, message=note)
    return decide(hold, HoldDecision.APPROVED, by=by, note=note)


@transaction.atomic
def edit(hold: Hold | UUID, *, by: Person, arguments: dict[str, Any], note: str = "") -> Hold:
    """Let the agent go ahead, with these arguments instead of its own."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    if not isinstance(arguments, dict):
        raise Invalid("Arguments must be an object.")
    before = hold.action.arguments
    actions.approve(hold.action, by=by, message=note, arguments=arguments)
    return decide(
        hold,
        HoldDecision.EDITED,
        by=by,
        note=note,
        data={"before": before, "after": arguments},
    )


@transaction.atomic
def reject(hold: Hold | UUID, *, by: Person, note: str) -> Hold:
    """Refuse; the agent's model reads the note."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    actions.reject(hold.action, by=by, message=required(note, "Say why: the agent reads it."))
    return decide(hold, HoldDecision.REJECTED, by=by, note=note)


@transaction.atomic
def answer(hold: Hold | UUID, *, by: Person, note: str) -> Hold:
    """Answer in words instead of letting it happen; the agent's model reads them."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL)
    assert hold.action is not None
    words = required(note, "Write the answer the agent should read.")
    actions.reject(hold.action, by=by, message=words, answered=True)
    return decide(hold, HoldDecision.ANSWERED, by=by, note=note)


@transaction.atomic
def resume(hold: Hold | UUID, *, by: Person, note: str = "", was_true: bool | None = None) -> Hold:
    """Let what was paused run again, its breaker on probation."""
    hold = lock(hold, by=by, kind=HoldKind.TRIP)
    decide(hold, HoldDecision.RESUMED, by=by, note=note, was_true=was_true)
    breakers.resume(trip_of(hold), by=by)
    return hold


@transaction.atomic
def modify(
    hold: Hold | UUID,
    *,
    by: Person,
    instruction: str = "",
    state: dict[str, Any] | None = None,
    limit: Decimal | None = None,
    note: str = "",
    was_true: bool | None = None,
) -> Hold:
    """Tell the agent what to do differently, raise a limit, then resume on probation."""
    hold = lock(hold, by=by, kind=HoldKind.TRIP)
    instruction = instruction.strip()
    if not instruction and not state and limit is None:
        raise Invalid("Change something: an instruction, the state or the limit.")
    trip = trip_of(hold)
    if limit is not None and trip.breaker is None:
        raise Invalid("This stop was made by hand; there is no limit to raise.")
    changes = {
        "instruction": instruction,
        "state": state or {},
        "limit": str(limit) if limit is not None else None,
    }
    decide(hold, HoldDecision.MODIFIED, by=by, note=note, was_true=was_true, data=changes)
    if instruction:
        tell(hold, DirectiveKind.INSTRUCTION, {"text": instruction}, by)
    if state:
        tell(hold, DirectiveKind.STATE, state, by)
    if limit is not None:
        tell(hold, DirectiveKind.LIMIT, {"condition": trip.condition, "limit": str(limit)}, by)
    breakers.resume(trip, by=by, limit=limit)
    return hold


@transaction.atomic
def terminate(
    hold: Hold | UUID, *, by: Person, note: str = "", was_true: bool | None = None
) -> Hold:
    """End the paused run, or every run of the paused agent, and cancel what waits.

    The agent itself may start new runs, its breaker on probation.
    """
    hold = lock(hold, by=by, kind=HoldKind.TRIP)
    decide(hold, HoldDecision.TERMINATED, by=by, note=note, was_true=was_true)
    trip = breakers.resume(trip_of(hold), by=by)
    why = note.strip() or f"Terminated by {by}."
    if trip.run is not None:
        runs.terminate(trip.run, by=by, reason=why)
    else:
        agents.end_runs(trip.agent, by=by, reason=why)
    return hold


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
    hold.claimed_by, hold.claimed_until = by, now + CLAIM_LEASE
    hold.save(update_fields=["claimed_by", "claimed_until"])
    record("hold.claimed", actor=by, about=hold)
    ring_hold(hold)
    return hold


@transaction.atomic
def release(hold: Hold | UUID, *, by: Person) -> Hold:
    """Give a claimed hold back to everybody."""
    hold = lock(hold, by=by)
    if hold.is_claimed_by_other(by):
        raise Conflict(f"{hold.claimed_by} has this.")
    hold.claimed_by = hold.claimed_until = None
    hold.save(update_fields=["claimed_by", "claimed_until"])
    record("hold.released", actor=by, about=hold)
    ring_hold(hold)
    return hold


@transaction.atomic
def expire(hold: Hold) -> Hold:
    """Nobody answered in time: the answer is no. Twice is harmless."""
    hold = locked(hold)
    now = timezone.now()
    if not hold.is_open or not hold.is_overdue(now):
        return hold
    if hold.kind == HoldKind.APPROVAL and hold.action is not None:
        actions.expire(hold.action)
    return close(hold, HoldState.EXPIRED, by="clock", note="Nobody answered in time.")


def lock(hold: Hold | UUID, *, by: Person, kind: HoldKind | None = None) -> Hold:
    """Lock and check: may this person, is it open, does this answer fit. Raises what verbs raise."""
    hold = locked(hold)
    if not by.sees(hold.team_id):
        raise NotFound("There is no such hold.")
    if not hold.can_be_decided_by(by):
        raise PermissionDenied("Your role reads here; deciding is for leads, ops and admins.")
    if hold.state == HoldState.DECIDED:
        raise Conflict(f"{hold.decider} already {hold.decision} this.")
    if not hold.is_open:
        raise Conflict(f"This was {hold.state} by {hold.decider}: {hold.note}")
    if hold.is_overdue(timezone.now()):
        raise Conflict("This ran out: nobody answered in time.")
    if kind is not None and hold.kind != kind:
        raise Invalid(f"That is no answer to this: it is a {hold.get_kind_display().lower()}.")
    if hold.is_claimed_by_other(by):
        raise Conflict(f"{hold.claimed_by} has this.")
    return hold


def locked(hold: Hold | UUID) -> Hold:
    """Lock the agent, then the hold; read it afresh with what hangs on it.

    Every verb locks the agent first, so nobody else can be at its runs and actions meanwhile.
    """
    pk = hold.pk if isinstance(hold, Hold) else hold
    with connection.cursor() as cursor:
        cursor.execute(LOCK_AGENT, [pk])
        cursor.execute(LOCKED, [pk])
        row = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such hold.")
    fresh: Hold
    fresh, agent, run, action, claimer = parted(row, Hold, Agent, Run, Action, Person)
    fresh.agent, fresh.run, fresh.action, fresh.claimed_by = agent, run, action, claimer
    if run is not None:
        run.agent = agent
    if action is not None:
        action.agent, action.run = agent, run
    return fresh


def decide(
    hold: Hold,
    decision: HoldDecision,
    *,
    by: Person,
    note: str,
    was_true: bool | None = None,
    data: dict[str, Any] | None = None,
) -> Hold:
    """Close with a decision, and write it down."""
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"A note may have {LONGEST_NOTE:,} characters.")
    hold.state, hold.decision = HoldState.DECIDED, decision
    hold.decided_by, hold.decided_at, hold.note = by.record_name, timezone.now(), note
    hold.claimed_by = hold.claimed_until = None
    with connection.cursor() as cursor:
        cursor.execute(
            """update reviews_hold set state = %s, decision = %s, decided_by = %s, decided_at = %s,
                      note = %s, claimed_by_id = null, claimed_until = null
                where id = %s""",
            [hold.state, hold.decision, hold.decided_by, hold.decided_at, hold.note, hold.pk],
        )
    if was_true is not None and hold.trip_id:
        Trip.objects.filter(pk=hold.trip_id).update(was_true=was_true)
    facts: dict[str, Any] = {"title": hold.title, **(data or {})}
    if was_true is not None:
        facts["was_true"] = was_true
    record(f"hold.{decision}", actor=by, about=hold, summary=note, data=facts)
    ring_hold(hold)
    return hold


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


def tell(hold: Hold, kind: DirectiveKind, body: Any, by: Person) -> None:
    if kind == DirectiveKind.REVIEW and (hold.run is None or not hold.run.is_live):
        newest = hold.agent.runs.live().order_by("-id").first()
        runs.direct(hold.agent, newest, kind=kind, body=body, by=by)
        return
    runs.direct(hold.agent, hold.run, kind=kind, body=body, by=by)


def trip_of(hold: Hold) -> Trip:
    assert hold.trip_id is not None
    return Trip.objects.select_related("breaker").get(pk=hold.trip_id)


def required(text: str, otherwise: str) -> str:
    if not text.strip():
        raise Invalid(otherwise)
    return text
