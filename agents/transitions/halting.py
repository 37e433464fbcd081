"""closed | half_open → open, where an outcome stops one agent: said as statements, in two trips

An agent waits to be told. The ordinary verb (`tripping.trip`) asks and writes the same, one after the other in a
thread of its own; a hot door sends this over the connection on which it holds the agent already. Whatever is not
plain (shadows, runs, whole teams, the fleet guard, an alert that is joined) is left to the ordinary verb.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from audit.record import Note, entries
from audit.written import Statement, changes, insertion

from .. import evidence
from ..models import Agent, AgentState, Breaker, BreakerState, RunState, Trip
from ..models.breaker import Scope
from ..rules.breakers import Tripped, plain
from ..rules.breakers.evidence import judged as kept
from ..rules.facts import BreakerFacts
from ..weighing import Settlement
from ..weighing.facts import Row
from . import fleet, probation, stopping, tripping

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """How people are asked what now: what writes it, its entries, who is told, what is done after the commit."""

    statements: Sequence[Statement]
    notes: Sequence[Note]
    topics: Sequence[str]
    afterwards: Callable[[], None] | None = None


class Asker(Protocol):
    """Asks people what now, as whoever listens to `signals.agent_stopped` does for the ordinary verb."""

    def questions(self, *, agent: UUID, team: UUID, at: datetime) -> Sequence[Statement]:
        """What has to be known first; one row answers each."""

    def asked(self, trip: Trip, rows: Sequence[Any]) -> Asked | None:
        """With the answers. None: not here, do it the ordinary way."""


_askers: list[Asker] = []


def ask_with(asker: Asker) -> None:
    """The app above this one says who asks, when it is ready."""
    _askers[:] = [asker]


@dataclass(frozen=True, slots=True)
class Halt:
    """A breaker that opens because of an outcome, and what was read under lock of whom it stops."""

    tripped: Tripped
    row: Row
    weighed: Settlement
    offence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """A breaker's facts, as `evidence` looks at a breaker."""

    condition: str
    scope: str
    window: timedelta
    reset_at: datetime | None
    threshold: Decimal

    @classmethod
    def of(cls, facts: BreakerFacts) -> Watched:
        window = timedelta(seconds=facts.window_s)
        return cls(facts.condition, facts.scope, window, facts.reset_at, facts.threshold)


def plain_halt(row: Row, action: UUID, weighed: Settlement | None) -> Halt | None:
    """What this outcome stops; None where it stops nothing, or needs the ordinary verb."""
    if weighed is None or weighed.trip is None or weighed.shadows or row.state == "unknown":
        return None
    if not _askers:
        return None
    under_way = row.agent_state == AgentState.ACTIVE and row.run_state == RunState.RUNNING
    if not under_way or weighed.trip.breaker.scope != Scope.AGENT:
        return None
    return Halt(weighed.trip, row, weighed, {"tool": row.tool, "action": str(action)})


@dataclass(frozen=True, slots=True)
class Halted:
    """All that is written, whom to tell once it is, and what is done then."""

    statements: Sequence[Statement]
    topics: Sequence[str]
    afterwards: Callable[[], None] | None


def questions(halt: Halt) -> list[Statement]:
    """What has to be known, once the outcome is written. The fleet's lock comes after the agent's, as everywhere."""
    row, facts = halt.row, halt.tripped.breaker
    agent, at = row.agent_id, row.now_at
    steps = halt.weighed.params["steps"] or halt.weighed.steps
    (asker,) = _askers
    return [
        tripping.asking_for(agent, facts.id),
        evidence.question(Watched.of(facts), agent, row.run_id, halt.offence, at, steps=steps),
        *fleet.questions(agent, row.team_id, at),
        *asker.questions(agent=agent, team=row.team_id, at=at),
    ]


def halted(halt: Halt, rows: Sequence[Any]) -> Halted | None:
    """With the answers, a row or None to each question. None: not here, do it the ordinary way."""
    those, happened, _lock, counted, *others = rows
    agent, breaker = tripping.found(those)
    breaker.agent = agent
    if fleet.guarding(agent, counted):
        return None
    before, again = probation.facts(breaker), breaker.state == BreakerState.HALF_OPEN
    made, paused = opened(halt, agent, breaker, evidence.told(happened))
    asked = asked_of(made, others)
    if asked is None:
        return None
    told = probation.change_of(
        "reopened" if again else "opened",
        breaker,
        by=breaker,
        before=before,
        summary=made.reason,
        trip=str(made.pk),
        value=plain(halt.tripped.verdict.value),
    )
    writing = [
        changes(breaker, *probation.OPENED),
        changes(agent, *stopping.PAUSED),
        insertion(made),
        *asked.statements,
        entries([paused, *asked.notes, told]),
    ]
    topics = [*stopping.control_topics(agent, None), *asked.topics]
    return Halted(writing, topics, asked.afterwards)


def opened(halt: Halt, agent: Agent, breaker: Breaker, found: dict[str, Any]) -> tuple[Trip, Note]:
    """The breaker opens and the agent is paused; nothing is written yet."""
    (facts, verdict), at = halt.tripped, halt.row.now_at
    probation.opens(breaker, at, again=breaker.state == BreakerState.HALF_OPEN)
    judged = kept(facts, halt.weighed.event, halt.weighed.steps)
    return stopping.stopped(
        agent,
        None,
        at=at,
        reason=verdict.reason,
        breaker=breaker,
        value=verdict.value,
        limit=facts.limit,
        evidence=halt.offence | found | {"judged": judged},
    )


def asked_of(made: Trip, rows: Sequence[Any]) -> Asked | None:
    """Whatever goes wrong there: the ordinary verb survives it, and says so in the log."""
    (asker,) = _askers
    try:
        return asker.asked(made, rows)
    except Exception:
        logger.exception("Nobody could be told at once that an agent is stopped")
        return None
