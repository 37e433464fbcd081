"""Small charts as SVG, drawn with attributes alone: the content security policy forbids styles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dashboard.pages import courses
from dashboard.pages.budgets import Bar
from dashboard.pages.charts import Chart
from dashboard.pages.record_chart import Histogram

register = template.Library()

type Number = int | float | Decimal

HEIGHT = 24.0


@register.simple_tag
def spark(values: Sequence[Number], title: str) -> SafeString:
    """A line through `values`, oldest first. A flat zero is a flat line at the bottom."""
    top = float(max(values, default=0)) or 1.0
    step = 100 / max(1, len(values) - 1)
    points = [(n * step, HEIGHT - 1 - float(v) / top * (HEIGHT - 3)) for n, v in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return format_html(
        '<svg class="spark" viewBox="0 0 100 {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polygon class="area" points="0,{} {} 100,{}"/><polyline class="line" points="{}"/></svg>',
        int(HEIGHT), title, int(HEIGHT), line, int(HEIGHT), line,
    )  # fmt: skip


@register.simple_tag
def bars(values: Sequence[Number], title: str, meaning: str = "") -> SafeString:
    """One bar a value, oldest first, on a hairline; `meaning` colours it (runs, stopped, waits)."""
    top = float(max(values, default=0)) or 1.0
    width = 100 / max(1, len(values))
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"/>',
        (
            (f"{n * width:.2f}", f"{39 - tall:.1f}", f"{width * 0.72:.2f}", f"{tall:.1f}")
            for n, v in enumerate(values)
            if v and (tall := max(1.5, float(v) / top * 38))
        ),
    )
    return format_html(
        '<svg class="bars {}" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="rest" x="0" y="39" width="100" height="1"/>{}</svg>',
        meaning, title, drawn,
    )  # fmt: skip


@register.simple_tag
def histogram(found: Histogram) -> SafeString:
    """Entries over time, each bar a link to its stretch."""
    drawn = format_html_join(
        "",
        '<a href="{}" aria-label="{}"><title>{}</title><rect class="space" x="{}" y="0" width="{}" height="100"/>'
        '<rect class="bar" x="{}" y="{}" width="{}" height="{}"/></a>',
        (
            (bar.url, title, title, bar.x, bar.width, bar.x, f"{bar.top:.2f}", f"{bar.width * 0.78:.3f}", bar.tall)
            for bar in found.bars
            if (title := f"{bar.count:,} from {_said(bar.since)} to {_said(bar.until)}")
        ),
    )  # fmt: skip
    return format_html(
        '<svg class="histogram" viewBox="0 0 100 100" preserveAspectRatio="none" role="group" '
        'aria-label="Entries over time"><rect class="rest" x="0" y="99" width="100" height="1"/>{}</svg>',
        drawn,
    )


def _said(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M}" + (f":{at:%S}" if at.second else "")


@register.simple_tag
def course(chart: Chart, kind: str = "small") -> SafeString | str:
    """What a breaker counted as time went by: a line against its limit, and the moment it tripped. `kind`: small, large."""
    if not chart.is_drawn:
        return ""
    line = " ".join(f"{x:.2f},{y:.2f}" for x, y in _drawn(chart))
    parts = [
        format_html('<polygon class="area" points="0,{} {} {},{}"/>', DEEP, line, line.split(" ")[-1].split(",")[0], DEEP),
        format_html('<polyline class="line" points="{}"/>', line),
    ]  # fmt: skip
    if chart.limit is not None:
        y = _height(chart, chart.limit)
        parts.append(format_html('<path class="limit" d="M0 {}H100"/>', f"{y:.2f}"))
    if chart.at is not None:
        x, y = chart.at * 100, _height(chart, chart.points[-1][1])
        parts.append(format_html('<path class="moment-line" d="M{} 0V{}"/>', f"{x:.2f}", DEEP))
        parts.append(
            format_html('<path class="moment-dot" d="M{} {}h0.01"/>', f"{x:.2f}", f"{y:.2f}")
        )
    return format_html(
        '<svg class="course-chart" data-kind="{}" data-over="{}" viewBox="0 0 100 {}" preserveAspectRatio="none" '
        'role="img" aria-label="{}">{}</svg>',
        kind, "yes" if chart.is_over else "no", DEEP, chart.title, format_html_join("", "{}", ((p,) for p in parts)),
    )  # fmt: skip


@register.simple_tag
def budget_course(bar: Bar) -> SafeString | str:
    """How the present period's spending grew, against the budget. Nothing before anything was spent."""
    account, now = bar.account, timezone.now()
    if account is None or account.ends_at is None:
        return ""
    points = courses.so_far(account, account.starts_at, min(now, account.ends_at))
    title = f"{bar.budget.name}: {bar.title}; course since the period began"
    return course(Chart(points, float(bar.room), title, is_stepped=True, is_over=bar.is_over))


DEEP = 40


def _drawn(chart: Chart) -> Iterator[tuple[float, float]]:
    """Points on the drawing; where values hold until the next one, the line goes by corners."""
    before: float | None = None
    for x, value in chart.points:
        y = _height(chart, value)
        if chart.is_stepped and before is not None:
            yield x * 100, before
        yield x * 100, y
        before = y


def _height(chart: Chart, value: float) -> float:
    return DEEP - 1 - value / chart.top * (DEEP - 3)


@register.simple_tag
def gauge(value: Number | None, limit: Number | None, title: str) -> SafeString:
    """How much of a limit is used: calm, amber from two thirds, red from the whole."""
    share = min(1.0, float(value or 0) / float(limit)) if limit else 0.0
    level = "over" if share >= 1 else "near" if share >= 2 / 3 else "calm"
    return _strip("gauge", level, share, title, mark_safe(""))


@register.simple_tag
def gauge_bar(share: float, level: str, title: str) -> SafeString:
    """How near to its limit, where the level was judged already: calm, near, over or off."""
    return _strip("gauge", level, min(1.0, max(0.0, share)), title, mark_safe(""))


@register.simple_tag
def time_left(
    since: datetime, until: datetime | None, frozen_at: datetime | None = None
) -> SafeString | str:
    """A strip that empties towards `until`; stands still while frozen. The page keeps it true."""
    if until is None:
        return ""
    total = (until - since).total_seconds() or 1.0
    gone = max(0.0, min(1.0, ((frozen_at or timezone.now()) - since).total_seconds() / total))
    level = "late" if gone >= 0.9 else "half" if gone >= 0.5 else "calm"
    span = (
        mark_safe("")
        if frozen_at
        else format_html(' data-since="{}" data-until="{}"', since.isoformat(), until.isoformat())
    )
    return _strip("left", level, 1 - gone, f"{round((1 - gone) * 100)} % of the time is left", span)


def _strip(kind: str, level: str, share: float, title: str, more: SafeString) -> SafeString:
    return format_html(
        '<svg class="{}" data-level="{}" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" '
        'aria-label="{}"{}><rect class="track" width="100" height="4"/>'
        '<rect class="used" width="{}" height="4"/></svg>',
        kind, level, title, more, f"{share * 100:.1f}",
    )  # fmt: skip
