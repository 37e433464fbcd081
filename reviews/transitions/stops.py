"""What people answer to a stop: resume, change something and resume, or end it; for one, or for all of one deed"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction

from agents.models import Agent, Trip
from agents.models.run import DirectiveKind
from agents.transitions import agent as agents
from agents.transitions import breaker as breakers
from agents.transitions import forcing, room, switch, together
from agents.transitions import run as runs
from audit.errors import Conflict, Invalid, NotFound
from people.models import Person
from people.permitting import said
from people.rules.permissions import Permission, refusal

from ..models import Hold, HoldDecision, HoldKind, HoldState
from . import changing, seating
from .changing import Changes
from .locking import decide, expect_open, lock, locked


@transaction.atomic
def resume(
    hold: Hold | UUID,
    *,
    by: Person,
    note: str = "",
    was_true: bool | None = None,
    extra: Decimal | None = None,
    for_all: bool = True,
) -> Hold:
    """Let what was paused run again, its breaker on probation; with all that the same deed paused.

    `extra`: not anew, but with so much more than the limit, once.
    """
    first, *others = asked(hold, by=by, permission=Permission.RESUME, for_all=for_all)
    check_extra(first, extra)
    room.make(trip_of(first), by=by, limit=None, extra=extra)
    room.check(trip_of(first))
    data = {"extra": str(extra)} if extra is not None else {}
    for one in (first, *others):
        decide(one, HoldDecision.RESUMED, by=by, note=note, was_true=was_true, data=data)
        breakers.resume(trip_of(one), by=by, extra=extra)
    return first


@transaction.atomic
def modify(
    hold: Hold | UUID,
    *,
    by: Person,
    instruction: str = "",
    state: dict[str, Any] | None = None,
    limit: Decimal | None = None,
    extra: Decimal | None = None,
    model: str = "",
    tools: list[str] | None = None,
    note: str = "",
    was_true: bool | None = None,
    for_all: bool = True,
) -> Hold:
    """Change what the agent is told, may use or may spend, then resume on probation.

    An instruction goes to every agent that the same deed paused; state, model and tools are this one's.
    """
    first, *others = asked(hold, by=by, permission=Permission.MODIFY, for_all=for_all)
    trip = trip_of(first)
    check_extra(first, extra)
    changes = Changes(instruction.strip(), state or {}, limit, extra, model.strip(), tools)
    kept = changing.difference(first, trip, changes)
    first.payload = {"changes": kept}
    first.save(update_fields=["payload"])
    data = changes.as_data() | {"changes": kept}
    decide(first, HoldDecision.MODIFIED, by=by, note=note, was_true=was_true, data=data)
    changing.make(first, trip, changes, by=by, note=note)
    room.make(trip, by=by, limit=limit, extra=extra)
    room.check(trip, changed=bool(changes.instruction or changes.model or changes.state))
    breakers.resume(trip, by=by, limit=limit, extra=extra)
    for one in others:
        shared = {"instruction": changes.instruction, "with": str(first.pk)}
        decide(one, HoldDecision.MODIFIED, by=by, note=note, was_true=was_true, data=shared)
        if changes.instruction:
            tell(one, DirectiveKind.INSTRUCTION, {"text": changes.instruction}, by)
        breakers.resume(trip_of(one), by=by)
    return first


@transaction.atomic
def terminate(
    hold: Hold | UUID,
    *,
    by: Person,
    note: str = "",
    was_true: bool | None = None,
    for_all: bool = False,
) -> Hold:
    """End the paused run, or every run of the paused agent, and cancel what waits. Takes a reason.

    The agent itself may start new runs, its breaker on probation. Only this one, unless `for_all` is said.
    """
    first, *others = asked(hold, by=by, permission=Permission.TERMINATE, for_all=for_all)
    why = said(Permission.TERMINATE, note)
    for one in (first, *others):
        decide(one, HoldDecision.TERMINATED, by=by, note=note, was_true=was_true)
        trip = breakers.resume(trip_of(one), by=by)
        if trip.run is not None:
            runs.terminate(trip.run, by=by, reason=why)
        else:
            agents.end_runs(trip.agent, by=by, reason=why)
    return first


@transaction.atomic
def resume_group(group: UUID, *, by: Person | str, note: str = "") -> list[Hold]:
    """Let everything run again that one deed paused and that still waits. A text stands for whoever has the machine."""
    waiting = waiting_of(group)
    if not waiting:
        raise NotFound("Nothing of this group is paused any more.")
    lock_group(group)
    if isinstance(by, Person):
        held = together_of(group, by=by, permission=Permission.RESUME)
        if not held:
            raise PermissionDenied(refusal(Permission.RESUME))
    else:
        held = [one for one in map(locked, waiting_of(group)) if free(one)]
    for one in held:
        decide(one, HoldDecision.RESUMED, by=by, note=note, data={"group": str(group)})
        breakers.resume(trip_of(one), by=by)
    return held


# -- which are meant -------------------------------------------------------------------------------


def asked(hold: Hold | UUID, *, by: Person, permission: Permission, for_all: bool) -> list[Hold]:
    """Lock the hold that is answered, and with it those of the same deed that this person may answer, too."""
    pk = hold.pk if isinstance(hold, Hold) else hold
    group = Trip.objects.filter(hold=pk, ended_at=None).values_list("group", flat=True).first()
    if group is not None and for_all:
        lock_group(group)
    first = lock(pk, by=by, kind=HoldKind.TRIP)
    allow(first, by, permission)
    if group is None or not for_all:
        return [first]
    return [first, *together_of(group, by=by, permission=permission, but=first)]


def together_of(
    group: UUID, *, by: Person, permission: Permission, but: Hold | None = None
) -> list[Hold]:
    """Those of one deed that still wait and are theirs to answer. What somebody else has claimed is left to them."""
    found = []
    for pk in waiting_of(group):
        if but is not None and pk == but.pk:
            continue
        try:
            one = lock(pk, by=by, kind=HoldKind.TRIP)
            allow(one, by, permission)
        except (PermissionDenied, NotFound, Conflict):
            continue
        if free(one):
            found.append(one)
    return found


def allow(hold: Hold, by: Person, permission: Permission) -> None:
    """Raise PermissionDenied in words. What stopped everything is ended by who may stop everything."""
    if trip_of(hold).evidence.get("switch") == switch.EVERYTHING:
        if not by.may(Permission.SWITCH_EVERYTHING, None):
            raise PermissionDenied(
                f"Everything was stopped. {refusal(Permission.SWITCH_EVERYTHING)} So does letting it run again."
            )
    elif not seating.may(hold, by, permission):
        raise PermissionDenied(refusal(permission))


def free(hold: Hold) -> bool:
    """It waits, and no breaker is kept open over it."""
    try:
        expect_open(hold)
    except Conflict:
        return False
    return forcing.keeping(trip_of(hold)) is None


def waiting_of(group: UUID) -> list[UUID]:
    open_holds = Hold.objects.filter(trip__group=group, state=HoldState.OPEN)
    return list(open_holds.order_by("agent_id").values_list("pk", flat=True))


def lock_group(group: UUID) -> list[Agent]:
    """Every agent that this deed paused and that still waits, in the order of their ids."""
    ids = Trip.objects.filter(group=group, ended_at=None).values_list("agent_id", flat=True)
    return together.lock_agents(ids=set(ids))


def check_extra(hold: Hold, extra: Decimal | None) -> None:
    trip = trip_of(hold)
    if extra is not None and trip.breaker is None and trip.budget_id is None:
        raise Invalid("No breaker or budget stopped this: there is no limit to raise once.")


def trip_of(hold: Hold) -> Trip:
    assert hold.trip_id is not None
    return Trip.objects.select_related("breaker", "agent").get(pk=hold.trip_id)


def tell(hold: Hold, kind: DirectiveKind, body: Any, by: Person) -> None:
    changing.tell(hold, kind, body, by)
