"""Limits as people look after them: how each stands now, who waits and who holds, and the last hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum

from agents.models import Agent, Limit, LimitUse, Permit
from agents.models.limit import may_set
from agents.rules.gcra import booked_until, spent
from agents.rules.limits import LimitSetting, parse_limit
from agents.transitions.limit import setting_of
from audit.errors import Invalid
from people.models import Person, Team

MOST_ROWS = 500
MOST_IN_LINE = 50
MINUTES = 60


@dataclass(frozen=True)
class Standing:
    """One limit, now and in the last hour."""

    limit: Limit
    setting: LimitSetting
    now: datetime
    held: int = 0
    waiting: int = 0
    booked: int = 0
    """Who was told a moment that is still to come."""
    granted: list[int] = field(default_factory=lambda: [0] * MINUTES)
    """Permits in each of the last sixty minutes, oldest first."""
    refused: int = 0
    delayed: int = 0

    @property
    def spent(self) -> float:
        return spent(self.setting.rate, self.limit.tat, self.now) if self.setting.rate else 0

    @property
    def used(self) -> int:
        """Units of the burst that are taken, as whole ones."""
        most = self.setting.rate.burst if self.setting.rate else 0
        return min(most, round(self.spent))

    @property
    def booked_until(self) -> datetime | None:
        rate = self.setting.rate
        return booked_until(rate, self.limit.tat, self.now) if rate else None

    @property
    def ahead_s(self) -> float:
        """How long after now the last of those begins who were told to wait."""
        until = self.booked_until
        return (until - self.now).total_seconds() if until else 0.0

    @property
    def total(self) -> int:
        return sum(self.granted)

    @property
    def is_busy(self) -> bool:
        """Time alone changes what is shown."""
        return bool(self.held or self.waiting or self.booked_until or self.spent)

    @property
    def rate(self) -> str:
        """As it is written in the form: `60/1m`."""
        return str(self.setting.as_dict().get("rate", ""))

    @property
    def lease(self) -> str:
        return str(self.setting.as_dict().get("lease", ""))


@dataclass(frozen=True)
class User:
    """What one agent had of a limit within the last hour. Without an agent: those one may not see."""

    agent: Agent | None
    granted: int
    delayed: int
    refused: int


def standings(person: Person, now: datetime) -> list[Standing]:
    """Every limit this person may see."""
    limits = Limit.objects.visible_to(person).select_related("team")
    return _read(list(limits[:MOST_ROWS]), now)


def standing(limit: Limit, now: datetime) -> Standing:
    return _read([limit], now)[0]


def _read(limits: Sequence[Limit], now: datetime) -> list[Standing]:
    ids = [limit.pk for limit in limits]
    counts = _permits(ids, now)
    minutes, sums = _uses(ids, now)
    return [
        Standing(
            limit,
            setting_of(limit),
            now,
            granted=minutes[limit.pk],
            **counts.get(limit.pk, {}),
            **sums.get(limit.pk, {}),
        )
        for limit in limits
    ]


def _permits(ids: Sequence[UUID], now: datetime) -> dict[UUID, dict[str, int]]:
    """Who holds, waits, has booked: by limit."""
    begun = Q(starts_at__lte=now)
    rows = (
        Permit.objects.filter(limit__in=ids, until__gt=now)
        .order_by()
        .values("limit")
        .annotate(
            held=Count("pk", filter=Q(is_lease=True, starts_at__isnull=False)),
            waiting=Count("pk", filter=Q(starts_at=None)),
            booked=Count("pk", filter=~begun & Q(starts_at__isnull=False)),
        )
    )
    return {
        row["limit"]: {
            "held": row["held"],
            "waiting": row["waiting"],
            "booked": row["booked"],
        }
        for row in rows
    }


def _uses(
    ids: Sequence[UUID], now: datetime
) -> tuple[dict[UUID, list[int]], dict[UUID, dict[str, int]]]:
    """Permits of each minute, and sums of what was refused and delayed: by limit."""
    first = _minute(now) - MINUTES + 1
    minutes: dict[UUID, list[int]] = defaultdict(lambda: [0] * MINUTES)
    sums: dict[UUID, dict[str, int]] = defaultdict(lambda: {"refused": 0, "delayed": 0})
    rows = LimitUse.objects.filter(limit__in=ids, minute__gte=first).values_list("limit", "minute")
    for limit, minute, granted, refused, delayed in rows.annotate(
        Sum("granted"), Sum("refused"), Sum("delayed")
    ):
        minutes[limit][min(MINUTES - 1, minute - first)] += granted
        sums[limit]["refused"] += refused
        sums[limit]["delayed"] += delayed
    return minutes, sums


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60


# -- who ------------------------------------------------------------------------------------------


def users(limit: Limit, person: Person, now: datetime) -> list[User]:
    """Who used it in the last hour, the busiest first. A house's limit is used by agents one may not see."""
    rows = (
        LimitUse.objects.filter(limit=limit, minute__gt=_minute(now) - MINUTES)
        .order_by()
        .values_list("agent")
        .annotate(Sum("granted"), Sum("delayed"), Sum("refused"))
    )
    found = list(rows)
    seen = _seen([agent for agent, *_ in found], person)
    named = [User(seen[agent], *counts) for agent, *counts in found if agent in seen]
    others = [counts for agent, *counts in found if agent not in seen]
    named.sort(key=lambda user: (-user.granted - user.refused, str(user.agent)))
    if others:
        named.append(User(None, *(sum(column) for column in zip(*others, strict=True))))
    return named


def in_line(limit: Limit, person: Person, now: datetime) -> list[tuple[Permit, Agent | None]]:
    """Who waits for a place or a moment, in the order in which they will begin."""
    return _with_agents(
        Permit.objects.filter(limit=limit, until__gt=now)
        .filter(Q(starts_at=None) | Q(starts_at__gt=now))
        .order_by("starts_at", "asked_at", "id")[:MOST_IN_LINE],
        person,
    )


def holders(limit: Limit, person: Person, now: datetime) -> list[tuple[Permit, Agent | None]]:
    """Who holds a place, the longest first."""
    held = Permit.objects.filter(limit=limit, is_lease=True, starts_at__lte=now, until__gt=now)
    return _with_agents(held.order_by("starts_at", "id")[:MOST_IN_LINE], person)


def _with_agents(rows: Iterable[Permit], person: Person) -> list[tuple[Permit, Agent | None]]:
    permits = list(rows)
    seen = _seen([permit.agent_id for permit in permits], person)
    return [(permit, seen.get(permit.agent_id)) for permit in permits]


def _seen(agents: Iterable[UUID], person: Person) -> dict[UUID, Agent]:
    return Agent.objects.visible_to(person).in_bulk(set(agents))


# -- the form --------------------------------------------------------------------------------------


def owners(person: Person) -> list[tuple[str, str]]:
    """For whom this person may set limits: teams by id, and `""`, the whole house."""
    mine = Q() if person.watches_everything else Q(pk__in=person.team_ids)
    teams = [team for team in Team.objects.filter(mine) if may_set(team.pk, person)]
    house = [("", "The whole house")] if may_set(None, person) else []
    return [(str(team.pk), team.name) for team in teams] + house


def typed(form: Mapping[str, Any], resource: str) -> LimitSetting:
    """What was typed, as a limit. Raises Invalid in a sentence."""
    written: dict[str, Any] = {"resource": resource}
    for key in ("rate", "lease"):
        if text := str(form.get(key, "")).strip():
            written[key] = text
    for key in ("burst", "concurrency"):
        if text := str(form.get(key, "")).strip().replace(",", ""):
            if not text.isascii() or not text.isdigit() or len(text) > 12:
                raise Invalid(f"{key}: A whole number is needed.")
            written[key] = int(text)
    # What is left over of a limit that was switched off is no mistake.
    if "rate" not in written:
        written.pop("burst", None)
    if "concurrency" not in written:
        written.pop("lease", None)
    return parse_limit(written)
