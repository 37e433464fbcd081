"""The past as breakers judge it: what agents did, cut into the moments at which rules looked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Literal, NamedTuple

from ..facts import Event

type Outcome = Literal["denied", "refused", "open", "succeeded", "failed", "released", "observed"]
"""Refused: a breaker or budget tripped on it, so it never ran. Released: its reservation was given back.
Observed: it was reported when it was over, without asking; `failed` says how it went."""


class Done(NamedTuple):
    """One action as it was recorded. `ended_at` is when its outcome came, or it was given up."""

    id: str
    agent: str
    run: str
    tool: str
    item: str
    asked_at: datetime
    outcome: Outcome
    ended_at: datetime | None = None
    failed: bool = False
    malformed: bool = False
    kind: str = ""
    estimated_tokens: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    duration_ms: int | None = None
    fingerprint: bytes = b""
    waited_until: datetime | None = None
    """A person was asked, and answered then (or it is still waiting: the end of what is looked at)."""


class Began(NamedTuple):
    """A run that was started. `ended_at` is None while it is under way."""

    id: str
    agent: str
    started_at: datetime
    ended_at: datetime | None = None


class Stopped(NamedTuple):
    """A stop that really was: of a run, or (run empty) of a whole agent."""

    agent: str
    run: str
    at: datetime
    until: datetime


class Moment(NamedTuple):
    """Something a rule looked at, or (event None) a reservation that was given back."""

    at: datetime
    agent: str
    run: str
    event: Event | None
    done: Done | None = None


def moments(actions: Iterable[Done], runs: Iterable[Began] = ()) -> list[Moment]:
    """In the order in which they happened."""
    found = [m for run in runs for m in (began(run),)]
    for action in actions:
        found += of_action(action)
    found.sort(key=attrgetter("at"))
    return found


def began(run: Began) -> Moment:
    return Moment(run.started_at, run.agent, run.id, Event("started"))


def of_action(done: Done) -> Iterator[Moment]:
    if done.outcome == "observed":
        yield _moment(done, done.ended_at or done.asked_at, observed(done))
        return
    denied = done.outcome == "denied"
    yield _moment(done, done.asked_at, asked(done, denied=denied))
    if done.ended_at is None or denied or done.outcome in ("open", "refused"):
        return
    # What came back in the same instant still came after it was asked.
    ended = max(done.ended_at, done.asked_at + timedelta(microseconds=1))
    yield _moment(done, ended, None if done.outcome == "released" else settled(done, ended))


def _moment(done: Done, at: datetime, event: Event | None) -> Moment:
    return Moment(at, done.agent, done.run, event, done)


def asked(done: Done, *, denied: bool) -> Event:
    return Event(
        "denied" if denied else "proposed",
        tool=done.tool,
        item=done.item,
        tokens=0 if denied else done.estimated_tokens,
        cost_usd=Decimal(0) if denied else done.estimated_cost_usd,
    )


def settled(done: Done, at: datetime) -> Event:
    return Event(
        "settled",
        tool=done.tool,
        item=done.item,
        failed=done.failed,
        malformed=done.malformed,
        tokens=done.tokens - done.estimated_tokens,
        cost_usd=done.cost_usd - done.estimated_cost_usd,
        duration_ms=done.duration_ms,
        fingerprint=done.fingerprint,
        kind=done.kind,
        at=at,
        reserved_tokens=done.estimated_tokens,
        reserved_cost_usd=done.estimated_cost_usd,
        reserved_s=(at - done.asked_at).total_seconds(),
    )


def observed(done: Done) -> Event:
    return Event(
        "observed",
        tool=done.tool,
        item=done.item,
        failed=done.failed,
        malformed=done.malformed,
        tokens=done.tokens,
        cost_usd=done.cost_usd,
        duration_ms=done.duration_ms,
        fingerprint=done.fingerprint,
        kind=done.kind,
        at=done.ended_at or done.asked_at,
    )
