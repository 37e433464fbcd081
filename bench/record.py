"""What the record costs whoever writes it, and how fast it is sequenced, proved and verified with a million entries."""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from .decide import held
from .figures import percentile
from .floor import Floor
from .people import Browser, agent, lead

DECISIONS, WARM = 100, 10
ROUNDS = 4
ENTRIES, AT_ONCE = 1_000_000, 100_000
PROOFS = 300
VERIFIED = 100_000
"""Entries in the bundle that the client verifies."""

FILL = """
with line as (
    insert into audit_line (at, kind, actor, about, team, agent, run)
    select now() - interval '1 hour' + n * interval '3 milliseconds', 'action.allowed', 'agent:' || agent,
           'agents.action:' || lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000', team, agent, run
      from (select n, lpad((n %% 40)::text, 8, '0') || '-0000-7000-8000-000000000000' as agent,
                   lpad((n %% 5)::text, 8, '0') || '-0000-7000-8000-000000000000' as team,
                   lpad((n / 100)::text, 8, '0') || '-0000-7000-8000-000000000000' as run
              from generate_series(%(from)s, %(to)s - 1) n) wanted
    returning id, at),
payload as (
    insert into audit_payload (id, at, body)
    select id, at, '{"data": {"code": "", "rule": "", "tool": "search", "digest": "' || md5(id::text)
           || '", "claimed": true, "policy_version": "0.1"}, "summary": "search mail:' || id || '"}'
      from line)
insert into audit_pending (id) select id from line
"""


def measure(floor: Floor) -> dict[str, Any]:
    from audit import log, sequencing

    decision, append, written = decided(floor)
    sequencing.sequence_all()
    before = log.size()
    for start in range(0, ENTRIES, AT_ONCE):
        fill(start, start + AT_ONCE)
    vacuumed("line", "payload", "pending")
    started = time.monotonic()
    while sequencing.sequence():
        pass
    took = time.monotonic() - started
    assert log.size() == before + ENTRIES
    vacuumed("leaf", "tile", "checkpoint")
    proofs = proved()
    return {
        "append_share": round(append / decision, 3),
        "append_ms": round(append, 3),
        "decision_p50_ms": decision,
        "entries_of_a_decision": written,
        "sequence_per_s": int(ENTRIES / took),
        "proof_p95_ms": percentile(proofs, 0.95),
        "proof_p50_ms": percentile(proofs, 0.5),
        "verify_per_s": int(verified()),
        "entries": log.size(),
    }


# -- writing ----------------------------------------------------------------------------------------


def decided(floor: Floor) -> tuple[float, float, int]:
    """Milliseconds of a person's decision, and of writing just its entries, in the middle; and how many they are.

    In turn, so that a noisy neighbour meets both.
    """
    from audit.models import Entry

    lead()
    _, run, key = agent("asker", gated=True)
    person = Browser(floor)
    times, appends = [], []
    with httpx.Client(base_url=f"{floor.url}/api/v1") as http:
        for n in range(DECISIONS + WARM):
            hold = held(http, str(run.pk), key, f"call-{n}")
            newest = Entry.objects.values_list("pk", flat=True).latest("pk")
            times.append(timed(person, hold))
            written = list(Entry.objects.filter(pk__gt=newest).order_by("pk"))
            assert {"hold.approved"} <= {entry.kind for entry in written}
            appends += appended(written)
    middle = statistics.median(appends[WARM * ROUNDS :])
    return percentile(times[WARM:], 0.5), middle, len(written)


def timed(person: Browser, hold: str) -> float:
    started = time.perf_counter()
    assert person.approves(hold)
    return (time.perf_counter() - started) * 1000


@dataclass
class Subject:
    record_name: str
    record_scope: dict[str, str]


def appended(entries: Sequence[Any]) -> list[float]:
    """Milliseconds that writing just these entries takes, several times, within a transaction that is open."""
    from django.db import transaction

    from audit.record import record

    wanted = [
        (entry, Subject(entry.about, {name: getattr(entry, name) for name in SCOPE}))
        for entry in entries
    ]
    times = []
    for _ in range(ROUNDS):
        with transaction.atomic():
            started = time.perf_counter()
            for entry, about in wanted:
                record(
                    entry.kind,
                    actor=entry.actor,
                    about=about,
                    summary=entry.summary,
                    data=entry.data,
                )
            times.append((time.perf_counter() - started) * 1000)
    return times


SCOPE = ("team", "agent", "run")


def fill(start: int, end: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(FILL, {"from": start, "to": end})


def vacuumed(*tables: str) -> None:
    """As their owner, who alone may."""
    url = os.environ.get("WATCHFLOOR_OWNER_DATABASE_URL") or os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as owner:
        for table in tables:
            owner.execute(f"vacuum analyze audit_{table}".encode())


# -- proving ----------------------------------------------------------------------------------------


def proved() -> list[float]:
    """Milliseconds from an entry's number to a proof that stands for itself, for entries anywhere."""
    from audit import log
    from audit.models import Line

    newest = Line.objects.values_list("pk", flat=True).latest("pk")
    choose = random.Random(1)
    times = []
    for _ in range(PROOFS):
        wanted = choose.randint(newest - ENTRIES + 1, newest)
        started = time.perf_counter()
        leaf = log.leaf_of(wanted)
        assert leaf is not None
        text = log.proof_text(leaf.index)
        times.append((time.perf_counter() - started) * 1000)
        assert text.startswith("c2sp.org/tlog-proof@v1\n")
    return times


def verified() -> float:
    """Entries a second that the client verifies, all of a bundle's files and signatures included."""
    from django.utils import timezone

    from audit import log
    from audit.evidence.scope import Scope
    from audit.evidence.writing import write
    from audit.models import Line
    from watchfloor.evidence.bundle import verify_bundle

    last = Line.objects.filter(kind="action.allowed").latest("pk")
    since = last.at - timedelta(milliseconds=3 * VERIFIED)
    scope = Scope("measured", since=since, until=last.at)
    with tempfile.TemporaryDirectory() as folder:
        written = write(scope, Path(folder), by="bench", at=timezone.now())
        started = time.perf_counter()
        report = verify_bundle(folder, keys=[log.vkey()], workers=os.cpu_count() or 1)
        took = time.perf_counter() - started
    assert report.proved, report
    return written.count / took
