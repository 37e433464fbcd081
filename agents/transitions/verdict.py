"""Whether a trip was right: what people say of it teaches what limits should be"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from audit.bell import ring
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record
from people.models import Person
from people.permitting import check
from people.rules.permissions import Permission

from ..models import Agent, Trip


@transaction.atomic
def judge(trip: Trip | UUID, *, was_true: bool, by: Person) -> Trip:
    """Say that a trip was true or false, also later and otherwise than before; of one deed of a team's breaker, for all.

    Raises PermissionDenied, NotFound; Conflict while it waits for an answer; Invalid where no rule stopped it.
    """
    pk = trip.pk if isinstance(trip, Trip) else trip
    agent = Agent.objects.select_for_update(no_key=True, of=("self",)).filter(trips=pk).first()
    if agent is None or not by.sees(agent.team_id):
        raise NotFound("There is no such trip.")
    check(Permission.RESUME, by, agent.team_id)
    made = Trip.objects.select_for_update(of=("self",)).select_related("agent").get(pk=pk)
    if not made.condition and made.budget_id is None:
        raise Invalid("A person stopped it: there is no rule that was right or wrong.")
    if made.ended_at is None:
        raise Conflict("Answer it first: then say whether it was right to stop.")
    before = made.was_true
    if before == was_true:
        return made
    made.was_true = was_true
    made.save(update_fields=["was_true"])
    if made.group is not None and made.condition:
        same = Trip.objects.filter(group=made.group, agent__team=agent.team_id)
        same.exclude(ended_at=None).update(was_true=was_true)
    record(
        "trip.judged",
        actor=by,
        about=made,
        summary="It was right to stop." if was_true else "A false trip.",
        data={"was_true": was_true},
        before={"was_true": before},
        after={"was_true": was_true},
    )
    ring(f"agent.{agent.pk}", f"hold.{made.pk}", f"agents.{agent.team_id}")
    return made
