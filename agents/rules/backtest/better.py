"""A better limit from history: the smallest that spares what was fine and still catches what was not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple

from ..breakers import amount, plain, span
from .replay import Point, Tried

OVER = frozenset({"repeats", "often", "spend", "failure_rate", "drop"})
"""Trip above their limit; the others at it."""
UNDER = frozenset({"rarely"})
WHOLE = frozenset({"repeats", "often", "errors", "slow", "unusual", "loop", "malformed", "rarely"})
LEAST = Decimal(2)
"""One of something is no pattern: no limit that counts is offered below this."""

type Kind = Literal["better", "same", "none", "mixed"]


class Lived(NamedTuple):
    """A trip that really was, with what a person said of it (None: nobody said)."""

    id: str
    owner: str
    at: datetime
    until: datetime
    was_true: bool | None


class Better(NamedTuple):
    """`limit` only with `better`; for `silence` it is the window in seconds. `spared` and `caught` count trips."""

    kind: Kind
    limit: Decimal | None
    sentence: str
    spare: Decimal | None = None
    """The highest (of `rarely` the lowest) the gauge came to in what was fine."""
    catch: Decimal | None = None
    """What the gauge came to in the least of what was really wrong."""


def better(tried: Tried, course: Sequence[Point], lived: Sequence[Lived]) -> Better:
    """From a course in which nothing stopped. Trips nobody judged are neither fine nor wrong: left out."""
    spare, catch = peaks(tried, course, lived)
    present = threshold_of(tried)
    if spare is None:
        return Better("none", None, "History holds nothing else to compare with.", None, catch)
    limit = sparing(tried, spare)
    if catch is not None and not catches(tried, limit, catch):
        limit = sparing(tried, spare, exact=True)
    if catch is not None and not catches(tried, limit, catch):
        said = (
            f"No limit tells them apart: what was fine came to {shown(tried, spare)}, "
            f"and what was really wrong to {shown(tried, catch)}."
        )
        return Better("mixed", None, said, spare, catch)
    if limit == present:
        said = f"{shown(tried, present)} is the smallest limit that spares what was fine."
        return Better("same", None, said, spare, catch)
    return Better("better", limit, sentence(tried, spare, catch), spare, catch)


def peaks(
    tried: Tried, course: Sequence[Point], lived: Sequence[Lived]
) -> tuple[Decimal | None, Decimal | None]:
    """What the gauge came to in what was fine, and in the least of what was wrong."""
    worst = min if tried.condition in UNDER else max
    least = max if tried.condition in UNDER else min
    wrong: dict[str, list[Decimal]] = {one.id: [] for one in lived if one.was_true}
    fine: list[Decimal] = []
    by_owner: dict[str, list[Lived]] = {}
    for one in lived:
        if one.was_true is not False:
            by_owner.setdefault(one.owner, []).append(one)
    for point in course:
        around = [one for one in by_owner.get(point.owner, ()) if is_around(tried, one, point.at)]
        if not around:
            fine.append(point.value)
        for one in around:
            if one.id in wrong and point.at <= one.at + timedelta(seconds=1):
                wrong[one.id].append(point.value)
    reached = [worst(values) for values in wrong.values() if values]
    return (worst(fine) if fine else None), (least(reached) if reached else None)


def is_around(tried: Tried, one: Lived, at: datetime) -> bool:
    """Whether what the window held then belongs to this trip: from a window before it to a window after its answer."""
    if not tried.window:
        return True
    return one.at - tried.window <= at <= one.until + tried.window


def sparing(tried: Tried, spare: Decimal, *, exact: bool = False) -> Decimal:
    """The smallest limit that does not trip at this value, in round numbers unless they must be `exact`."""
    if tried.condition in UNDER:
        return max(spare, Decimal(1))
    if tried.condition == "silence":
        seconds = spare + 1
        return seconds if exact else round_up(seconds)
    if tried.condition in WHOLE:
        limit = spare if tried.condition in OVER else spare + 1
        return max(limit.to_integral_value(ROUND_CEILING), LEAST)
    if tried.condition in ("failure_rate", "drop"):
        step = Decimal("0.1") if exact else Decimal(1)
        return max(spare.quantize(step, ROUND_CEILING), step)
    return max(spare, Decimal("0.000001")) if exact else round_up(spare)


def round_up(value: Decimal) -> Decimal:
    """To two digits: 18.34 to 19, 0.1234 to 0.13."""
    if value <= 0:
        return Decimal("0.01")
    step = Decimal(10) ** (value.adjusted() - 1)
    return (value / step).to_integral_value(ROUND_CEILING) * step


def catches(tried: Tried, limit: Decimal, value: Decimal) -> bool:
    if tried.condition in UNDER:
        return value < limit
    return value > limit if tried.condition in OVER else value >= limit


def threshold_of(tried: Tried) -> Decimal:
    """What is changed: the limit; of `silence` the window."""
    if tried.condition == "silence":
        return Decimal(tried.window.total_seconds())
    return tried.limit


def shown(tried: Tried, value: Decimal) -> str:
    if tried.condition == "spend":
        return amount(value, tried.unit)
    if tried.condition == "silence":
        return span(float(value))
    rounded = plain(value.quantize(Decimal("0.1"), ROUND_FLOOR))
    return f"{rounded} %" if tried.condition in ("failure_rate", "drop") else rounded


def sentence(tried: Tried, spare: Decimal, catch: Decimal | None) -> str:
    most, more = ("least", "less") if tried.condition in UNDER else ("most", "more")
    wrong = (
        f", and what was really wrong to {shown(tried, catch)} or {more}"
        if catch is not None
        else ""
    )
    return f"What was fine came to {shown(tried, spare)} at {most}{wrong}."
