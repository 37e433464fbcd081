"""Alert routes as data, the way a team's policy document carries them under `alerts`.

```yaml
alerts:
- name: Stops wake us          # unique among them
  when: [trip, fleet]          # kinds; left out: any
  severity: critical           # at least; default info
  agents: [rebalancer, "mail.*"]   # names or globs; left out: any
  to: [pager, desk]            # names of channels of the team or of the house
  group: 5m                    # how long what is alike is told together; default 5m
  repeat: 30m                  # again and again until acknowledged; left out: once
  quiet: false                 # outside the team's working hours it waits until they begin
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from agents.rules.policy import durations
from audit.errors import Invalid

from .alerts import INFO, KINDS, SEVERITIES, USUAL_GROUP

MOST_ROUTES = 50
MOST_NAMES = 50
LONGEST_NAME = 80
LONGEST_AGENT = 200
SHORTEST_REPEAT = timedelta(minutes=1)
LONGEST = timedelta(days=7)
KEYS = ("name", "when", "severity", "agents", "to", "group", "repeat", "quiet")


@dataclass(frozen=True, slots=True)
class RouteSetting:
    """One route as people wrote it."""

    name: str
    to: tuple[str, ...]
    when: tuple[str, ...] = ()
    severity: str = INFO
    agents: tuple[str, ...] = ()
    group: timedelta = USUAL_GROUP
    repeat: timedelta | None = None
    quiet: bool = False

    def __str__(self) -> str:
        """`Trips, critical or graver, of mail.* → pager, desk; again every 30 minutes`"""
        what = ", ".join(KINDS[kind].words for kind in self.when) or "Everything"
        least = "" if self.severity == INFO else f", {self.severity} or graver"
        whose = f", of {', '.join(self.agents)}" if self.agents else ""
        again = f"; again every {durations.spoken(self.repeat)}" if self.repeat else ""
        quiet = "; only in working hours" if self.quiet else ""
        within = f"; told together within {durations.spoken(self.group)}"
        return f"{what}{least}{whose} → {', '.join(self.to)}{within}{again}{quiet}"

    def as_dict(self) -> dict[str, Any]:
        """The one form in which it is kept: what is usual is left out."""
        found: dict[str, Any] = {"name": self.name}
        if self.when:
            found["when"] = list(self.when)
        if self.severity != INFO:
            found["severity"] = self.severity
        if self.agents:
            found["agents"] = list(self.agents)
        found["to"] = list(self.to)
        if self.group != USUAL_GROUP:
            found["group"] = durations.written(self.group)
        if self.repeat is not None:
            found["repeat"] = durations.written(self.repeat)
        return found | ({"quiet": True} if self.quiet else {})


def parse_routes(value: Any) -> tuple[RouteSetting, ...]:
    """Read a list of routes. Raises Invalid with a sentence that names the route."""
    if not isinstance(value, list | tuple):
        raise Invalid("alerts: write a list of routes.")
    if len(value) > MOST_ROUTES:
        raise Invalid(f"alerts: {len(value):,} routes; {MOST_ROUTES} are the most.")
    routes = tuple(parse_route(one, number) for number, one in enumerate(value, 1))
    seen: set[str] = set()
    for route in routes:
        if route.name in seen:
            raise Invalid(f"Two alert routes are called “{route.name}”; each needs its own name.")
        seen.add(route.name)
    return routes


def parse_route(written: Any, number: int = 1) -> RouteSetting:
    place = f"Alert route {number}"
    if not isinstance(written, Mapping):
        raise Invalid(f"{place}: write name, to and the rest as “key: value”.")
    if "name" not in written:
        raise Invalid(f"{place} has no name.")
    name = _line(written["name"], f"{place}: name", LONGEST_NAME)
    place = f"Alert route “{name}”"
    for key in written:
        if key not in KEYS:
            raise Invalid(f"{place}: there is no {str(key)[:40]!r}.{_meant(str(key), KEYS)}")
    to = _lines(written.get("to", []), f"{place}: to", LONGEST_NAME)
    if not to:
        raise Invalid(f"{place}: to names no channel, so nobody would be told.")
    quiet = written.get("quiet", False)
    if not isinstance(quiet, bool):
        raise Invalid(f"{place}: quiet is true or false.")
    return RouteSetting(
        name=name,
        to=to,
        when=_kinds(written.get("when", []), place),
        severity=_severity(written.get("severity", INFO), place),
        agents=_lines(written.get("agents", []), f"{place}: agents", LONGEST_AGENT),
        group=_group(written.get("group"), place),
        repeat=_repeat(written.get("repeat"), place),
        quiet=quiet,
    )


def _kinds(value: Any, place: str) -> tuple[str, ...]:
    kinds = _lines(value, f"{place}: when", 40)
    for kind in kinds:
        if kind not in KINDS:
            raise Invalid(
                f"{place}: when knows no “{kind}”.{_meant(kind, tuple(KINDS))} "
                f"There are {', '.join(KINDS)}."
            )
    return kinds


def _severity(value: Any, place: str) -> str:
    if value not in SEVERITIES:
        raise Invalid(f"{place}: severity is info, warning or critical.")
    return str(value)


def _group(value: Any, place: str) -> timedelta:
    return USUAL_GROUP if value is None else _duration(value, f"{place}: group")


def _repeat(value: Any, place: str) -> timedelta | None:
    if value is None:
        return None
    repeat = _duration(value, f"{place}: repeat")
    if repeat < SHORTEST_REPEAT:
        raise Invalid(f"{place}: repeat is 1m at least; leave it out to be told once.")
    return repeat


def _duration(value: Any, place: str) -> timedelta:
    found = durations.read(value) if isinstance(value, str) else None
    if found is None or found > LONGEST:
        raise Invalid(f"{place}: write a duration of up to 7d, such as 30s, 5m or 4h.")
    return found


def _lines(value: Any, place: str, longest: int) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise Invalid(f"{place}: write a list.")
    if len(value) > MOST_NAMES:
        raise Invalid(f"{place}: {MOST_NAMES} are the most.")
    return tuple(dict.fromkeys(_line(one, place, longest) for one in value))


def _line(value: Any, place: str, longest: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"{place}: write some text.")
    text = value.strip()
    if len(text) > longest or not text.isprintable():
        raise Invalid(f"{place}: at most {longest} visible characters.")
    return text


def _meant(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, 1)
    return f" Did you mean {near[0]}?" if near else ""
