"""Breakers as people write them: `{when: repeats, limit: 5, within: 1m, pause: agent}`.

Pure. What is refused is refused in a sentence that names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from audit.errors import Invalid

from . import breaker_sentences
from .policy import durations
from .policy.words import nearest

CONDITIONS = (
    *("repeats", "loop", "errors", "failure_rate", "slow", "spend", "unusual", "drop"),
    *("malformed", "often", "rarely", "silence"),
)
KEYS = (
    *("when", "unit", "limit", "within", "pause", "minimum", "threshold"),
    *("probes", "probation", "state"),
)
SHARES = ("failure_rate", "drop")
WITH_MINIMUM = ("failure_rate", "drop", "unusual")
WITHOUT_WINDOW = ("malformed",)
"""It looks at what comes in a row, however long that takes."""
SCOPES = ("run", "agent", "team")
UNITS = ("usd", "tokens")
STATES = ("shadow", "disabled")
MOST_BREAKERS = 50
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=31)
USUAL_WINDOW = timedelta(hours=1)
USUAL_SLOW = Decimal(10)
USUAL_PROBES = 5
USUAL_PROBATION = timedelta(minutes=10)
EXAMPLE = "{when: repeats, limit: 5, within: 1m}"


@dataclass(frozen=True, slots=True)
class BreakerSetting:
    """One breaker. `window` of nothing is the whole run; `threshold` are seconds (slow) or percent (unusual)."""

    when: str
    limit: Decimal
    window: timedelta
    pause: str
    unit: str = ""
    minimum: int = 0
    threshold: Decimal = Decimal(0)
    probes: int = USUAL_PROBES
    probation: timedelta = USUAL_PROBATION
    state: str = ""

    @property
    def key(self) -> tuple[str, str, timedelta, str]:
        """What one owner has only one breaker of."""
        return self.when, self.unit, self.window, self.pause

    @property
    def name(self) -> str:
        """Short, for lists: `repeats in 1m, agent`."""
        during = "run" if not self.window else durations.written(self.window)
        return f"{self.when}{f' {self.unit}' if self.unit else ''} in {during}, {self.pause}"

    def as_dict(self) -> dict[str, Any]:
        """The one form in which a breaker is kept: what is usual is left out."""
        found: dict[str, Any] = {"when": self.when}
        if self.unit:
            found["unit"] = self.unit
        if self.when != "silence":
            found["limit"] = percent(self.limit) if self.when in SHARES else number(self.limit)
        found["within"] = "run" if not self.window else durations.written(self.window)
        found["pause"] = self.pause
        if self.minimum:
            found["minimum"] = self.minimum
        if self.threshold:
            slow = self.when == "slow"
            found["threshold"] = seconds(self.threshold) if slow else percent(self.threshold)
        if self.probes != USUAL_PROBES:
            found["probes"] = self.probes
        if self.probation != USUAL_PROBATION:
            found["probation"] = durations.written(self.probation)
        return found | ({"state": self.state} if self.state else {})

    def __str__(self) -> str:
        return breaker_sentences.sentence(self)


def number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def percent(value: Decimal) -> str:
    return f"{value.normalize():f}%"


def seconds(value: Decimal) -> str:
    return f"{value.normalize():f}s"


def parse_breakers(value: Any, *, of_agent: bool) -> tuple[BreakerSetting, ...]:
    """All breakers of one agent, or of a team. Raises Invalid in a sentence."""
    if not isinstance(value, list | tuple):
        raise Invalid(f"breakers: A list is needed, of breakers such as {EXAMPLE}.")
    if len(value) > MOST_BREAKERS:
        raise Invalid(f"breakers: {len(value):,} of them; {MOST_BREAKERS} are the most.")
    found: dict[Any, BreakerSetting] = {}
    for place, one in enumerate(value, 1):
        setting = parse_breaker(one, f"breakers: Breaker {place}", of_agent=of_agent)
        if setting.key in found:
            raise Invalid(f"breakers: “{setting.name}” stands there twice.")
        found[setting.key] = setting
    return tuple(found.values())


def parse_breaker(value: Any, place: str, *, of_agent: bool) -> BreakerSetting:
    """One breaker. Raises Invalid in a sentence that begins with `place`."""
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}: It must be written as {EXAMPLE}.")
    when = one_of(value.get("when"), CONDITIONS, f"{place}: when")
    place = f"{place} ({when})"
    for key in value:
        if key not in KEYS:
            raise Invalid(f"{place}: It knows no “{str(key)[:40]}”.{meant(key, KEYS)}")
    pause = pause_of(value.get("pause"), when, place, of_agent)
    unit = unit_of(value, when, place)
    return BreakerSetting(
        when=when,
        limit=limit_of(value, when, unit, place),
        window=window_of(value.get("within"), when, pause, place),
        pause=pause,
        unit=unit,
        minimum=minimum_of(value, when, place),
        threshold=threshold_of(value, when, place),
        probes=whole(value.get("probes", USUAL_PROBES), 1, 1000, f"{place}: probes"),
        probation=duration(value.get("probation", "10m"), f"{place}: probation"),
        state="" if "state" not in value else one_of(value["state"], STATES, f"{place}: state"),
    )


def pause_of(written: Any, when: str, place: str, of_agent: bool) -> str:
    pause = one_of(written or ("agent" if of_agent else "team"), SCOPES, f"{place}: pause")
    if of_agent and pause == "team":
        raise Invalid(f"{place}: pause: One agent’s breaker pauses the agent, or one run of it.")
    if not of_agent and pause != "team":
        raise Invalid(
            f"{place}: pause: A team’s breaker counts and pauses all of its agents together; "
            "write it with the agent to pause that one."
        )
    if when in ("often", "rarely") and pause == "run":
        raise Invalid(f"{place}: pause: It counts runs, so it cannot watch only one.")
    return pause


def unit_of(value: Mapping[str, Any], when: str, place: str) -> str:
    if when == "spend":
        return one_of(value.get("unit", "usd"), UNITS, f"{place}: unit")
    if "unit" in value:
        raise Invalid(f"{place}: unit goes only with “when: spend”.")
    return ""


def limit_of(value: Mapping[str, Any], when: str, unit: str, place: str) -> Decimal:
    if when == "silence":
        if "limit" in value:
            raise Invalid(f"{place}: limit: Silence has none; within says how long is too long.")
        return Decimal(1)
    if "limit" not in value:
        raise Invalid(f"{place}: It does not say its limit.")
    place = f"{place}: limit"
    if when in SHARES:
        return share(value["limit"], place)
    found = amount(value["limit"], place)
    if (when != "spend" or unit == "tokens") and found != found.to_integral_value():
        raise Invalid(f"{place}: It counts, so it must be a whole number.")
    if when == "loop" and found < 2:
        raise Invalid(f"{place}: Once is no circle: 2 is the least.")
    return found


def window_of(written: Any, when: str, pause: str, place: str) -> timedelta:
    if written == "run":
        if when != "spend" or pause != "run":
            raise Invalid(
                f"{place}: within: Only “when: spend” with “pause: run” counts a whole run."
            )
        return timedelta(0)
    if written is None and when in WITHOUT_WINDOW:
        return USUAL_WINDOW
    if written is None:
        raise Invalid(f"{place}: It does not say within which time: within: 5m.")
    found = duration(written, f"{place}: within")
    if not SHORTEST <= found <= LONGEST:
        raise Invalid(f"{place}: within: It can be from 10s to 31d.")
    return found


def minimum_of(value: Mapping[str, Any], when: str, place: str) -> int:
    if "minimum" not in value:
        return 0
    if when not in WITH_MINIMUM:
        raise Invalid(f"{place}: minimum goes only with {', '.join(WITH_MINIMUM)}.")
    return whole(value["minimum"], 0, 1_000_000, f"{place}: minimum")


def threshold_of(value: Mapping[str, Any], when: str, place: str) -> Decimal:
    written, place = value.get("threshold"), f"{place}: threshold"
    if when == "slow":
        if written is None:
            return USUAL_SLOW
        text = str(written).strip().removesuffix("s") if isinstance(written, str) else written
        known = durations.read(written) if isinstance(written, str) else None
        return Decimal(round(known.total_seconds())) if known else amount(text, place)
    if written is None:
        return Decimal(0)
    if when == "unusual":
        return share(written, place)
    raise Invalid(f"{place}: It goes only with slow (10s) and unusual (2%).")


def share(written: Any, place: str) -> Decimal:
    """`50%`, or 50."""
    text = written.strip().removesuffix("%") if isinstance(written, str) else written
    found = amount(text, place)
    if found > 100:
        raise Invalid(f"{place}: A share is 100% at most.")
    return found


def amount(written: Any, place: str) -> Decimal:
    """A number above zero with up to six places."""
    try:
        found = Decimal("NaN") if isinstance(written, bool) else Decimal(str(written).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 < found < 10**12 or found != round(found, 6):
        raise Invalid(f"{place}: A number above zero is needed, such as 10 or 2.5.")
    return found


def whole(value: Any, least: int, most: int, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(f"{place}: A whole number from {least} to {most:,} is needed.")
    return value


def duration(written: Any, place: str) -> timedelta:
    found = durations.read(written) if isinstance(written, str) else None
    if not found:
        raise Invalid(f"{place}: Write a time such as 30s, 15m, 4h or 2d.")
    return found


def one_of(value: Any, known: tuple[str, ...], place: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise Invalid(f"{place}: It must be one of {', '.join(known)}.{meant(value, known)}")
    return value


def meant(value: Any, known: tuple[str, ...]) -> str:
    hint = nearest(value, known) if isinstance(value, str) else None
    return f" Did you mean “{hint}”?" if hint else ""
