"""How well the record is proved: its log, keys, checkpoints, anchors, and whatever is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from audit import log
from audit.models import Checkpoint, Log
from dashboard.templatetags.words import in_words

from .charts import Chart

LATE = timedelta(seconds=60)
"""A line that waits longer for its place is worth an alarm; it takes a second."""
POINTS = 60

GROWTH = """
select c.at, c.size
  from generate_series(0, %(points)s) n
  cross join lateral (select at, size from audit_checkpoint
                       where size >= %(first)s + (%(last)s - %(first)s) * n / %(points)s
                       order by size limit 1) c
 group by c.at, c.size order by c.size
"""


@dataclass(frozen=True)
class Alarm:
    """Something about the record that a person must look at."""

    title: str
    text: str


def alarms() -> list[Alarm]:
    """What is wrong now: the log halted, lines wait too long, nobody outside knows it, or somebody knows another."""
    found = []
    halted = Log.objects.filter(halted_at__isnull=False).first()
    if halted and halted.halted_at:
        since = in_words(timezone.now() - halted.halted_at)
        text = f"It grows no more since {since}: {halted.halted_reason}"
        found.append(Alarm("The log stands still", text))
    count, oldest = log.lag()
    if oldest and timezone.now() - oldest > LATE and not halted:
        waits = in_words(timezone.now() - oldest)
        found.append(
            Alarm(
                "Entries wait for their place",
                f"{count:,} are not in the log yet, the oldest for {waits}. Is a worker running?",
            )
        )
    return found + [Alarm(place.title, place.problem) for place in places() if place.problem]


@dataclass(frozen=True)
class Place:
    """Somewhere outside that keeps our checkpoints."""

    title: str
    where: str
    size: int
    at: datetime | None
    problem: str
    """Why one should look at it; empty while it is fresh and agrees."""


def places() -> list[Place]:
    return []


def growth() -> Chart | None:
    """How the log grew, from its first checkpoint to its last."""
    ends = Checkpoint.objects.order_by("size").values_list("size", "at")
    first, last = ends.first(), ends.last()
    if first is None or last is None or first == last:
        return None
    with connection.cursor() as cursor:
        cursor.execute(GROWTH, {"first": first[0], "last": last[0], "points": POINTS})
        rows = cursor.fetchall()
    whole = (last[1] - first[1]).total_seconds() or 1.0
    points = [((at - first[1]).total_seconds() / whole, float(size)) for at, size in rows]
    title = f"{first[0]:,} entries then, {last[0]:,} now"
    return Chart(points, None, title, since=in_words(last[1] - first[1]) + " ago")


def standing() -> dict[str, Any]:
    """All that the page tells."""
    latest = log.latest()
    count, oldest = log.lag()
    return {
        "log": Log.objects.first(),
        "latest": latest,
        "root": bytes(latest.root).hex() if latest else "",
        "keys": list(reversed(log.keys())) if latest else [],
        "vkey": log.vkey() if latest else "",
        "pending": count,
        "oldest": oldest,
        "alarms": alarms(),
        "places": places(),
        "growth": growth(),
    }


def address(name: str, *args: Any) -> str:
    """Where a page is; empty where this house has none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
