"""The course of a gauge against its limits, as SVG drawn with attributes alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.rules.backtest.result import Backtest

register = template.Library()

WIDTH, HEIGHT = 600, 140
SLOTS = 200
"""How many readings are drawn; of those in between, the highest."""


@register.simple_tag
def trial_chart(found: Backtest, before: Decimal | None, title: str) -> SafeString:
    """The gauge (highest of all runs or items) from then to now, both limits, would-be trips and real ones."""
    readings = slots(found)
    limits = [float(found.tried.limit), *([float(before)] if before is not None else [])]
    top = max([*(value for value in readings if value is not None), *limits, 0.000001]) * 1.08
    return format_html(
        '<svg class="trial" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<g class="trial-gauge">{}</g><g class="trial-real">{}</g><g class="trial-would">{}</g>{}{}</svg>',
        WIDTH, HEIGHT, title,
        bars(readings, top),
        ticks((one.at for one in found.lived), found, y=0, tall=10),
        ticks((trip.at for trip in found.trips), found, y=HEIGHT - 14, tall=14),
        line(before, top, "trial-before"),
        line(found.tried.limit, top, "trial-limit"),
    )  # fmt: skip


def slots(found: Backtest) -> list[float | None]:
    highest: list[float | None] = [None] * SLOTS
    for point in found.course:
        slot = place(point.at, found, SLOTS)
        if 0 <= slot <= SLOTS:
            slot = min(int(slot), SLOTS - 1)
            value = float(point.value)
            if highest[slot] is None or value > highest[slot]:  # type: ignore[operator]
                highest[slot] = value
    return highest


def place(at: datetime, found: Backtest, width: float) -> float:
    total = (found.until - found.since).total_seconds() or 1.0
    return (at - found.since).total_seconds() / total * width


def bars(readings: Sequence[float | None], top: float) -> SafeString:
    step = WIDTH / SLOTS
    return format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"/>',
        (
            (f"{n * step:.1f}", f"{HEIGHT - tall:.1f}", f"{step * 0.8:.1f}", f"{tall:.1f}")
            for n, value in enumerate(readings)
            if value and (tall := max(1.0, value / top * HEIGHT))
        ),
    )


def ticks(moments: object, found: Backtest, *, y: float, tall: float) -> SafeString:
    return format_html_join(
        "",
        '<rect x="{}" y="{}" width="2.5" height="{}"/>',
        (
            (f"{min(max(place(at, found, WIDTH), 0), WIDTH - 2.5):.1f}", f"{y}", f"{tall}")
            for at in moments  # type: ignore[attr-defined]
        ),
    )


def line(limit: Decimal | None, top: float, name: str) -> SafeString | str:
    if limit is None:
        return ""
    y = f"{HEIGHT - float(limit) / top * HEIGHT:.1f}"
    return format_html('<line class="{}" x1="0" y1="{}" x2="{}" y2="{}"/>', name, y, WIDTH, y)
