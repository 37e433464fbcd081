"""Several agents at once: locked in the order of their ids, before anything else"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.ids import new_id

from ..models import Agent, AgentState, Breaker, Trip
from . import stopping


class WholeTeam(Exception):
    """A breaker of a whole team opens, and only one of its agents is locked: begin anew with all of them."""

    def __init__(self, team: UUID) -> None:
        super().__init__(str(team))
        self.team = team


_held: ContextVar[frozenset[UUID] | None] = ContextVar(
    "teams whose agents are locked", default=None
)


def whole_team[**P, R](verb: Callable[P, R]) -> Callable[P, R]:
    """A verb in one transaction, which is rolled back and begun anew when it turns out to concern a whole team.

    Locks taken in a transaction that is rolled back are gone: nobody ever waits for an agent with a lower id
    than one they hold. Within another such verb the outer one begins anew.
    """

    @wraps(verb)
    def begin(*args: P.args, **kwargs: P.kwargs) -> R:
        if _held.get() is not None:
            with transaction.atomic():
                return verb(*args, **kwargs)
        teams: frozenset[UUID] = frozenset()
        while True:
            token = _held.set(teams)
            try:
                with transaction.atomic():
                    if teams:
                        lock_agents(teams=teams)
                    return verb(*args, **kwargs)
            except WholeTeam as needed:
                if needed.team in teams:
                    raise
                teams |= {needed.team}
            finally:
                _held.reset(token)

    return begin


def need_team(team: UUID) -> None:
    """Go on only with every agent of the team locked. Raises WholeTeam, which `whole_team` answers."""
    if team not in (_held.get() or ()):
        raise WholeTeam(team)


def lock_agents(
    *, teams: Collection[UUID] | None = None, ids: Iterable[UUID] | None = None
) -> list[Agent]:
    """Lock the agents of these teams (None: of all), or those with these ids, in the order of their ids."""
    found = Agent.objects.exclude(state=AgentState.RETIRED)
    if ids is not None:
        found = Agent.objects.filter(pk__in=list(ids))
    elif teams is not None:
        found = found.filter(team_id__in=list(teams))
    locked: Any = found.select_for_update(no_key=True, of=("self",)).select_related("team")
    return list(locked.order_by("pk"))


def stop_team(
    breaker: Breaker,
    offender: Agent,
    *,
    at: datetime,
    reason: str,
    evidence: dict[str, Any],
    value: Decimal | None = None,
    limit: Decimal | None = None,
) -> Trip:
    """Pause every active agent of the team, all of them locked; returns the stop of the one that did it."""
    agents = Agent.objects.filter(team=offender.team_id, state=AgentState.ACTIVE)
    found = evidence | {"offender": {"id": str(offender.pk), "name": offender.name}}
    # What it was about to do may be long, and is not copied for each of hundreds while all of them are locked.
    proposal = found.pop("proposal", None)
    made = stopping.stop_all(
        list(agents.select_related("team").order_by("pk")),
        group=new_id(),
        at=at,
        reason=reason,
        breaker=breaker,
        value=value,
        limit=limit,
        evidence=found,
    )
    mine = next(one for one in made if one.agent_id == offender.pk)
    if proposal is not None:
        mine.evidence = mine.evidence | {"proposal": proposal}
        mine.save(update_fields=["evidence"])
    return mine
