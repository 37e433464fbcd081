"""Opening holds, closing them when what they held is gone, and their standing still while an agent is paused.

Most of this answers signals from the agents' app, inside its transaction and under its locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from agents.models import Action, ActionState, Agent, Run, Trip
from agents.rules.policy import Requirement
from audit.bell import ring
from audit.columns import instance
from audit.errors import Conflict, Invalid
from audit.record import Note, Recordable, noted, record, record_all, signature_of
from audit.trips import one_trip
from audit.written import Statement, insert
from people.models import Calendar, Team
from people.rules.calendar import add_working, at_share, working_between

from .. import signals
from ..models import Hold, HoldKind, HoldState, Queue

APPROVALS = "approvals"
PAUSED = "paused"
UNKNOWN_OUTCOMES = "unknown-outcomes"
UNCLASSIFIED = "unclassified"
OUTCOME = "unknown:"
"""Begins the keys of reviews that the house opens itself; agents may not use it."""
MOST_QUEUES = 100
"""Agents name queues; more of them than this would bury those that people know."""
TITLE = 300


def queue_of(team: Team, name: str, otherwise: str = "") -> Queue:
    """The team's queue of this name, made when it is new; a team that has very many uses `otherwise`."""
    if known := Queue.objects.filter(team=team, name=name).first():
        return known
    if otherwise and Queue.objects.filter(team=team).count() >= MOST_QUEUES:
        name = otherwise
    return Queue.objects.get_or_create(team=team, name=name)[0]


def open_approval(action: Action, *, queue: str) -> Hold:
    """An action waits for a yes. The hold carries the action's id, so that agents know it, too."""
    requirement = Requirement.from_dict(action.requirement or {})
    team = action.agent.team
    hours = Calendar.objects.hours_of(team.pk) if requirement.working_time else None
    return opened(
        Hold(
            id=action.pk,
            kind=HoldKind.APPROVAL,
            queue=queue_of(team, requirement.queue)
            if requirement.queue
            else queue_of(team, queue, APPROVALS),
            votes_needed=requirement.votes,
            remind_at=at_share(action.created_at, action.expires_at, 0.5, hours)
            if action.expires_at
            else None,
            agent=action.agent,
            run=action.run,
            action=action,
            title=title(f"{action.agent} wants to use {action.tool}", action.subject),
            reason=action.reason,
            subject=action.subject,
            amount=action.amount,
            currency=action.currency,
            expires_at=action.expires_at,
        ),
        actor=action.agent,
        summary=action.state_reason,
    )


def open_trip(trip: Trip) -> Hold:
    """An agent or run was paused; somebody must say what now. Deadlines stand still meanwhile."""
    return opened(asking(trip, frozen(trip)), actor=who_stopped(trip), summary=trip.reason)


def asking(trip: Trip, queue: Queue) -> Hold:
    """The question that a stop puts, not written yet."""
    what = f"run {trip.run}" if trip.run else str(trip.agent)
    return Hold(
        id=trip.pk,
        kind=HoldKind.TRIP,
        team_id=trip.agent.team_id,
        queue=queue,
        agent=trip.agent,
        run=trip.run,
        trip=trip,
        title=title(f"{what} is paused", trip.reason),
        reason=trip.reason,
        subject=str(trip.evidence.get("proposal", {}).get("subject", "")),
    )


def who_stopped(trip: Trip) -> str:
    return trip.by or (f"agents.breaker:{trip.breaker_id}" if trip.breaker_id else "clock")


def open_trips(trips: Sequence[Trip]) -> list[Hold]:
    """Many agents were paused by one deed: a question each, in a few statements for all."""
    if not trips:
        return []
    held = Hold.objects.filter(agent__in=[trip.agent_id for trip in trips], trip=None).waiting()
    at = trips[0].opened_at
    held.filter(frozen_at=None, expires_at__gt=at).update(frozen_at=at)
    queues = {trip.agent.team_id: trip.agent.team for trip in trips}
    paused = {pk: queue_of(team, PAUSED) for pk, team in queues.items()}
    made = Hold.objects.bulk_create(
        Hold(
            id=trip.pk,
            kind=HoldKind.TRIP,
            team_id=trip.agent.team_id,
            queue=paused[trip.agent.team_id],
            agent=trip.agent,
            trip=trip,
            title=title(f"{trip.agent} is paused", trip.reason),
            reason=trip.reason,
        )
        for trip in trips
    )
    record_all(opened_by(hold) for hold in made)
    signals.holds_opened.send(Hold, holds=made)
    topics = {"holds", "agents"}
    for hold in made:
        topics |= {f"holds.{hold.team_id}", f"hold.{hold.pk}"}
    ring(*sorted(topics))
    return made


def opened_by(hold: Hold) -> Note:
    trip = hold.trip
    assert trip is not None
    return Note(
        kind="hold.opened",
        actor=trip.by or f"agents.breaker:{trip.breaker_id}",
        about=hold.record_name,
        team=str(hold.team_id),
        agent=str(hold.agent_id),
        run="",
        summary=trip.reason,
        data={"kind": hold.kind, "queue": hold.queue.name, "title": hold.title},
    )


@transaction.atomic
def hand_over(
    run: Run,
    *,
    key: str,
    title: str,
    queue: str,
    reason: str = "",
    subject: str = "",
    payload: Any = None,
) -> tuple[Hold, bool]:
    """Work the agent could not do. The same key again is the same work: returns it and whether it is new."""
    if key.startswith(OUTCOME):
        raise Invalid(f"A key may not begin with {OUTCOME}")
    agent = (
        Agent.objects.select_for_update(no_key=True, of=("self",))
        .select_related("team")
        .get(pk=run.agent_id)
    )
    if known := Hold.objects.filter(agent=agent, kind=HoldKind.REVIEW, key=key).first():
        return known, False
    run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if not run.is_live:
        raise Conflict(f"This run is {run.state}.", code="run_finished")
    hold = Hold(
        kind=HoldKind.REVIEW,
        queue=queue_of(agent.team, queue, UNCLASSIFIED),
        agent=agent,
        run=run,
        key=key,
        title=title[:TITLE],
        reason=reason,
        subject=subject,
        payload=payload,
    )
    return opened(hold, actor=agent, summary=reason), True


def open_unknown(action: Action) -> Hold:
    """Nobody knows whether this action happened: a person must look before anything is repeated."""
    key = f"{OUTCOME}{action.pk}"
    known = Hold.objects.filter(agent=action.agent, kind=HoldKind.REVIEW, key=key).first()
    if known is not None:
        return known
    agent = Agent.objects.select_related("team").get(pk=action.agent_id)
    hold = Hold(
        kind=HoldKind.REVIEW,
        queue=queue_of(agent.team, UNKNOWN_OUTCOMES),
        agent=agent,
        run=action.run,
        action=action,
        key=key,
        title=title(f"Did {action.tool} happen?", action.subject),
        reason=action.state_reason,
        subject=action.subject,
        payload={"action": str(action.pk), "arguments": action.effective_arguments},
        amount=action.amount,
        currency=action.currency,
    )
    return opened(hold, actor="clock", summary=action.state_reason)


def opened(hold: Hold, *, actor: Recordable | str, summary: str) -> Hold:
    hold.team_id = hold.agent.team_id
    with one_trip():
        insert(hold)
        record_all([opening_of(hold, actor=actor, summary=summary)])
    signals.hold_opened.send(Hold, hold=hold)
    ring_hold(hold)
    return hold


def opening_of(hold: Hold, *, actor: Recordable | str, summary: str) -> Note:
    return noted(
        "hold.opened",
        actor=actor,
        about=hold,
        summary=summary,
        data={"kind": hold.kind, "queue": hold.queue.name, **bound(hold)},
    )


def bound(hold: Hold) -> dict[str, Any]:
    """For the record: what it is about, exactly what was asked under which policies, and for whom."""
    facts: dict[str, Any] = {"title": hold.title}
    action = hold.action
    if action is not None:
        digest = action.approval_digest or action.digest
        facts["digest"] = bytes(digest).hex() if digest else ""
        facts["policy_version"] = action.policy_version
    behalf = action.on_behalf_of if action is not None else hold.run and hold.run.on_behalf_of
    if behalf:
        facts["on_behalf_of"] = behalf
    return facts


def close(hold: Hold, state: HoldState, *, by: Recordable | str, note: str) -> Hold:
    """Close without a decision: expired or cancelled."""
    hold.state = state
    hold.decided_by = signature_of(by)
    hold.decided_at = timezone.now()
    hold.note = note
    hold.save(update_fields=["state", "decided_by", "decided_at", "note"])
    was, now = {"state": HoldState.OPEN}, {"state": state}
    record(
        f"hold.{state}",
        actor=by,
        about=hold,
        summary=note,
        data=bound(hold),
        before=was,
        after=now,
    )
    if state == HoldState.EXPIRED:
        signals.hold_expired.send(Hold, hold=hold)
    ring_hold(hold)
    return hold


def cancel_for(actions: list[Action], *, reason: str, by: Recordable | str) -> None:
    """The actions no longer wait, so nobody needs to answer."""
    waiting = (
        Hold.objects.select_for_update(of=("self",))
        .select_related("agent")
        .filter(action__in=actions)
        .waiting()
        .order_by("id")
    )
    for hold in waiting:
        close(hold, HoldState.CANCELLED, by=by, note=reason)


def cancel_trip(trip: Trip) -> None:
    """The stop is over without an answer: its run ended, or the agent was retired."""
    hold = (
        Hold.objects.select_for_update(of=("self",))
        .select_related("agent")
        .filter(trip=trip)
        .waiting()
        .first()
    )
    if hold is not None:
        close(hold, HoldState.CANCELLED, by="clock", note="What was paused is over.")


def held_back(trip: Trip) -> Any:
    """Open approvals and reviews of what a trip paused."""
    holds = Hold.objects.filter(agent_id=trip.agent_id, trip=None).waiting()
    return holds.filter(run_id=trip.run_id) if trip.run_id else holds


FREEZE = """
update reviews_hold set frozen_at = %(at)s
 where agent_id = %(agent)s and (%(run)s::uuid is null or run_id = %(run)s) and trip_id is null
   and state = 'open' and frozen_at is null and expires_at > %(at)s
"""
NAMED = "select id, team_id, name from reviews_queue where team_id = %(team)s and name = %(name)s"


def frozen(trip: Trip) -> Queue:
    """Deadlines stand still while the agent cannot act on an answer. What ran out before stays over.

    Returns where the question is put: both go to the database together, for the agent waits to be told.
    """
    team = trip.agent.team
    with one_trip(), connection.cursor() as freeze, connection.cursor() as named:
        freeze.execute(*freezing(trip))
        named.execute(*naming(team.pk))
        found = named.fetchone()
    return instance(Queue, found) if found else queue_of(team, PAUSED)


def freezing(trip: Trip) -> Statement:
    return FREEZE, {"at": trip.opened_at, "agent": trip.agent_id, "run": trip.run_id}


def naming(team: UUID) -> Statement:
    return NAMED, {"team": team, "name": PAUSED}


def thaw(trip: Trip, at: datetime) -> None:
    """Deadlines move on by as long as they stood still, unless something of it is still paused."""
    others = Trip.objects.filter(agent_id=trip.agent_id, ended_at=None).exclude(pk=trip.pk)
    if others.filter(run=None).exists():
        return
    still = others.exclude(run=None).values("run_id")
    frozen = held_back(trip).exclude(frozen_at=None).exclude(run_id__in=still)
    thawed = list(frozen.values_list("pk", flat=True))
    for hold in frozen.filter(action__requirement__working_time=True):
        move_on_working(hold, at)
    frozen.update(
        expires_at=F("expires_at") + (at - F("frozen_at")),
        remind_at=F("remind_at") + (at - F("frozen_at")),
        frozen_at=None,
    )
    deadline = Hold.objects.filter(pk=OuterRef("pk")).values("expires_at")
    Action.objects.filter(pk__in=thawed, state=ActionState.HELD).update(
        expires_at=Subquery(deadline)
    )


def move_on_working(hold: Hold, at: datetime) -> None:
    """What was left of it in working time is left now: a pause overnight costs none."""
    hours = Calendar.objects.hours_of(hold.team_id)
    since = hold.frozen_at
    assert since is not None

    def moved(moment: datetime | None) -> datetime | None:
        return moment and add_working(at, working_between(since, moment, hours), hours)

    hold.expires_at, hold.remind_at = moved(hold.expires_at), moved(hold.remind_at)
    hold.frozen_at = None
    hold.save(update_fields=["expires_at", "remind_at", "frozen_at"])


def title(sentence: str, subject: str) -> str:
    whole = f"{sentence}: {subject}" if subject else sentence
    return whole if len(whole) <= TITLE else whole[: TITLE - 1] + "…"


def ring_hold(hold: Hold) -> None:
    ring(*hold_topics(hold))


def hold_topics(hold: Hold) -> list[str]:
    return [
        f"holds.{hold.team_id}",
        "holds",
        f"hold.{hold.pk}",
        f"agent.{hold.agent_id}",
        f"agents.{hold.team_id}",
        "agents",
    ]
