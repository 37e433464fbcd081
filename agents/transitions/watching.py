"""What breakers say to a report of many actions: facts read once, folded over one after the other. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from audit.arrays import array, flat

from .. import batches as sql
from ..rules.breakers import Tripped, loops, malformed_of, opening, shadowed
from ..rules.breakers.batch import BatchWatch, Shared, Sums, Tries
from ..rules.breakers.gauges import ends_row, is_slow, is_unusual
from ..rules.done import Done, moment
from ..rules.facts import BreakerFacts, Event
from ..statements import Counted
from ..weighing import breakers_decoder, counted_for, first_of
from .trip import Rows, Trip

NOTHING = Decimal(0)

decode = msgspec.json.Decoder().decode


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


def watch(
    reports: Sequence[Report], read: Sequence[str], before: Before, now: datetime
) -> list[Watched]:
    """Judge each report in the order things happened, against the windows as they were.

    `read` are the breakers of each report's run as `agents_breakers_json` gives them.
    """
    decoded = [breakers_decoder.decode(text) for text in read]
    watched = [
        Watched(report, breakers, counted_for(breakers))
        for report, breakers in zip(reports, decoded, strict=True)
    ]
    facts = facts_of(watched, before)
    shared = Shared(facts.tries.get(None, {}))
    stopped: set[UUID] = set()
    for seen in watched:
        watching = BatchWatch(
            seen.breakers,
            shared,
            now=now,
            steps=seen.report.steps,
            tries=facts.tries.setdefault(seen.report.run, {}),
        )
        uses = facts.uses.get(seen.report.agent)
        if not judged_as_a_whole(seen, watching, uses):
            fold(seen, watching, uses, stopped)
        seen.report.steps = watching.steps
    return watched


def judged_as_a_whole(seen: Watched, watching: BatchWatch, uses: Counter[str] | None) -> bool:
    """Most reports come nowhere near a limit: their sums tell that none of their actions can open anything."""
    done = seen.report.done
    circles = any(one.condition == "loop" for one in seen.breakers)
    steps = [one for one in done if one.is_step] if circles else []
    for one in steps:
        one.fingerprint = fingerprint_of(one, error_of(one))
    if not watching.is_within(moment(min([one.ended_us for one in done]))):
        return False
    items = Counter([(one.item, one.tool) for one in done])
    tools = Counter([one.tool for one in done])
    alike = Counter([one.fingerprint[: loops.KEPT] for one in steps])
    alike.update(loops.split(seen.report.steps))
    for one in done:
        one.malformed = one.failed and malformed_of(error_of(one).get("type", ""), one.kind)
    sums = Sums(
        events=len(done),
        failures=sum(one.failed for one in done),
        malformed=sum(one.malformed for one in done),
        tokens=sum(one.tokens for one in done),
        cost_usd=sum((one.cost_usd for one in done if one.cost_usd), NOTHING),
        most_tries=watching.most_tries(items),
        longest_ms=max([one.duration_ms or 0 for one in done]),
        uses=uses[""] if uses is not None else 0,
        fewest_uses=min([uses[tool] for tool in tools]) if uses is not None else 0,
        most_alike=max(alike.values(), default=0),
    )
    if not watching.stays_calm(sums):
        return False
    watching.skip(sums, items)
    for one in steps[-loops.REMEMBERED :]:
        watching.steps = loops.append(watching.steps, one.fingerprint, one.ended_at)
    if uses is not None:
        uses.update(tools)
        uses[""] += len(done)
    seen.malformed = any(one.kind == "model" and not one.failed for one in done), 0
    return True


def fold(
    seen: Watched, watching: BatchWatch, uses: Counter[str] | None, stopped: set[UUID]
) -> None:
    """Let every action be judged; nothing trips what is paused already."""
    report, breakers = seen.report, seen.breakers
    slow, unusual = first_of("slow", breakers), first_of("unusual", breakers)
    circles = any(one.condition == "loop" for one in breakers)
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
        elif ends_row(event):
            over, bad = True, 0
        before = watching.steps
        watching.look_at(done.ended_at)
        found = watching.step(event)
        if found and report.is_under_way and report.agent not in stopped:
            offence = Offence(at, event, before, opening(found), shadowed(found))
            take(seen, watching, offence, stopped)
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
    error = error_of(done)
    before = (0, 0) if uses is None else (uses[""], uses[done.tool])
    if uses is not None:
        uses.update(("", done.tool))
    return Event(
        "observed",
        tool=done.tool,
        item=done.item,
        failed=done.failed,
        malformed=bool(error) and malformed_of(error.get("type", ""), done.kind),
        tokens=done.tokens,
        cost_usd=done.cost_usd or NOTHING,
        duration_ms=done.duration_ms,
        fingerprint=done.fingerprint or fingerprint_of(done, error)
        if circles and done.is_step
        else b"",
        uses=before[0],
        tool_uses=before[1],
        kind=done.kind,
        at=done.ended_at,
    )


def fingerprint_of(done: Done, error: dict[str, Any]) -> bytes:
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


def error_of(done: Done) -> dict[str, Any]:
    """`{type, message}`, empty when it succeeded."""
    return decode(done.error_json) if done.error_json else {}


@dataclass
class Facts:
    """What judging a batch needs beside the breakers themselves."""

    tries: dict[UUID | None, Tries] = field(default_factory=dict)
    """By run for breakers of runs; under None for all others."""
    uses: dict[UUID, Counter[str]] = field(default_factory=dict)
    """By agent: how often it acted, and used each of these tools."""


class Work(NamedTuple):
    """What was done in one run, as far as it is known before the run is."""

    agent: UUID
    team: UUID
    run: UUID
    done: Sequence[Done]


class Before(NamedTuple):
    """What was done before, asked for on a trip."""

    tries: Sequence[Rows]
    """How often each item was worked on, for breakers that count that: agents' own, then teams'."""
    uses: Rows
    """How often agents used what they use now."""


def ask_before(
    trip: Trip, works: Sequence[Work], now: datetime, *, teams: Collection[UUID]
) -> Before:
    """`teams` are those of which a breaker of the whole team may count items.

    Whether an agent's breakers look at any of it turns out on the same trip: waiting for that would take longer.
    """
    asked = (
        ask_tries(trip, works, now, of_teams=False),
        ask_tries(trip, [one for one in works if one.team in teams], now, of_teams=True),
    )
    return Before([rows for rows in asked if rows is not None], ask_uses(trip, works))


def facts_of(watched: Sequence[Watched], before: Before) -> Facts:
    facts = Facts()
    for rows in before.tries:
        for row in rows:
            facts.tries.setdefault(row.run, {})[row.breaker, row.item, row.tool] = row.tries
    for seen in watched:
        if seen.counted.tools:
            facts.uses.setdefault(seen.report.agent, Counter())
    for row in before.uses:
        if row.agent_id in facts.uses:
            facts.uses[row.agent_id][row.tool] = row.uses
    return facts


def ask_tries(trip: Trip, works: Sequence[Work], now: datetime, *, of_teams: bool) -> Rows | None:
    items: set[tuple[str, str, str]] = set()
    for one in works:
        owner = str(one.team if of_teams else one.agent)
        items.update((owner, done.item, done.tool) for done in one.done if not done.is_single)
    if not items:
        return None
    owners, names, tools = zip(*items, strict=True)
    return trip.ask(
        sql.ITEMS_OF_TEAMS if of_teams else sql.ITEMS_OF_AGENTS,
        owners=flat(owners),
        items=array(names),
        tools=array(tools),
        now=now,
    )


def ask_uses(trip: Trip, works: Sequence[Work]) -> Rows:
    wanted: set[tuple[str, str]] = set()
    for one in works:
        agent = str(one.agent)
        wanted.add((agent, ""))
        wanted.update((agent, tool) for tool in {done.tool for done in one.done})
    agents, tools = zip(*wanted, strict=True) if wanted else ((), ())
    return trip.ask(sql.USES, agents=flat(agents), tools=array(tools))
