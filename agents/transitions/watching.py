"""What breakers say to a report of many actions: facts read once, folded over one after the other. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from .. import batches as sql
from ..rules.breakers import Tripped, loops, malformed_of, opening, shadowed
from ..rules.breakers.batch import BatchWatch, Shared
from ..rules.breakers.gauges import is_slow, is_unusual
from ..rules.done import Done
from ..rules.facts import BreakerFacts, Event
from ..statements import Counted
from ..weighing import breakers_decoder, counted_for, first_of
from .rows import every

NOTHING = Decimal(0)


@dataclass
class Report:
    """What was done in one run whose agent and row are locked."""

    agent: UUID
    team: UUID
    run: UUID
    done: list[Done]
    is_under_way: bool
    """Neither the run nor its agent is paused or over: only then can anything trip."""
    on_behalf_of: str = ""
    steps: bytes = b""


@dataclass
class Offence:
    """What one action opened."""

    at: int
    """Its position in the report."""
    event: Event
    steps: bytes
    """The run's fingerprints before it."""
    tripped: Tripped | None
    shadows: list[Tripped]


@dataclass
class Watched:
    """What a report came to."""

    report: Report
    breakers: list[BreakerFacts]
    counted: Counted
    offences: list[Offence] = field(default_factory=list)
    slow: set[int] = field(default_factory=set)
    """Positions in `report.done`."""
    unusual: set[int] = field(default_factory=set)
    malformed: tuple[bool, int] = (False, 0)
    """Whether a good output ended the row of bad ones, and how many bad ones came since."""


def watch(reports: Sequence[Report], now: datetime) -> list[Watched]:
    """Judge each report in the order things happened, against the windows as they were."""
    read = breakers_of(reports, now)
    resets = resets_of(read)
    items = items_of(reports, read, now)
    shared = Shared()
    stopped: set[UUID] = set()
    watched = []
    for report, breakers in zip(reports, read, strict=True):
        seen = Watched(report, breakers, counted_for(breakers))
        watching = BatchWatch(
            breakers,
            shared,
            now=now,
            steps=report.steps,
            items=items.get(report.run, {}),
            resets=resets,
        )
        fold(seen, watching, stopped)
        report.steps = watching.steps
        watched.append(seen)
    return watched


def fold(seen: Watched, watching: BatchWatch, stopped: set[UUID]) -> None:
    """Let every action be judged; nothing trips what is paused already."""
    report, breakers = seen.report, seen.breakers
    slow, unusual = first_of("slow", breakers), first_of("unusual", breakers)
    circles = any(one.condition == "loop" for one in breakers)
    uses = uses_of(report) if seen.counted.tools else None
    over, bad = False, 0
    for at, done in enumerate(report.done):
        event = event_of(done, circles=circles, uses=uses)
        done.fingerprint, done.malformed = event.fingerprint, event.malformed
        if slow is not None and is_slow(slow, event):
            seen.slow.add(at)
        if unusual is not None and is_unusual(unusual, event):
            seen.unusual.add(at)
        if event.malformed:
            bad += 1
        elif not event.failed:
            over, bad = True, 0
        before = watching.steps
        watching.look_at(done.ended_at)
        found = watching.step(event)
        if found and report.is_under_way and report.agent not in stopped:
            take(
                seen, watching, Offence(at, event, before, opening(found), shadowed(found)), stopped
            )
    seen.malformed = over, bad


def take(seen: Watched, watching: BatchWatch, offence: Offence, stopped: set[UUID]) -> None:
    """Keep what was opened. The first that opens ends it for the run or the agent; a shadow speaks once."""
    seen.offences.append(offence)
    watching.leave_out(one.breaker for one in offence.shadows)
    if offence.tripped is not None:
        seen.report.is_under_way = False
        if offence.tripped.breaker.scope != "run":
            stopped.add(seen.report.agent)


def event_of(done: Done, *, circles: bool, uses: Counter[str] | None) -> Event:
    error = msgspec.json.decode(done.error_json) if done.error_json else {}
    before = (0, 0) if uses is None else (uses[""], uses[done.tool])
    if uses is not None:
        uses.update(("", done.tool))
    return Event(
        "observed",
        tool=done.tool,
        item=done.item,
        failed=done.failed,
        malformed=malformed_of(error.get("type", "")) if error else False,
        tokens=done.tokens,
        cost_usd=done.cost_usd or NOTHING,
        duration_ms=done.duration_ms,
        fingerprint=fingerprint_of(done, error) if circles else b"",
        uses=before[0],
        tool_uses=before[1],
    )


def fingerprint_of(done: Done, error: dict[str, Any]) -> bytes:
    decode = msgspec.json.decode
    return loops.fingerprint(
        tool=done.tool,
        subject=done.subject,
        arguments=decode(done.arguments_json),
        result=error.get("message")
        if error
        else decode(done.result_json)
        if done.result_json
        else None,
    )


def breakers_of(reports: Sequence[Report], now: datetime) -> list[list[BreakerFacts]]:
    """The breakers of each report's run, in one trip."""
    rows = every(
        sql.BREAKERS,
        agents=[one.agent for one in reports],
        teams=[one.team for one in reports],
        runs=[one.run for one in reports],
        now=now,
    )
    found = {row.run: breakers_decoder.decode(row.breakers) for row in rows}
    return [found[one.run] for one in reports]


def resets_of(read: Sequence[Sequence[BreakerFacts]]) -> dict[str, datetime]:
    ids = sorted({one.id for breakers in read for one in breakers})
    return {row.id: row.reset_at for row in every(sql.RESETS, ids=ids)} if ids else {}


def items_of(
    reports: Sequence[Report], read: Sequence[Sequence[BreakerFacts]], now: datetime
) -> dict[UUID, dict[tuple[str, str, str], int]]:
    """By run: how often what was done had been done before, for breakers that count that."""
    found: dict[UUID, dict[tuple[str, str, str], int]] = {}
    for statement, of_team in ((sql.ITEMS, False), (sql.ITEMS_OF_TEAM, True)):
        asked = [
            (report.agent, report.run, one.id, item, tool)
            for report, breakers in zip(reports, read, strict=True)
            for one in breakers
            if one.condition == "repeats" and (one.scope == "team") is of_team
            for item, tool in {(one.item, one.tool) for one in report.done if not one.is_single}
        ]
        if not asked:
            continue
        agents, runs, ids, items, tools = map(list, zip(*asked, strict=True))
        for row in every(
            statement, agents=agents, runs=runs, breakers=ids, items=items, tools=tools, now=now
        ):
            found.setdefault(row.run, {})[row.breaker, row.item, row.tool] = row.tries
    return found


def uses_of(report: Report) -> Counter[str]:
    """How often the agent acted, and used each of these tools."""
    tools = ["", *{one.tool for one in report.done}]
    return Counter({row.tool: row.uses for row in every(sql.USES, agent=report.agent, tools=tools)})
