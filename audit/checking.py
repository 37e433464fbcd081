"""Once a day everything in the record is computed again, and what that found is written down."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from . import log
from .check import check
from .models import Line
from .record import record

KIND = "log.checked"
EVERY = timedelta(days=1)
FIRST = 5
"""So many problems are written down in full; `record check` tells all of them."""


class TheLog:
    """The log as a subject of its own record."""

    record_name = "log"
    record_scope: dict[str, str] = {}


def take_turn() -> None:
    """Compute everything anew, when the last time is a day ago."""
    last = Line.objects.filter(kind=KIND).order_by("-pk").first()
    size = log.size()
    if size and (last is None or timezone.now() - last.at > EVERY):
        write_down(size, [problem.says for problem in check()])


def write_down(size: int, problems: list[str]) -> None:
    summary = (
        f"{len(problems)} problems: {problems[0]}"
        if problems
        else f"nothing is wrong with {size:,} entries."
    )
    record(
        KIND,
        actor="clock",
        about=TheLog(),
        summary=summary,
        data={"size": size, "problems": problems[:FIRST]},
    )
