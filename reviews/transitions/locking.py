"""A hold under lock, and who may answer it: what every verb does first and last"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from agents.models import Action, Agent, Run, Trip
from audit.columns import columns, parted
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record, signature_of
from audit.trips import one_trip
from people.models import Person

from ..models import Hold, HoldDecision, HoldKind, HoldState
from . import seating
from .opening import bound, ring_hold

LONGEST_NOTE = 10_000

LOCK_AGENT = """
select 1 from agents_agent a join reviews_hold h on h.agent_id = a.id where h.id = %s
   for no key update of a
"""

LOCKED = f"""
select {columns(Hold, "h")}, {columns(Agent, "a")}, {columns(Run, "r")}, {columns(Action, "x")},
       {columns(Person, "p")}, (select v.policy_version from agents_policies(a.id, a.team_id) v)
  from reviews_hold h
  join agents_agent a on a.id = h.agent_id
  left join agents_run r on r.id = h.run_id
  left join agents_action x on x.id = h.action_id
  left join people_person p on p.id = h.claimed_by_id
 where h.id = %s
   for no key update of h
"""


def lock(
    hold: Hold | UUID,
    *,
    by: Person,
    kind: HoldKind | None = None,
    revision: int | None = None,
    beside_a_claim: bool = False,
) -> Hold:
    """Lock and check: may this person, is it open, does this answer fit. Raises what verbs raise.

    With `revision`, what they answer must still be what they read. `beside_a_claim`: where several
    must say yes, one who has claimed it keeps nobody else from voting.
    """
    hold = locked(hold)
    if not by.sees(hold.team_id):
        raise NotFound("There is no such hold.")
    if not seating.may_answer(hold, by):
        raise PermissionDenied("Your role reads here; deciding is for leads, ops and admins.")
    expect_open(hold)
    if kind is not None and hold.kind != kind:
        raise Invalid(f"That is no answer to this: it is a {hold.get_kind_display().lower()}.")
    if revision is not None and revision != hold.revision:
        raise Conflict(
            f"It changed meanwhile: this is version {hold.revision}. Look again.", code="changed"
        )
    if hold.is_claimed_by_other(by) and not (beside_a_claim and hold.votes_needed > 1):
        raise Conflict(f"{hold.claimed_by} has this.")
    return hold


def expect_open(hold: Hold) -> None:
    if hold.state == HoldState.DECIDED:
        raise Conflict(f"{hold.decider} already {hold.decision} this.")
    if not hold.is_open:
        raise Conflict(f"This was {hold.state} by {hold.decider}: {hold.note}")
    if hold.is_overdue(timezone.now()):
        raise Conflict("This ran out: nobody answered in time.")


def locked(hold: Hold | UUID) -> Hold:
    """Lock the agent, then the hold; read it afresh with what hangs on it.

    Every verb locks the agent first, so nobody else can be at its runs and actions meanwhile.
    """
    pk = hold.pk if isinstance(hold, Hold) else hold
    with connection.cursor() as lock_agent, connection.cursor() as cursor:
        with one_trip():
            lock_agent.execute(LOCK_AGENT, [pk])
            cursor.execute(LOCKED, [pk])
        row = cursor.fetchone()  # within, it would be asked for on a trip of its own
    if row is None:
        raise NotFound("There is no such hold.")
    fresh: Hold
    fresh, agent, run, action, claimer = parted(row, Hold, Agent, Run, Action, Person)
    fresh.agent, fresh.run, fresh.action, fresh.claimed_by = agent, run, action, claimer
    fresh.policy_in_force = row[-1]
    if run is not None:
        run.agent = agent
    if action is not None:
        action.agent, action.run = agent, run
    return fresh


def decide(
    hold: Hold,
    decision: HoldDecision,
    *,
    by: Person | str,
    note: str,
    was_true: bool | None = None,
    data: dict[str, Any] | None = None,
) -> Hold:
    """Close with a decision, and write it down."""
    note = note.replace("\0", "")
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"A note may have {LONGEST_NOTE:,} characters.")
    hold.state, hold.decision = HoldState.DECIDED, decision
    hold.decided_by = signature_of(by)
    hold.decided_at, hold.note = timezone.now(), note
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
    facts: dict[str, Any] = {
        **bound(hold),
        "before": {"state": HoldState.OPEN},
        "after": {"state": hold.state, "decision": decision},
        **(data or {}),
    }
    if "seat" not in facts and (giver := seating.giver_of(hold, by)):
        facts["seat"] = str(giver)
    if was_true is not None:
        facts["was_true"] = was_true
    record(f"hold.{decision}", actor=by, about=hold, summary=note, data=facts)
    ring_hold(hold)
    return hold


def required(text: str, otherwise: str) -> str:
    if not text.strip():
        raise Invalid(otherwise)
    return text
