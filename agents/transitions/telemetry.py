"""Spans become actions of the right run: running → completed | failed as their traces tell

What happened is never refused: a terminated run's late spans are stored, and marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from .. import batches as sql
from ..models import AgentState, RunState
from ..otlp.reading import Export
from ..rules.done import Done
from . import tracing
from .rows import every
from .watching import Report
from .writing import run, write


class Told(NamedTuple):
    """One request of one agent, read."""

    agent: UUID
    export: Export


@transaction.atomic
def store(told: Sequence[Told]) -> None:
    """Store what is new of these requests, judge it, keep the runs. All or nothing; again is harmless."""
    run("set local lock_timeout = '3s'")
    agents = locked_agents({one.agent for one in told})
    now = timezone.now()
    traces = tracing.merged((one.agent, trace) for one in told for trace in one.export.traces)
    found = tracing.runs_of(traces, agents, now)
    reports = [
        Report(
            agent=trace.agent,
            team=agents[trace.agent].team_id,
            run=row.id,
            done=marked(trace.done, row),
            is_under_way=row.state == RunState.RUNNING
            and agents[trace.agent].state == AgentState.ACTIVE,
            on_behalf_of=row.on_behalf_of,
            steps=bytes(row.steps),
        )
        for trace, row in found
    ]
    leave_out_known(reports)
    write(reports, now)
    tracing.keep(found, agents, now)


def locked_agents(ids: Iterable[UUID]) -> dict[UUID, Any]:
    return {row.id: row for row in every(sql.LOCK_AGENTS, agents=sorted(ids))}


def marked(done: list[Done], row: Any) -> list[Done]:
    """In the order in which it ended; marked where that was after a person had ended the run."""
    if row.state == RunState.TERMINATED:
        for one in done:
            if one.ended_at > row.finished_at:
                one.code, one.why = "after_stop", "Reported after this run was terminated."
    return sorted(done, key=ended)


def ended(one: Done) -> datetime:
    return one.ended_at


def leave_out_known(reports: Sequence[Report]) -> None:
    """Drop what was stored before, and what reports on an action that was proposed: that one is linked."""
    asked = [
        (report.run, call)
        for report in reports
        for one in report.done
        for call in (one.call_id, *one.also_called)
    ]
    if not asked:
        return
    known = {
        (row.run_id, row.call_id): row.id
        for row in every(
            sql.KNOWN_CALLS, runs=[run for run, _ in asked], calls=[call for _, call in asked]
        )
    }
    named = named_actions(reports)
    links: dict[UUID, str] = {}
    for report in reports:
        kept: dict[str, Done] = {}
        for one in report.done:
            action = named.get((report.agent, one.is_action)) if one.is_action else None
            for call in one.also_called:
                action = action or known.get((report.run, call))
            if action is not None:
                links[action] = tracing.trace_url(one.call_id.partition(".")[0])
            elif (report.run, one.call_id) not in known:
                kept.setdefault(one.call_id, one)
        report.done = list(kept.values())
    if any(links.values()):
        run(sql.LINK, actions=list(links), urls=list(links.values()))


def named_actions(reports: Sequence[Report]) -> dict[tuple[UUID, str], UUID]:
    """The actions that spans name themselves (`watchfloor.action.id`), by agent and the text they were named by."""
    asked = {
        (report.agent, one.is_action): id
        for report in reports
        for one in report.done
        if one.is_action and (id := tracing.uuid_of(one.is_action)) is not None
    }
    if not asked:
        return {}
    owners = {
        row.id: row.agent_id for row in every(sql.OWNERS, actions=sorted(set(asked.values())))
    }
    return {key: id for key, id in asked.items() if owners.get(id) == key[0]}
