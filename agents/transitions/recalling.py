"""Which run a trace had when this process saw it last: then all that has to be known can be asked on one trip

A trace comes in many requests. What is recalled is a guess: whoever uses it looks whether it holds true once the
agents and runs are locked, and else finds out the long way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from .tracing import Traced

MOST = 10_000
"""Traces; once there are more, all are forgotten."""

type Key = tuple[UUID, str, UUID | None]
"""Agent, trace, and the run that the agent named."""


class Seen(NamedTuple):
    run: UUID
    team: UUID
    """Its agent's."""
    counts_in_team: bool
    """Whether a breaker of the whole team counts items."""


_seen: dict[Key, Seen] = {}


def key_of(one: Traced) -> Key:
    return one.agent, one.trace_id, one.run_id


def recall(traces: Sequence[Traced]) -> list[tuple[Traced, Seen]]:
    """The traces with their runs; empty unless all are recalled, each with a run of its own."""
    found = [(one, _seen.get(key_of(one))) for one in traces]
    known = [(replace(one, run_id=seen.run), seen) for one, seen in found if seen is not None]
    is_whole = len(known) == len(traces) == len({seen.run for _, seen in known})
    return known if is_whole else []


def holds_true(
    guessed: Iterable[tuple[Traced, Seen]], agents: dict[UUID, Any], runs: dict[UUID, Any]
) -> bool:
    """Agents and runs, as they are now under lock, by id."""
    return all(
        (agent := agents.get(one.agent)) is not None
        and (run := runs.get(seen.run)) is not None
        and (agent.team_id, agent.counts_in_team) == seen[1:]
        and run.agent_id == one.agent
        for one, seen in guessed
    )


def remember(traces: Iterable[tuple[Key, Traced]], agents: dict[UUID, Any]) -> None:
    """Which run each of these has now."""
    if len(_seen) > MOST:
        _seen.clear()
    for key, one in traces:
        if one.run_id is not None:
            agent = agents[one.agent]
            _seen[key] = Seen(one.run_id, agent.team_id, agent.counts_in_team)
