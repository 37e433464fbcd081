"""Writes reports of what was done: actions, windows, accounts, sums, entries and trips, in the caller's transaction.

One way in for the agents' own observations and for spans. The agents and runs are locked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection
from uuid_utils import uuid7

from audit.arrays import array, binaries, flat
from audit.bell import ring
from audit.record import Note, record_all
from audit.record import entries as recorded

from .. import batches as sql
from .. import prices
from ..rules.done import Done
from . import tripping
from .charging import Charged, charge, cost_of, price, tell
from .trip import Rows, Trip
from .watching import Before, Report, Watched, Work, ask_before, watch

WIDTHS = (10, 3600)
FEW = 16
"""Actions that are written together with their sums; above that, COPY is worth its own trips."""


@dataclass
class Facts:
    """What has to be known of the runs that reports are about, read once their agents are locked."""

    breakers: Rows
    """`(run, breakers)`: as `agents_report_breakers` gives them."""
    costs: Rows
    """`(prices, has_budgets)`: the version of the price table, and whether any of the teams has a budget."""
    before: Before


def ask_facts(
    trip: Trip, works: Sequence[Work], now: datetime, *, teams: Collection[UUID]
) -> Facts:
    """`teams`: see `watching.ask_before`."""
    agents, of, runs, _ = zip(*works, strict=True) if works else ((), (), (), ())
    return Facts(
        trip.ask(sql.BREAKERS, agents=flat(agents), teams=flat(of), runs=flat(runs), now=now),
        trip.ask(sql.COSTS, teams=flat(set(of))),
        ask_before(trip, works, now, teams=teams),
    )


def write(
    reports: Iterable[Report],
    facts: Facts,
    now: datetime,
    notes: Sequence[Note] = (),
    *,
    is_last: bool = False,
) -> None:
    """Judge all reports against the windows as they were, then write them, after `notes` in the record.

    `is_last`: the caller writes nothing after it, so that the COMMIT need not wait for an answer.
    """
    reports = sorted(
        (one for one in reports if one.done), key=lambda one: (one.team, one.agent, one.run)
    )
    if not reports:
        record_all(notes)
        return
    costs = facts.costs.fetchone()
    book = prices.known(costs.prices)
    price(reports, prices.book() if book is None else book)
    texts = {row.run: row.breakers for row in facts.breakers}
    watched = watch(reports, [texts[one.run] for one in reports], facts.before, now)
    charged = charge(reports, now) if costs.has_budgets else Charged({}, {}, frozenset())
    rows = [rows_of(report, charged.accounts) for report in reports]
    ids = [[row.id for row in of_report] for of_report in rows]
    is_few = sum(map(len, rows)) <= FEW
    if not is_few:
        copy(rows)
    with Trip() as trip:
        if is_few:
            trip.send(sql.ADD_ACTIONS, sql.added(list(chain.from_iterable(rows))))
        keep_habits(trip, watched)  # before windows, as settlements do: a team shares both
        count(trip, watched)
        sum_up(trip, reports, now)
        trip.send(*recorded([*notes, *entries(reports, ids)]))
        if is_last and not charged.ids and not any(seen.offences for seen in watched):
            trip.commit()
    for seen, of_report in zip(watched, ids, strict=True):
        open_breakers(seen, of_report, now)
    tell(charged, reports, now)
    ring(*{topic for one in reports for topic in topics(one)}, "agents")


def rows_of(report: Report, accounts: dict[UUID, str]) -> list[sql.Row]:
    """Its actions, with ids in their order."""
    agent, run, held = str(report.agent), str(report.run), accounts.get(report.run, "{}")
    ids = sorted([str(uuid7()) for _ in report.done])
    return [
        sql.Row(done, id, agent, run, report.on_behalf_of, held)
        for id, done in zip(ids, report.done, strict=True)
    ]


def copy(rows: Iterable[list[sql.Row]]) -> None:
    """Insert many actions."""
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(sql.COPY_ACTIONS) as into,
    ):
        for of_report in rows:
            # the database reads this while we write the next
            into.write("".join(map(sql.line, of_report)))


def count(trip: Trip, watched: Sequence[Watched]) -> None:
    """Add to the windows, each action in the slot in which it ended."""
    slots: dict[tuple[UUID, int, int], list[Any]] = {}
    for seen in watched:
        report = seen.report
        owners = [report.agent]
        owners += [report.run] if seen.counted.run else []
        owners += [report.team] if seen.counted.team else []
        for slot, sums in by_slot(seen).items():
            for owner in owners:
                for width in WIDTHS:
                    key = (owner, width, slot * WIDTHS[0] // width)
                    known = slots.get(key)
                    slots[key] = (
                        sums if known is None else [a + b for a, b in zip(known, sums, strict=True)]
                    )
    rows = [(*key, *slots[key]) for key in sorted(slots)]
    filled = map(flat, zip(*rows, strict=True))
    trip.ask(sql.COUNT, **dict(zip(sql.SLOT_COLUMNS, filled, strict=True)))


def by_slot(seen: Watched) -> dict[int, list[Any]]:
    """`[actions, finished, failures, slow, unusual, tokens, cost]` by narrow slot."""
    slots: defaultdict[int, list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0, 0, Decimal(0)])
    for at, done in enumerate(seen.report.done):
        sums = slots[done.ended_us // (WIDTHS[0] * 10**6)]
        sums[0] += 1
        sums[1] += 1
        sums[2] += done.failed
        sums[3] += at in seen.slow
        sums[4] += at in seen.unusual
        sums[5] += done.tokens
        if done.cost_usd:
            sums[6] += done.cost_usd
    return slots


def sum_up(trip: Trip, reports: Sequence[Report], now: datetime) -> None:
    trip.ask(
        sql.SUM_RUNS,
        runs=flat(one.run for one in reports),
        actions=flat(len(one.done) for one in reports),
        failures=flat(sum(done.failed for done in one.done) for one in reports),
        inputs=flat(sum(done.input_tokens for done in one.done) for one in reports),
        outputs=flat(sum(done.output_tokens for done in one.done) for one in reports),
        costs=flat(cost_of(one.done) for one in reports),
        steps=binaries(one.steps for one in reports),
        now=now,
    )


def keep_habits(trip: Trip, watched: Sequence[Watched]) -> None:
    """Which tools are used how often, and malformed outputs in a row: only where a breaker looks at them."""
    uses: defaultdict[tuple[UUID, str], int] = defaultdict(int)
    for seen in watched:
        if seen.counted.tools:
            uses[seen.report.agent, ""] += len(seen.report.done)
            for tool, times in Counter([done.tool for done in seen.report.done]).items():
                uses[seen.report.agent, tool] += times
    keep_streaks(
        trip, [s for s in watched if any(one.condition == "malformed" for one in s.breakers)]
    )
    if uses:
        keys = sorted(uses)
        trip.ask(
            sql.USED,
            agents=flat(agent for agent, _ in keys),
            tools=array(tool for _, tool in keys),
            uses=flat(uses[key] for key in keys),
        )


def keep_streaks(trip: Trip, watched: Sequence[Watched]) -> None:
    """In their order: runs and agents share what they keep. Good outputs one after the other end it together."""
    ended: set[UUID] = set()
    for seen in watched:
        (over, bad), owners = seen.malformed, owners_of(seen.report)
        if over:
            ended.update(owners)
        if bad:
            end_streaks(trip, ended)
            trip.ask(sql.STREAKS_LONGER, owners=flat(owners), more=flat([bad] * len(owners)))
            ended = set()
    end_streaks(trip, ended)


def end_streaks(trip: Trip, owners: set[UUID]) -> None:
    if owners:
        trip.ask(sql.STREAKS_OVER, owners=flat(sorted(owners)))


def owners_of(report: Report) -> list[UUID]:
    return sorted((report.agent, report.run, report.team))


def entries(reports: Sequence[Report], ids: Sequence[Sequence[str]]) -> list[Note]:
    """One entry a run, with what proves the rows; a line for each would be a copy of the table."""
    return [
        Note(
            kind="actions.observed",
            actor=f"agent:{report.agent}",
            about=f"agents.run:{report.run}",
            team=str(report.team),
            agent=str(report.agent),
            run=str(report.run),
            summary=f"{len(mine)} observed",
            data={
                "count": len(mine),
                "first": mine[0],
                "last": mine[-1],
                "sha256": proof(mine, report.done),
            },
        )
        for report, mine in zip(reports, ids, strict=True)
    ]


def proof(ids: Sequence[str], done: Sequence[Done]) -> str:
    """SHA-256 over one line an action, in the order of ids: see docs/telemetry.md."""
    whole = sha256()
    for id, one in zip(ids, done, strict=True):
        state = "failed" if one.failed else "succeeded"
        whole.update(f"{id} {one.call_id} {one.digest.hex()} {state} {one.tokens}\n".encode())
    return whole.hexdigest()


def open_breakers(seen: Watched, ids: Sequence[str], now: datetime) -> None:
    """Write what the actions opened. They are in the windows already, and their ids in the evidence."""
    report = seen.report
    for offence in seen.offences:
        done = report.done[offence.at]
        tripping.opened(
            offence.tripped,
            offence.shadows,
            offence.event,
            steps=offence.steps,
            agent_id=report.agent,
            run_id=report.run,
            at=now,
            evidence={"item": done.item, "tool": done.tool, "action": ids[offence.at]},
        )


def topics(report: Report) -> tuple[str, ...]:
    return f"run.{report.run}", f"agent.{report.agent}", f"agents.{report.team}"
