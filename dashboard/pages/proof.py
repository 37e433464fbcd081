"""How well the record is proved: its log, keys, checkpoints, anchors, and whatever is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from audit import anchors, checking, log
from audit.anchors import PlaceStanding, Standing
from audit.models import Checkpoint, Entry, Log
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


def alarms(standing: Standing | None = None) -> list[Alarm]:
    """What is wrong now: the log halted, lines wait too long, nobody outside knows it, or somebody knows another."""
    standing = standing or anchors.standing()
    found = []
    if standing.halted_at:
        since = in_words(timezone.now() - standing.halted_at)
        text = f"For {since} no entry got its place: {standing.halted_reason}"
        found.append(Alarm("The log stands still", text))
    count, oldest = log.lag()
    if oldest and timezone.now() - oldest > LATE and not standing.halted_at:
        waits = in_words(timezone.now() - oldest)
        text = f"{count:,} are not in the log yet, the oldest for {waits}. Is a worker running?"
        found.append(Alarm("Entries wait for their place", text))
    found += [
        Alarm(f"{place.kind} {place.where}", _wrong(place))
        for place in standing.places
        if not place.is_well
    ]
    last = checked()
    if last and not last.is_good:
        found.append(Alarm("The last self-check found something", last.text))
    return found


WRONG = {
    "inconsistent": "keeps a record that ours does not continue",
    "failing": "cannot be reached",
    "old": "has kept no new checkpoint for too long",
    "never": "has kept no checkpoint yet",
}


def _wrong(place: PlaceStanding) -> str:
    """What is the matter with a place that should keep our checkpoints."""
    said = [f"It {WRONG.get(place.state, place.state)}."]
    if place.behind:
        said.append(f"{place.behind:,} entries are not anchored there.")
    return " ".join([*said, place.error])


@dataclass(frozen=True)
class Checked:
    """When everything was computed again, and what that found."""

    at: datetime
    is_good: bool
    text: str
    url: str


def checked() -> Checked | None:
    """The last time, as the record tells it."""
    entry = Entry.objects.filter(kind=checking.KIND).order_by("-pk").first()
    if entry is None:
        return None
    wrong = bool((entry.data or {}).get("problems"))
    return Checked(entry.at, not wrong, entry.summary, reverse("record-entry", args=[entry.pk]))


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
    anchored = anchors.standing()
    return {
        "log": Log.objects.first(),
        "latest": latest,
        "root": bytes(latest.root).hex() if latest else "",
        "keys": list(reversed(log.keys())) if latest else [],
        "vkey": log.vkey() if latest else "",
        "pending": count,
        "oldest": oldest,
        "alarms": alarms(anchored),
        "anchored": anchored,
        "check": checked(),
        "growth": growth(),
    }


def address(name: str, *args: Any) -> str:
    """Where a page is; empty where this house has none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
