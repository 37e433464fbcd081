"""The fleet guard: too many agents tripped at once, so one more is not paused, and people are told loudly"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from audit.record import record
from audit.trips import one_trip
from audit.written import Statement

from .. import signals
from ..models import Agent, Breaker, Run, Trip
from ..rules.fleet import WITHIN, Fleet, guards, sentence
from . import probation

ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('watchfloor.fleet'))"
"""Trips that pause agents are counted one after the other, over the whole house: two at once would not see each
other. Taken last, beside the agent's and the run's lock, by whoever takes nothing else but rows of their own."""

COUNTED = """
select t.name, s.stopped_in_team, a.active_in_team, s.stopped, a.active,
       exists (select 1 from agents_trip x
                where x.agent_id = %(agent)s
                  and x.id >= agents_first_id(%(since)s) and x.opened_at > %(since)s
                  and x.breaker_id is not null and x.by = '' and x."group" is null
                  and not x.is_shadow) as counts_already
  from people_team t,
       (select count(distinct x.agent_id) as stopped,
               count(distinct x.agent_id) filter (where g.team_id = %(team)s) as stopped_in_team
          from agents_trip x join agents_agent g on g.id = x.agent_id
         where x.id >= agents_first_id(%(since)s) and x.opened_at > %(since)s
           and x.breaker_id is not null and x.by = '' and x."group" is null and not x.is_shadow
           and x.agent_id <> %(agent)s) s,
       (select count(*) filter (where g.state = 'active' or g.id = %(agent)s) as active,
               count(*) filter (where (g.state = 'active' or g.id = %(agent)s)
                                  and g.team_id = %(team)s) as active_in_team
          from agents_agent g
         where g.state <> 'retired'
           and not exists (select 1 from agents_trip x
                            where x.agent_id = g.id and x.agent_id <> %(agent)s
                              and x.id >= agents_first_id(%(since)s) and x.opened_at > %(since)s
                              and x.breaker_id is not null and x.by = '' and x."group" is null
                              and not x.is_shadow)) a
 where t.id = %(team)s
"""
"""Agents that a breaker stopped lately, and those that it did not and that act. Stops by hand, by budgets and
of whole teams were meant, and do not count."""


def is_guarded(agent: Agent, at: datetime) -> tuple[str, Fleet] | None:
    """Why this agent is not to be paused, and whose fleet it is: its team's, else the house's."""
    (lock, none), (count, asked) = questions(agent.pk, agent.team_id, at)
    with one_trip(), connection.cursor() as first, connection.cursor() as counted:
        first.execute(lock, none)
        counted.execute(count, asked)
        return guarding(agent, counted.fetchone())


def questions(agent: UUID, team: UUID, at: datetime) -> tuple[Statement, Statement]:
    """Two: the second sees what was there when the lock was given, not before."""
    return (ONE_AT_A_TIME, {}), (COUNTED, {"team": team, "agent": agent, "since": at - WITHIN})


def guarding(agent: Agent, row: Sequence[Any]) -> tuple[str, Fleet] | None:
    """What the count says: see `is_guarded`."""
    share = settings.WATCHFLOOR_FLEET_SHARE
    name, stopped_in_team, active_in_team, stopped, active, counts_already = row
    if counts_already:  # and is no further one
        return None
    for fleet in (
        Fleet(name, stopped_in_team, active_in_team),
        Fleet("the house", stopped, active),
    ):
        if guards(fleet, share):
            return sentence(fleet, agent.name, share), fleet
    return None


def guard(
    breaker: Breaker,
    agent: Agent,
    run: Run | None,
    why: str,
    fleet: Fleet,
    *,
    reason: str,
    at: datetime,
) -> None:
    """Write it down, tell people, and let the breaker count anew."""
    probation.forget(breaker, at, run.pk if run else None)
    breaker.extra, breaker.extra_until = Decimal(0), None
    breaker.save()
    record(
        "breaker.guarded",
        actor=breaker.record_name,
        about=agent,
        summary=why,
        data={
            "breaker": str(breaker.pk),
            "tripped": reason,
            "stopped": fleet.stopped + 1,
            "of": fleet.stopped + fleet.active,
        },
    )
    team = None if fleet.name == "the house" else agent.team
    signals.fleet_guarded.send(
        Trip, team=team, sentence=why, about=f"{fleet.name}:{at:%Y-%m-%d %H}"
    )
