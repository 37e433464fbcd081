"""Which run a trace belongs to: found, begun at its first span, named, and over when its root has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from msgspec.json import encode

from audit.arrays import array, binaries, flat
from audit.bell import ring
from audit.errors import Refused
from audit.ids import new_id
from audit.record import Note, record_all

from .. import batches as sql
from ..models import Agent, AgentState, Run, RunState
from ..models.breaker import Condition
from ..models.run import LIVE
from ..otlp.reading import Root, Trace
from ..rules.done import Done, moment
from . import run as runs
from . import schedule
from .rows import ask, every
from .trip import Rows, Trip

KEY = "trace:"


class Revoked(Refused):
    """Some of the requests came with a key that works no more; nothing was stored."""

    code = "unauthorized"

    def __init__(self, keys: frozenset[bytes]) -> None:
        super().__init__("This key is not known, or it was revoked.")
        self.keys = keys


@dataclass
class Traced:
    """What a batch tells of one trace of one agent, and so of one run."""

    agent: UUID
    trace_id: str
    run_id: UUID | None
    """The run the agent named; once found, the run it is."""
    name: str = ""
    session: str = ""
    root: Root | None = None
    done: list[Done] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{KEY}{self.trace_id}"

    def take(self, other: Traced | Trace) -> None:
        self.name = self.name or other.name
        self.session = self.session or other.session
        self.root = self.root or other.root
        self.done += other.done


def merged(traces: Iterable[tuple[UUID, Trace]]) -> list[Traced]:
    """The same trace of several requests as one."""
    known: dict[tuple[UUID, str, UUID | None], Traced] = {}
    for agent, trace in traces:
        key = agent, trace.trace_id, trace.run_id
        known.setdefault(key, Traced(*key)).take(trace)
    return list(known.values())


class Who(NamedTuple):
    """Whose traces these are, asked for on a trip that locks them."""

    agents: Rows
    working: Rows

    def known(self, keys: frozenset[bytes]) -> dict[UUID, Any]:
        """The agents' rows by id. Raises Revoked."""
        revoked = keys - {bytes(row.hash) for row in self.working}
        if revoked:
            raise Revoked(revoked)
        return {row.id: row for row in self.agents}


def ask_who(trip: Trip, traces: Iterable[Traced], keys: frozenset[bytes]) -> Who:
    trip.ask(sql.CAREFULLY)
    return Who(
        trip.ask(sql.LOCK_AGENTS, agents=flat(sorted({one.agent for one in traces}))),
        trip.ask(sql.WORKING_KEYS, keys=binaries(sorted(keys))),
    )


def find(traces: Sequence[Traced], keys: frozenset[bytes]) -> dict[UUID, Any]:
    """Lock the agents, then say of each trace which run it has, if any.

    Returns the agents' rows by id. Raises Revoked.
    """
    named = {one.run_id for one in traces if one.run_id is not None}
    with Trip() as trip:
        who = ask_who(trip, traces, keys)
        owners = trip.ask(sql.RUN_OWNERS, runs=flat(sorted(named))) if named else ()
        by_key = trip.ask(
            sql.RUNS_BY_KEY,
            agents=flat(one.agent for one in traces),
            keys=array(one.key for one in traces),
        )
    owner_of = {row.id: row.agent_id for row in owners}
    by_name = {(row.agent_id, row.key): row.id for row in by_key}
    for one in traces:
        if one.run_id is None or owner_of.get(one.run_id) != one.agent:
            one.run_id = by_name.get((one.agent, one.key))
    return who.known(keys)


def without_run(traces: Sequence[Traced]) -> list[Traced]:
    """Those that need a run of their own, which get its id. What tells nothing of an agent needs none."""
    fresh: dict[tuple[UUID, str], Traced] = {}
    for one in traces:
        if one.run_id is None and (one.done or one.name):
            one.run_id = fresh.setdefault((one.agent, one.key), one).run_id or new_id()
    return list(fresh.values())


def by_run(traces: Iterable[Traced]) -> dict[UUID, Traced]:
    """Several traces of one run as one. What has no run is left out."""
    of_run: dict[UUID, Traced] = {}
    for one in traces:
        if one.run_id is None:
            continue
        first = of_run.setdefault(one.run_id, one)
        if first is not one:
            first.take(one)
    return of_run


def begin(
    fresh: Sequence[Traced], agents: dict[UUID, Any], now: datetime, ask: Callable[..., Any] = ask
) -> None:
    """Start a run for each trace. One of a retired agent is over from the start."""
    if not fresh:
        return
    ask(
        sql.BEGIN_RUNS,
        ids=flat(run_of(one) for one in fresh),
        agents=flat(one.agent for one in fresh),
        names=array(name_of(one) for one in fresh),
        keys=array(one.key for one in fresh),
        metadata=array(encode(metadata_of(one)).decode() for one in fresh),
        urls=array(trace_url(one.trace_id) for one in fresh),
        started=array(str(begin_of(one, now)) for one in fresh),
        over=flat(agents[one.agent].state == AgentState.RETIRED for one in fresh),
        now=now,
    )


def begin_of(one: Traced, now: datetime) -> datetime:
    return moment(min([done.started_us for done in one.done])) if one.done else now


def run_of(one: Traced) -> UUID:
    assert one.run_id is not None
    return one.run_id


def begin_judged(fresh: Sequence[Traced], agents: dict[UUID, Any], now: datetime) -> None:
    """Start runs of agents whose starts are counted, one by one; one that began long ago is history."""
    for one in fresh:
        agent = Agent.objects.get(pk=one.agent)
        started = begin_of(one, now)
        breakers = [
            found
            for found in schedule.watching(agent, None, Condition.OFTEN, now)
            if started >= now - timedelta(seconds=found.window_s)
        ]
        begin([one], agents, now)
        record_all([note("run.started", one, agents, name_of(one))])
        schedule.judge_start(agent, Run.objects.get(pk=run_of(one)), breakers, now)


def name_of(one: Traced) -> str:
    return (one.root.name if one.root else "") or one.name or f"trace {one.trace_id[:8]}"


def metadata_of(one: Traced) -> dict[str, Any]:
    told = {"source": "telemetry", "trace_id": one.trace_id}
    return told | ({"session_id": one.session} if one.session else {})


def keep(found: Sequence[tuple[Traced, Any]], agents: dict[UUID, Any]) -> None:
    """What traces tell of their runs: name, session, link, and that they are over."""
    changed = [
        (one, row, name_of(one) if one.root and is_ours(row) else "")
        for one, row in found
        if differs(one, row)
    ]
    if changed:
        ask(
            sql.TELL_RUNS,
            runs=[row.id for _, row, _ in changed],
            names=[name for _, _, name in changed],
            sessions=[one.session for one, _, _ in changed],
            urls=[trace_url(one.trace_id) for one, _, _ in changed],
        )
    finish([(one, row, one.root) for one, row in found if one.root and is_ours(row)], agents)


def tells_of_its_run(one: Traced, row: Any) -> bool:
    """Whether `keep` has anything to write."""
    return differs(one, row) or bool(one.root and is_ours(row))


def differs(one: Traced, row: Any) -> bool:
    return bool(
        (one.session and not row.has_session)
        or (one.root and is_ours(row) and row.name != name_of(one))
        or (not row.trace_url and trace_url(one.trace_id))
    )


def is_ours(row: Any) -> bool:
    """Whether telemetry began this run; those that an agent began itself, it also ends."""
    return bool(row.key.startswith(KEY) and row.is_ours)


def finish(over: Sequence[tuple[Traced, Any, Root]], agents: dict[UUID, Any]) -> None:
    """End runs whose root has ended. Those with something waiting or paused go through the ordinary verb."""
    live = [(one, row, root) for one, row, root in over if row.state in LIVE]
    if not live:
        return
    outcomes = {
        row.id: RunState.FAILED if root.failed else RunState.COMPLETED for _, row, root in live
    }
    ended = {
        row.id
        for row in every(
            sql.FINISH_RUNS,
            runs=[row.id for _, row, _ in live],
            states=[outcomes[row.id] for _, row, _ in live],
            errors=[root.error for _, _, root in live],
            ended=[root.ended_at for _, _, root in live],
        )
    }
    record_all(
        note(
            f"run.{outcomes[row.id]}", one, agents, row.name, ended_as(row, root, outcomes[row.id])
        )
        for one, row, root in live
        if row.id in ended
    )
    for one, row, root in live:
        if row.id not in ended:
            runs.finish(
                Run.objects.get(pk=row.id),
                outcome=outcomes[row.id],
                error=root.error,
                by=Agent.objects.get(pk=one.agent),
            )
    ring(*{topic for id in ended for topic in (f"run.{id}", f"control.{id}")})


def ended_as(row: Any, root: Root, outcome: RunState) -> dict[str, Any]:
    return {"error": root.error, "before": {"state": row.state}, "after": {"state": outcome}}


def note(
    kind: str,
    one: Traced,
    agents: dict[UUID, Any],
    summary: str,
    data: dict[str, Any] | None = None,
) -> Note:
    return Note(
        kind=kind,
        actor=f"agent:{one.agent}",
        about=f"agents.run:{one.run_id}",
        team=str(agents[one.agent].team_id),
        agent=str(one.agent),
        run=str(one.run_id),
        summary=summary,
        data=data,
    )


def trace_url(trace_id: str) -> str:
    """Where the operator's tracing back end shows this trace; empty when there is none."""
    template: str = settings.WATCHFLOOR_TRACE_URL
    return template.replace("{trace_id}", trace_id)
