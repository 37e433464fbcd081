"""Which run a trace belongs to: found, begun at its first span, named, and over when its root has ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from psycopg.types.json import Jsonb

from audit.bell import ring
from audit.ids import new_id
from audit.record import Note, record_all

from .. import batches as sql
from ..models import Agent, AgentState, Run, RunState
from ..models.run import LIVE
from ..otlp.reading import Root, Trace, uuid_of
from ..rules.done import Done
from . import run as runs
from .rows import every

__all__ = ["Told", "keep", "merged", "runs_of", "trace_url", "uuid_of"]

KEY = "trace:"


@dataclass
class Told:
    """What a batch tells of one trace of one agent."""

    agent: UUID
    trace_id: str
    run_id: UUID | None
    name: str = ""
    session: str = ""
    root: Root | None = None
    done: list[Done] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{KEY}{self.trace_id}"


def merged(traces: Iterable[tuple[UUID, Trace]]) -> list[Told]:
    """The same trace of several requests as one."""
    known: dict[tuple[UUID, str, UUID | None], Told] = {}
    for agent, trace in traces:
        one = known.setdefault(
            (agent, trace.trace_id, trace.run_id), Told(agent, trace.trace_id, trace.run_id)
        )
        one.name = one.name or trace.name
        one.session = one.session or trace.session
        one.root = one.root or trace.root
        one.done += trace.done
    return list(known.values())


def runs_of(
    traces: Sequence[Told], agents: dict[UUID, Any], now: datetime
) -> list[tuple[Told, Any]]:
    """Each trace with its run's row, locked, begun if need be; several traces of one run as one.

    A trace that tells nothing of an agent, and whose run nobody knows, is left out.
    """
    named = {one.run_id for one in traces if one.run_id is not None}
    owners = {
        row.id: row.agent_id for row in (every(sql.RUN_OWNERS, runs=sorted(named)) if named else ())
    }
    by_key = []
    for one in traces:
        if one.run_id is None or owners.get(one.run_id) != one.agent:
            one.run_id = None
            by_key.append(one)
    known = {
        (row.agent_id, row.key): row.id
        for row in every(
            sql.RUNS_BY_KEY, agents=[one.agent for one in by_key], keys=[one.key for one in by_key]
        )
    }
    for one in by_key:
        one.run_id = known.get((one.agent, one.key))
    begin([one for one in by_key if one.run_id is None and (one.done or one.name)], agents, now)
    ids = sorted({one.run_id for one in traces if one.run_id is not None})
    rows = {row.id: row for row in every(sql.LOCK_RUNS, runs=ids)} if ids else {}
    of_run: dict[UUID, Told] = {}
    for one in traces:
        if one.run_id is None:
            continue
        first = of_run.setdefault(one.run_id, one)
        if first is not one:
            first.done += one.done
            first.name, first.session = first.name or one.name, first.session or one.session
            first.root = first.root or one.root
    return [(one, rows[id]) for id, one in of_run.items()]


def begin(traces: Sequence[Told], agents: dict[UUID, Any], now: datetime) -> None:
    """Start a run for each trace. One of a retired agent is over from the start."""
    if not traces:
        return
    fresh: dict[tuple[UUID, str], list[Told]] = {}
    for one in traces:
        fresh.setdefault((one.agent, one.key), []).append(one)
    first = [same[0] for same in fresh.values()]
    for same in fresh.values():
        same[0].run_id = new_id()
        for other in same[1:]:
            other.run_id = same[0].run_id
    retired = [agents[one.agent].state == AgentState.RETIRED for one in first]
    with connection.connection.cursor() as cursor:
        cursor.execute(
            sql.BEGIN_RUNS,
            {
                "ids": [one.run_id for one in first],
                "agents": [one.agent for one in first],
                "names": [name_of(one) for one in first],
                "keys": [one.key for one in first],
                "metadata": [Jsonb(metadata_of(one)) for one in first],
                "urls": [trace_url(one.trace_id) for one in first],
                "started": [
                    min([done.started_at for done in one.done], default=now) for one in first
                ],
                "over": retired,
                "now": now,
            },
        )
    record_all(note("run.started", one, agents, name_of(one)) for one in first)


def name_of(one: Told) -> str:
    return (one.root.name if one.root else "") or one.name or f"trace {one.trace_id[:8]}"


def metadata_of(one: Told) -> dict[str, Any]:
    told = {"source": "telemetry", "trace_id": one.trace_id}
    return told | ({"session_id": one.session} if one.session else {})


def keep(found: Sequence[tuple[Told, Any]], agents: dict[UUID, Any], now: datetime) -> None:
    """What traces tell of their runs: name, session, link, and that they are over."""
    changed = [
        (one, row, name_of(one) if one.root and is_ours(row) else "")
        for one, row in found
        if (one.session and "session_id" not in row.metadata)
        or (one.root and is_ours(row) and row.name != name_of(one))
        or (not row.trace_url and trace_url(one.trace_id))
    ]
    if changed:
        with connection.connection.cursor() as cursor:
            cursor.execute(
                sql.TELL_RUNS,
                {
                    "runs": [row.id for _, row, _ in changed],
                    "names": [name for _, _, name in changed],
                    "sessions": [one.session for one, _, _ in changed],
                    "urls": [trace_url(one.trace_id) for one, _, _ in changed],
                },
            )
    over = [(one, row) for one, row in found if one.root and is_ours(row)]
    finish([(one, row, one.root) for one, row in over if one.root], agents, now)


def is_ours(row: Any) -> bool:
    """Whether telemetry began this run; those that an agent began itself, it also ends."""
    return row.key.startswith(KEY) and row.metadata.get("source") == "telemetry"


def finish(over: Sequence[tuple[Told, Any, Root]], agents: dict[UUID, Any], now: datetime) -> None:
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
        note(f"run.{outcomes[row.id]}", one, agents, row.name, {"error": root.error})
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


def note(
    kind: str, one: Told, agents: dict[UUID, Any], summary: str, data: dict[str, Any] | None = None
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
