"""Spans become actions of the right run, once

What happened is never refused: a terminated run's late spans are stored, and marked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.arrays import array, flat

from .. import batches as sql
from ..models import AgentState, RunState
from ..otlp.reading import Export, uuid_of
from ..rules.done import Done
from . import recalling, tracing
from .rows import ask
from .together import whole_team
from .tracing import Traced
from .trip import Rows, Trip
from .watching import Report, Work
from .writing import Facts, ask_facts, write


class Told(NamedTuple):
    """One request of one agent, read."""

    agent: UUID
    export: Export
    key: bytes = b""
    """SHA-256 of the key it came with, if it came with one."""


class Read(NamedTuple):
    """What has to be known before reports are judged. Agents and runs are locked."""

    agents: dict[UUID, Any]
    """Their rows, by id."""
    fresh: Sequence[Traced]
    """Those whose runs begin with this."""
    of_run: dict[UUID, Traced]
    runs: dict[UUID, Any]
    """Their rows, by id."""
    facts: Facts


@transaction.atomic
def store(told: Sequence[Told]) -> None:
    """Store what is new of these requests, judge it, keep their runs. All or nothing; again is harmless.

    Raises Revoked.
    """
    traces = tracing.merged((one.agent, trace) for one in told for trace in one.export.traces)
    keys = frozenset(one.key for one in told if one.key)
    now = timezone.now()
    read = recalled(traces, keys, now) or found_out(traces, keys, now)
    agents, fresh = read.agents, read.fresh
    found = [(one, read.runs[id]) for id, one in read.of_run.items()]
    write(
        [report(one, agents[one.agent], row) for one, row in found],
        read.facts,
        now,
        [tracing.note("run.started", one, agents, tracing.name_of(one)) for one in fresh],
        is_last=not any(tracing.tells_of_its_run(one, row) for one, row in found),
    )
    tracing.keep(found, agents)


store_alone = whole_team(store)
"""Where a breaker of a whole team opens: all its agents are locked, in the order of their ids, before anything else."""


def recalled(traces: Sequence[Traced], keys: frozenset[bytes], now: datetime) -> Read | None:
    """All on one trip, where these traces were seen before, and are what they were. Raises Revoked."""
    guessed = recalling.recall(traces)
    if not guessed:
        return None
    of_run = {seen.run: one for one, seen in guessed}
    team_of = {one.agent: seen.team for one, seen in guessed}
    with Trip() as trip:
        who = tracing.ask_who(trip, traces, keys)
        counting = {seen.team for _, seen in guessed if seen.counts_in_team}
        asked = ask_of(trip, of_run, team_of, counting, now)
    agents, runs = who.known(keys), {row.id: row for row in asked.locked}
    if not recalling.holds_true(guessed, agents, runs):
        return None
    leave_out_known(of_run.values(), asked.known, asked.named)
    return Read(agents, (), of_run, runs, asked.facts)


def found_out(traces: Sequence[Traced], keys: frozenset[bytes], now: datetime) -> Read:
    """First which runs these are, and those that begin; then what is known of them. Raises Revoked."""
    named = [recalling.key_of(one) for one in traces]
    agents = tracing.find(traces, keys)
    fresh = tracing.without_run(traces)
    recalling.remember(zip(named, traces, strict=True), agents)
    of_run = tracing.by_run(traces)
    begun = {one.run_id for one in fresh}
    counted = [one for one in fresh if agents[one.agent].is_judged_by_starts]
    fresh = [one for one in fresh if not agents[one.agent].is_judged_by_starts]
    if counted:
        tracing.begin_judged(counted, agents, now)
        agents = locked_again(agents)
    team_of = {id: row.team_id for id, row in agents.items()}
    with Trip() as trip:
        tracing.begin(fresh, agents, now, trip.ask)
        counting = {row.team_id for row in agents.values() if row.counts_in_team}
        asked = ask_of(trip, of_run, team_of, counting, now, begun=begun)
    leave_out_known(of_run.values(), asked.known, asked.named)
    return Read(agents, fresh, of_run, {row.id: row for row in asked.locked}, asked.facts)


class Asked(NamedTuple):
    """Of runs, on a trip that locks them."""

    locked: Rows
    known: Iterable[Any]
    named: Iterable[Any]
    facts: Facts


def ask_of(
    trip: Trip,
    of_run: dict[UUID, Traced],
    team_of: dict[UUID, UUID],
    counting: Collection[UUID],
    now: datetime,
    *,
    begun: Collection[UUID | None] = (),
) -> Asked:
    """`team_of` agents; `counting` are the teams of which a breaker counts items. Runs that begin here have no calls yet."""
    works = [Work(one.agent, team_of[one.agent], id, one.done) for id, one in of_run.items()]
    return Asked(
        trip.ask(sql.LOCK_RUNS, runs=flat(sorted(of_run))),
        ask_known(trip, [one for id, one in of_run.items() if id not in begun]),
        ask_named(trip, of_run.values()),
        ask_facts(trip, works, now, teams=counting),
    )


def locked_again(agents: Iterable[UUID]) -> dict[UUID, Any]:
    """The agents as they are after their runs' starts were judged."""
    return {row.id: row for row in ask(sql.LOCK_AGENTS, agents=flat(sorted(agents)))}


def report(one: Traced, agent: Any, row: Any) -> Report:
    """In the order in which it ended; marked where that was after a person had ended the run."""
    if row.state == RunState.TERMINATED:
        for done in one.done:
            if done.ended_at > row.finished_at:
                done.code, done.why = "after_stop", "Reported after this run was terminated."
    return Report(
        agent=one.agent,
        team=agent.team_id,
        run=row.id,
        done=sorted(one.done, key=ended),
        is_under_way=row.state == RunState.RUNNING and agent.state == AgentState.ACTIVE,
        on_behalf_of=row.on_behalf_of,
        steps=bytes(row.steps),
    )


def ended(one: Done) -> int:
    return one.ended_us


def ask_known(trip: Trip, traces: Sequence[Traced]) -> Iterable[Any]:
    """Which calls these runs have already, under every name that the spans give them."""
    runs: list[str] = []
    calls: list[str] = []
    for trace in traces:
        run = str(trace.run_id)
        for one in trace.done:
            for call in (one.call_id, *one.also_called):
                runs.append(run)
                calls.append(call)
    if not calls:
        return ()
    return trip.ask(sql.KNOWN_CALLS, runs=flat(runs), calls=array(calls))


def ask_named(trip: Trip, traces: Iterable[Traced]) -> Iterable[Any]:
    """Whose actions those are that spans name themselves (`watchfloor.action.id`)."""
    said = {uuid_of(one.is_action) for trace in traces for one in trace.done if one.is_action}
    ids = sorted(id for id in said if id is not None)
    return trip.ask(sql.OWNERS, actions=flat(ids)) if ids else ()


def leave_out_known(traces: Iterable[Traced], known: Iterable[Any], named: Iterable[Any]) -> None:
    """Drop what was stored before, and what reports on an action that was proposed: that one is linked."""
    calls = {(row.run_id, row.call_id): row.id for row in known}
    owners = {row.id: row.agent_id for row in named}
    links: dict[UUID, str] = {}
    for trace in traces:
        kept: dict[str, Done] = {}
        for one in trace.done:
            action = uuid_of(one.is_action)
            if action is None or owners.get(action) != trace.agent:
                action = next(
                    (
                        calls[key]
                        for call in one.also_called
                        if (key := (trace.run_id, call)) in calls
                    ),
                    None,
                )
            if action is not None:
                links[action] = tracing.trace_url(one.call_id.partition(".")[0])
            elif (trace.run_id, one.call_id) not in calls:
                kept.setdefault(one.call_id, one)
        trace.done = list(kept.values())
    if any(links.values()):
        ask(sql.LINK, actions=list(links), urls=list(links.values()))
