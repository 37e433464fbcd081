"""Limits as people write them: `{resource: openai, rate: 60/1m, burst: 10, concurrency: 4, lease: 5m}`.

Pure. What is refused is refused in a sentence that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from audit.errors import Invalid

from .gcra import Rate
from .policy import durations
from .policy.words import nearest

KEYS = ("resource", "rate", "burst", "concurrency", "lease")
RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}")
RATE = re.compile(r"(\d{1,10})\s*/\s*(\d{0,9}[smhd])")
MOST_LIMITS = 500
MOST = 1_000_000_000
MOST_AT_ONCE = 100_000
LONGEST_PERIOD = timedelta(days=31)
LONGEST_LEASE = timedelta(days=1)
LONGEST_BURST = timedelta(days=365)
USUAL_LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class LimitSetting:
    """How often a resource may be used (`rate`), by how many at once (`concurrency`), or both."""

    resource: str
    rate: Rate | None = None
    concurrency: int | None = None
    lease: timedelta | None = None
    """Always given with `concurrency`, never without."""

    def as_dict(self) -> dict[str, Any]:
        """The one form in which a limit is kept: equal limits are equal dicts."""
        written: dict[str, Any] = {"resource": self.resource}
        if self.rate:
            written["rate"] = f"{self.rate.count}/{durations.written(self.rate.period)}"
            written["burst"] = self.rate.burst
        if self.concurrency is not None and self.lease is not None:
            written["concurrency"] = self.concurrency
            written["lease"] = durations.written(self.lease)
        return written

    def __str__(self) -> str:
        """`60 in 1 minute, 10 at one moment; 4 at once`."""
        said = []
        if self.rate:
            said.append(f"{self.rate.count:,} in {durations.spoken(self.rate.period)}")
            if self.rate.burst > 1:
                said[0] += f", {self.rate.burst:,} at one moment"
        if self.concurrency is not None:
            said.append(f"{self.concurrency:,} at once")
        return "; ".join(said)


def parse_limits(value: Any) -> tuple[LimitSetting, ...]:
    """All limits of one owner. Raises Invalid in a sentence."""
    if not isinstance(value, list | tuple):
        raise Invalid(
            "limits: A list is needed, of limits such as {resource: openai, rate: 60/1m}."
        )
    if len(value) > MOST_LIMITS:
        raise Invalid(f"limits: A team can have {MOST_LIMITS} limits.")
    found: dict[str, LimitSetting] = {}
    for number, each in enumerate(value, 1):
        setting = parse_limit(each, f"limits: Limit {number}: ")
        if setting.resource in found:
            raise Invalid(f"limits: “{setting.resource}” stands there twice.")
        found[setting.resource] = setting
    return tuple(found.values())


def parse_limit(value: Any, place: str = "") -> LimitSetting:
    """One limit. Raises Invalid in a sentence that begins with `place`."""
    if not isinstance(value, Mapping):
        raise Invalid(f"{place}It must be written as {{resource: openai, rate: 60/1m}}.")
    resource = resource_of(value.get("resource"), place)
    place = f"limits: {resource}: " if place else ""
    for key in value:
        if key not in KEYS:
            hint = nearest(str(key), KEYS)
            meant = f" Did you mean “{hint}”?" if hint else ""
            raise Invalid(f"{place}It knows no “{key}”.{meant}")
    given = {key: value[key] for key in KEYS if value.get(key) is not None}
    if "rate" not in given and "concurrency" not in given:
        raise Invalid(f"{place}Say how often (rate), how many at once (concurrency), or both.")
    if "burst" in given and "rate" not in given:
        raise Invalid(f"{place}A burst goes with a rate, and there is none.")
    if "lease" in given and "concurrency" not in given:
        raise Invalid(f"{place}A lease goes with concurrency, and there is none.")
    rate = rate_of(given["rate"], given.get("burst", 1), place) if "rate" in given else None
    if "concurrency" not in given:
        return LimitSetting(resource, rate)
    concurrency = whole(given["concurrency"], MOST_AT_ONCE, f"{place}concurrency")
    return LimitSetting(resource, rate, concurrency, lease_of(given.get("lease"), place))


def resource_of(value: Any, place: str) -> str:
    if not isinstance(value, str) or not RESOURCE.fullmatch(value):
        raise Invalid(
            f"{place}resource: Name what is limited with letters, digits and . _ : / - "
            "(“openai”, “api.example.com/search”), up to 80 characters."
        )
    return value


def rate_of(written: Any, burst: Any, place: str) -> Rate:
    found = RATE.fullmatch(written.strip()) if isinstance(written, str) else None
    text = found[2] if found else ""
    period = durations.read(text if text[:1].isdigit() else f"1{text}")
    if found is None or period is None:
        raise Invalid(f"{place}rate: Write how many in how long: 60/1m, 1000/1h, 5/s.")
    if not timedelta(0) < period <= LONGEST_PERIOD:
        raise Invalid(f"{place}rate: The period can be from 1 second to 31 days.")
    count = whole(int(found[1]), MOST, f"{place}rate")
    rate = Rate(count, period, whole(burst, MOST, f"{place}burst"))
    if rate.burst * period > count * LONGEST_BURST:
        raise Invalid(f"{place}burst: At this rate it would take more than a year to come back.")
    return rate


def lease_of(written: Any, place: str) -> timedelta:
    if written is None:
        return USUAL_LEASE
    lease = durations.read(written) if isinstance(written, str) else None
    if lease is None or not timedelta(0) < lease <= LONGEST_LEASE:
        raise Invalid(f"{place}lease: Write for how long, from 1s to 1d: 30s, 5m.")
    return lease


def whole(value: Any, most: int, place: str) -> int:
    """A whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Invalid(f"{place}: A whole number from 1 to {most:,} is needed.")
    return value
