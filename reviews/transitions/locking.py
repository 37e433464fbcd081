"""A hold under lock, and who may answer it: what every verb does first and last"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from agents.models import Action, Agent, Run, Trip
from audit.columns import Part, columns, parted
from audit.errors import Conflict, Invalid, NotFound
from audit.record import Note, entry, noted, signature_of
from audit.trips import one_trip
from audit.written import Statement, send
from people.models import Person

from ..models import Hold, HoldDecision, HoldKind, HoldState
from . import seating
from .opening import bound, ring_hold

LONGEST_NOTE = 10_000

LOCK_AGENT = """
select 1 from agents_agent a join reviews_hold h on h.agent_id = a.id where h.id = %(hold)s
   for no key update of a
"""
LOCK_AGENT_AT_ONCE = f"{LOCK_AGENT} nowait"

WHOLE = (Part(Hold, "h"), Part(Agent, "a"), Part(Run, "r"), Part(Action, "x"), Part(Person, "p"))
PLAIN = (
    Part(
        Hold,
        "h",
        (
            *("id", "kind", "team_id", "agent_id", "run_id", "action_id", "trip_id", "title"),
            *("state", "claimed_by_id", "claimed_until", "expires_at", "frozen_at"),
            *("revision", "candidate", "votes_needed", "decision", "decided_by", "note"),
        ),
    ),
    Part(Agent, "a", ("id", "team_id")),
    Part(Run, "r", ("id",)),
    Part(
        Action,
        "x",
        (
            *("id", "agent_id", "run_id", "call_id", "tool", "arguments", "digest"),
            *("approval_digest", "policy_version", "on_behalf_of", "state", "requirement"),
        ),
    ),
    Part(Person, "p", ("id", "name")),
)
"""What a plain yes looks at, and what refuses it: see `voting.plain_yes`."""


def reading(parts: Sequence[Part]) -> str:
    """The hold `%(hold)s` under lock, with what hangs on it."""
    return f"""
select {", ".join(columns(*part[:2], *part.names) for part in parts)},
       (select v.policy_version from agents_policies(a.id, a.team_id) v)
  from reviews_hold h
  join agents_agent a on a.id = h.agent_id
  left join agents_run r on r.id = h.run_id
  left join agents_action x on x.id = h.action_id
  left join people_person p on p.id = h.claimed_by_id
 where h.id = %(hold)s
   for no key update of h
"""


LOCKED = reading(WHOLE)

CLOSE = """
update reviews_hold
   set state = %(state)s, decision = %(decision)s, decided_by = %(by)s, decided_at = %(at)s, note = %(note)s,
       claimed_by_id = null, claimed_until = null
 where id = %(hold)s
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
    fresh = locked(hold)
    check(fresh, by=by, kind=kind, revision=revision, beside_a_claim=beside_a_claim)
    return fresh


def check(
    hold: Hold,
    *,
    by: Person,
    kind: HoldKind | None = None,
    revision: int | None = None,
    beside_a_claim: bool = False,
) -> None:
    """See `lock`; the hold is locked."""
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
            lock_agent.execute(LOCK_AGENT, {"hold": pk})
            cursor.execute(LOCKED, {"hold": pk})
        row = cursor.fetchone()  # within, it would be asked for on a trip of its own
    return found(row)


def found(row: Sequence[Any] | None, parts: Sequence[Part] = WHOLE) -> Hold:
    """The hold that was read. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such hold.")
    fresh: Hold
    fresh, agent, run, action, claimer = parted(row, *parts)
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
    closing, told = closed(hold, decision, by=by, note=note, was_true=was_true, data=data)
    send(closing)
    if was_true is not None and hold.trip_id:
        Trip.objects.filter(pk=hold.trip_id).update(was_true=was_true)
    send(entry(told))
    ring_hold(hold)
    return hold


def closed(
    hold: Hold,
    decision: HoldDecision,
    *,
    by: Person | str,
    note: str,
    was_true: bool | None = None,
    data: dict[str, Any] | None = None,
) -> tuple[Statement, Note]:
    """What `decide` writes: the hold's change, and its entry."""
    note = note.replace("\0", "")
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"A note may have {LONGEST_NOTE:,} characters.")
    hold.state, hold.decision = HoldState.DECIDED, decision
    hold.decided_by = signature_of(by)
    hold.decided_at, hold.note = timezone.now(), note
    hold.claimed_by = hold.claimed_until = None
    closing = {
        "state": hold.state,
        "decision": hold.decision,
        "by": hold.decided_by,
        "at": hold.decided_at,
        "note": hold.note,
        "hold": hold.pk,
    }
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
    told = noted(f"hold.{decision}", actor=by, about=hold, summary=note, data=facts)
    return (CLOSE, closing), told


def required(text: str, otherwise: str) -> str:
    if not text.strip():
        raise Invalid(otherwise)
    return text
