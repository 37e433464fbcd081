"""What the windows of an agent's breakers hold now, read at once by the very function that judging reads with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from agents.models import Action, Agent, Breaker, Condition, Run
from agents.models.breaker import Scope
from agents.rules.breakers import Gauge as Held
from agents.rules.breakers import loops, shown

from .ids import first_id_at

RUNS_LOOKED_AT = 30
"""Breakers of single runs show the fullest of so many newest live runs."""
LONGEST_LOOK = 2_000
"""How many of an agent's newest actions are searched for its busiest item, which is then counted exactly."""
MOST_TRIES = 1_000

READINGS = """
with its as (select b from agents_breaker b where b.id = any(%(breakers)s)),
     live as (select r.id from agents_run r
               where r.agent_id = %(agent)s and r.state in ('running', 'paused')
               order by r.id desc limit %(runs)s),
     asked as (
       select b, null::uuid as run from its where (b).scope <> 'run' and (b).condition <> 'silence'
        union all
       select case when own.id is null then b else own end, live.id
         from its cross join live
         left join agents_breaker own on own.agent_id = %(agent)s and own.run_id = live.id
              and own.condition = (b).condition and own.unit = (b).unit and own."window" = (b)."window"
        where (b).scope = 'run' or (b).condition = 'silence')
select (b).condition, (b).unit, (b).scope, (b)."window", asked.run, g.value, g.volume, g.base, g.base_volume
  from asked, agents_breaker_reading(b, %(agent)s, asked.run, null, null, %(now)s) g
 where (b).condition not in ('repeats', 'loop')
"""


class Reading(NamedTuple):
    """What one window holds, of whom, and for repeats of which item."""

    held: Held
    run: UUID | None = None
    of: str = ""
    tool: str = ""
    item: str = ""

    def shown(self, condition: str) -> Decimal:
        return shown(condition, self.held)


NOTHING = Reading(Held(Decimal(0)))


@dataclass(frozen=True)
class Live:
    """A live run, as far as gauges look at it."""

    id: UUID
    name: str
    steps: bytes
    is_running: bool


def live_runs(agent: Agent) -> list[Live]:
    rows = Run.objects.filter(agent=agent).live().order_by("-id")
    return [
        Live(pk, name, bytes(steps), state == "running")
        for pk, name, steps, state in rows.values_list("pk", "name", "steps", "state")[
            :RUNS_LOOKED_AT
        ]
    ]


def readings(
    agent: Agent, breakers: Sequence[Breaker], live: Sequence[Live], now: datetime
) -> dict[UUID, Reading]:
    """By breaker: of one that watches runs, the fullest."""
    found = {breaker.pk: NOTHING for breaker in breakers}
    names = {run.id: run.name for run in live}
    by_key = {key(b): b.pk for b in breakers}
    for condition, unit, scope, window, run, value, volume, base, base_volume in _read(
        agent, breakers, now
    ):
        reading = Reading(
            Held(Decimal(value), int(volume), int(base), int(base_volume)), run, names.get(run, "")
        )
        pk = by_key[condition, unit, scope, window]
        if condition == Condition.SILENCE and not _runs(live, run):
            continue
        if reading.shown(condition) >= found[pk].shown(condition):
            found[pk] = reading
    for breaker in breakers:
        if breaker.condition == Condition.REPEATS:
            found[breaker.pk] = busiest(breaker, agent, now)
        elif breaker.condition == Condition.LOOP:
            found[breaker.pk] = roundest(breaker, live, now)
    return found


def key(breaker: Breaker) -> tuple[object, ...]:
    return breaker.condition, breaker.unit, breaker.scope, breaker.window


def _runs(live: Sequence[Live], run: UUID | None) -> bool:
    return any(one.id == run and one.is_running for one in live)


def _read(agent: Agent, breakers: Sequence[Breaker], now: datetime) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            READINGS,
            {
                "agent": agent.pk,
                "breakers": [breaker.pk for breaker in breakers],
                "runs": RUNS_LOOKED_AT,
                "now": now,
            },
        )
        rows: list[Any] = cursor.fetchall()
        return rows


def since_of(breaker: Breaker, now: datetime) -> datetime:
    """Where its window begins; what was answered for is not in it."""
    since = now - breaker.window
    return max(since, breaker.reset_at) if breaker.reset_at else since


BUSIEST = """
select tool, item, max(subject), {run} from (
    select x.tool, x.item, x.subject, x.state, x.created_at, x.run_id from agents_action x
     where {whose} and x.id >= %(first)s order by x.id desc limit %(most)s) newest
 where created_at > %(since)s and state <> 'denied'
 group by tool, item, 4 order by count(*) desc, item limit 1
"""
OF_AGENT = "x.agent_id = %(agent)s"
OF_TEAM = "x.agent_id in (select a.id from agents_agent a where a.team_id = %(team)s)"


def busiest(breaker: Breaker, agent: Agent, now: datetime) -> Reading:
    """The item that was worked on most often of late, counted as `repeats` counts it."""
    since, of_team = since_of(breaker, now), breaker.scope == Scope.TEAM
    of_run = breaker.scope == Scope.RUN
    with connection.cursor() as cursor:
        cursor.execute(
            BUSIEST.format(
                whose=OF_TEAM if of_team else OF_AGENT, run="run_id" if of_run else "null::uuid"
            ),
            {
                "agent": agent.pk,
                "team": agent.team_id,
                "first": first_id_at(since),
                "since": since,
                "most": LONGEST_LOOK,
            },
        )
        top = cursor.fetchone()
    if top is None:
        return NOTHING
    tool, item, subject, run = top
    tries = tries_of(breaker, agent, tool, item, run, since)[:MOST_TRIES].count()
    return Reading(Held(Decimal(tries)), run, subject or tool, tool, item)


def tries_of(
    breaker: Breaker, agent: Agent, tool: str, item: str, run: UUID | None, since: datetime
) -> QuerySet[Action]:
    """How often it was worked on, through the index of items."""
    of_team = breaker.scope == Scope.TEAM
    whose = {"agent__team": agent.team_id} if of_team else {"agent": agent}
    rows = Action.objects.filter(item=item, tool=tool, created_at__gt=since, **whose)
    rows = rows.exclude(state="denied")
    return rows.filter(run_id=run) if breaker.scope == Scope.RUN and run else rows


def roundest(breaker: Breaker, live: Sequence[Live], now: datetime) -> Reading:
    """The run that went through the same steps most often in a row; once is no circle."""
    best = NOTHING
    for run in live:
        times = rounds(run.steps, breaker, now)
        if times > best.held.value:
            best = Reading(Held(Decimal(times)), run.id, run.name)
    return best


def rounds(steps: bytes, breaker: Breaker, now: datetime) -> int:
    kept = loops.steps_of(steps)
    since = now - breaker.window if breaker.window else None
    if not kept or (since is not None and kept[-1].at < loops.millis(since)):
        return 0
    window = breaker.window.total_seconds()
    _, times = loops.cycle(loops.recent(steps, window_s=window, reset_at=breaker.reset_at))
    return times if times > 1 else 0
