"""Times, money, ids, durations and states in the words people use."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents.models import (
    Action,
    ActionState,
    Agent,
    AgentState,
    Breaker,
    BreakerState,
    Run,
    RunState,
)
from reviews.models import Hold, HoldKind, HoldState

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400


# -- time ------------------------------------------------------------------------------------------


def in_words(span: timedelta) -> str:
    """`8 s`, `6 min`, `3 h 20 min`, `2 days`: two units at most, never a false precision."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        hours, minutes = divmod(seconds // MINUTE, 60)
        return f"{hours} h {minutes} min" if minutes and hours < 6 else f"{hours} h"
    days = seconds // DAY
    return f"{days} day" if days == 1 else f"{days} days"


def exactly(at: datetime) -> str:
    """The moment in the reader's zone, as shown on hover."""
    here = timezone.localtime(at)
    return f"{here:%a} {here.day} {here:%b %Y, %H:%M:%S} {timezone.get_current_timezone_name()}"


def _time(at: datetime | None, text: str, keep: str = "") -> SafeString | str:
    if at is None:
        return "–"
    return format_html(
        '<time class="time" datetime="{}" title="{}"{}>{}</time>',
        at.isoformat(),
        exactly(at),
        format_html(' data-keep="{}"', keep) if keep else "",
        text,
    )


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """`6 min ago`; the page keeps it true."""
    if at is None:
        return "–"
    span = timezone.now() - at
    return _time(at, "just now" if span < timedelta(seconds=5) else f"{in_words(span)} ago", "ago")


@register.filter
def age(at: datetime | None) -> SafeString | str:
    """`6 min`: how long since; the page keeps it true."""
    return _time(at, in_words(timezone.now() - at) if at else "", "age")


@register.filter
def left(until: datetime | None) -> SafeString | str:
    """`12 min left`, `over`; the page keeps it true."""
    if until is None:
        return ""
    span = until - timezone.now()
    return _time(until, f"{in_words(span)} left" if span > timedelta(0) else "over", "left")


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """`10:42:07` today, `20 Nov 10:42` before."""
    return "–" if at is None else _time(at, _clock(at))


def _clock(at: datetime) -> str:
    here, today = timezone.localtime(at), timezone.localdate()
    return f"{here:%H:%M:%S}" if here.date() == today else f"{here.day} {here:%b %H:%M}"


@register.simple_tag
def clocks(first: datetime, last: datetime) -> SafeString | str:
    """`10:42:07 to 10:43:10`; one time where both read the same."""
    if _clock(first) == _clock(last):
        return clock(first)
    return format_html("{} to {}", clock(first), clock(last))


@register.filter
def stamp(at: datetime | None) -> SafeString | str:
    """`21 Nov 2026, 10:42:07`: also right on paper, and tomorrow."""
    if at is None:
        return "–"
    here = timezone.localtime(at)
    return _time(at, f"{here.day} {here:%b %Y, %H:%M:%S}")


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """`Mon 24 Nov, 10:30`: a time that was agreed on."""
    if at is None:
        return "–"
    here = timezone.localtime(at)
    year = "" if here.year == timezone.localdate().year else f" {here.year}"
    return _time(at, f"{here:%a} {here.day} {here:%b}{year}, {here:%H:%M}")


@register.filter
def duration(span: timedelta | float | None) -> str:
    """`420 ms`, `1.8 s`, `2 min 5 s`; a number is milliseconds."""
    if span is None:
        return "–"
    seconds = span.total_seconds() if isinstance(span, timedelta) else span / 1000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < HOUR:
        minutes, rest = divmod(int(seconds), MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return in_words(timedelta(seconds=seconds))


@register.filter
def waited(span: timedelta) -> str:
    """A duration that people spend: never in milliseconds."""
    return "less than a second" if span < timedelta(seconds=1) else duration(span)


# -- quantities ------------------------------------------------------------------------------------

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


@register.filter
def money(amount: Decimal | float | None, currency: str = "USD") -> SafeString | str:
    """`$250,400`, `$0.31`, `$0.0042`, `1,200 CHF`: small sums keep the digits that say something."""
    if amount is None:
        return "–"
    amount = Decimal(amount)
    size = abs(amount)
    if size and size < Decimal("0.01"):
        text = f"{size:.4f}" if size >= Decimal("0.0001") else "0.0001"
    elif size >= 1000 or (size == size.to_integral_value() and size):
        text = f"{size:,.0f}" if size == size.to_integral_value() else f"{size:,.2f}"
    else:
        text = f"{size:.2f}"
    sign = "−" if amount < 0 else ""
    less = "<" if size and size < Decimal("0.0001") else ""
    code = (currency or "USD").upper()
    shown = f"{less}{sign}{SIGNS[code]}{text}" if code in SIGNS else f"{less}{sign}{text} {code}"
    return format_html('<span class="money">{}</span>', shown)


@register.filter
def tokens(count: int | None) -> str:
    """`940`, `1.2k`, `3.4M`."""
    if count is None:
        return "–"
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + letter
    return str(count)


@register.filter
def number(value: Decimal | float | None) -> str:
    """`14`, `1,200`, `0.5`: no trailing zeros."""
    if value is None:
        return "–"
    text = f"{Decimal(value):,.6f}".rstrip("0").rstrip(".")
    return text or "0"


@register.simple_tag
def many(count: int, one: str, more: str = "") -> str:
    """`1 run`, `3 runs`, `2 queries` (give the plural when it is not one letter more)."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


# -- ids and names ---------------------------------------------------------------------------------


@register.filter
def short(pk: Any) -> str:
    """The end of an id: UUIDv7 begins with the time, so its last digits tell things apart."""
    return str(pk)[-8:]


@register.simple_tag
def ref(thing: Any) -> SafeString:
    """Short id, a link to the thing where it has a page, and a button that copies the whole id."""
    url = thing.get_absolute_url() if hasattr(thing, "get_absolute_url") else ""
    name = short(thing.pk)
    shown = (
        format_html('<a class="id" href="{}">{}</a>', url, name)
        if url
        else format_html('<span class="id">{}</span>', name)
    )
    return format_html('<span class="ref">{}{}</span>', shown, copy(str(thing.pk), "id"))


@register.simple_tag
def copy(text: str, what: str = "") -> SafeString:
    """A button that puts `text` on the clipboard and says so."""
    from .icons import icon

    return format_html(
        '<button type="button" class="copy" data-copy="{}" aria-label="Copy {}">{}</button>',
        text,
        what,
        icon("copy"),
    )


@register.filter
def actor(name: str) -> str:
    """Whoever the record names, as people say it: `ada`, `the clock`, `an agent`."""
    kind, _, rest = name.partition(":")
    if kind == "person":
        return rest
    return "an agent" if kind == "agent" else f"the {kind}" if kind else "nobody"


@register.filter
def ask(hold: Hold) -> str:
    """What a hold asks, without its agent's name in front: rows show that beside it."""
    agent = hold.agent.name
    if hold.title.startswith(f"{agent} wants "):
        return "W" + hold.title.removeprefix(f"{agent} w")
    return hold.title.removeprefix(f"{agent} is paused: ")  # begins with a tool's name, as it is


@register.filter
def heading(hold: Hold) -> str:
    """Its title as it is now: what was answered is paused no longer."""
    if hold.kind != HoldKind.TRIP or hold.is_open:
        return hold.title
    return hold.title.replace(" is paused", " was paused", 1)


@register.filter
def kind_word(hold: Hold) -> str:
    """`Approval`, `Review`, `Paused`, `Was paused`."""
    if hold.kind == HoldKind.TRIP and not hold.is_open:
        return "Was paused"
    return hold.get_kind_display()


# -- states ----------------------------------------------------------------------------------------

WAITS, STOPPED, RUNS, PROBATION, OFF = "waits", "stopped", "runs", "probation", "off"

MEANINGS: dict[type, dict[str, str]] = {
    Hold: {HoldState.OPEN: WAITS},
    Agent: {AgentState.ACTIVE: RUNS, AgentState.PAUSED: STOPPED},
    Run: {
        RunState.RUNNING: RUNS,
        RunState.PAUSED: STOPPED,
        RunState.FAILED: STOPPED,
        RunState.TERMINATED: STOPPED,
    },
    Action: {
        ActionState.HELD: WAITS,
        ActionState.UNKNOWN: WAITS,
        ActionState.DENIED: STOPPED,
        ActionState.REJECTED: STOPPED,
        ActionState.FAILED: STOPPED,
        ActionState.ALLOWED: RUNS,
        ActionState.APPROVED: RUNS,
        ActionState.EXECUTING: RUNS,
    },
    Breaker: {
        BreakerState.CLOSED: RUNS,
        BreakerState.OPEN: STOPPED,
        BreakerState.FORCED_OPEN: STOPPED,
        BreakerState.HALF_OPEN: PROBATION,
    },
}


@register.filter
def meaning(thing: Any) -> str:
    """The class for a thing's state: waits, stopped, runs, probation or off."""
    return MEANINGS.get(type(thing), {}).get(thing.state, OFF)


@register.simple_tag
def state(thing: Any, tag: bool = False) -> SafeString:
    """A thing's state: in words, with the shape and colour of its meaning. `tag=True` frames it."""
    word = thing.get_state_display()
    if isinstance(thing, Hold) and thing.decision:
        word = thing.get_decision_display()
    extra = " tag" if tag else ""
    return format_html('<span class="state {}{}">{}</span>', meaning(thing), extra, word)
