"""Prices as people look after them: which count now, what they replaced, and what a correction would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents.models import Price
from agents.models.limit import may_set
from agents.rules.prices import PriceSetting, checked
from audit.errors import Invalid
from people.models import Person, Team

MOST_ROWS = 1_000
HOUSE = "the whole house"


@dataclass
class Row:
    """What a name costs now, and what it was said to cost before."""

    price: Price
    may_correct: bool
    before: list[Price] = field(default_factory=list)
    """Newest first; also those that begin later."""

    @property
    def is_under_way(self) -> bool:
        """Its correction is still being computed."""
        return self.price.repricing.finished_at is None


def listed(person: Person, now: datetime) -> list[Row]:
    """Every price this person sees, by name; of each the one that counts now, or will first."""
    found = (
        Price.objects.visible_to(person)
        .select_related("team", "repricing")
        .order_by("name", "team__name", "-valid_from", "-pk")[:MOST_ROWS]
    )
    rows: dict[tuple[str, UUID | None], list[Price]] = {}
    for price in found:
        rows.setdefault((price.name.lower(), price.team_id), []).append(price)
    made = []
    for prices in rows.values():
        current = next((one for one in prices if one.valid_from <= now), prices[-1])
        may_correct = may_set(current.team_id, person)
        made.append(Row(current, may_correct, [one for one in prices if one is not current]))
    return made


def owners(person: Person) -> list[tuple[str, str]]:
    """For whom this person may set prices."""
    teams = [team for team in Team.objects.order_by("name") if may_set(team.pk, person)]
    house = [("", HOUSE)] if may_set(None, person) else []
    return house + [(str(team.pk), team.name) for team in teams]


def typed(form: Mapping[str, str]) -> PriceSetting:
    """The form as a price. Raises Invalid in a sentence."""
    name = form.get("name", "").replace("\0", "").strip()
    withdrawn = form.get("withdrawn") == "yes"
    return checked(
        PriceSetting(
            name=name,
            input=dollars(form, "input", needed=not withdrawn) or Decimal(0),
            output=dollars(form, "output", needed=not withdrawn) or Decimal(0),
            cached_input=dollars(form, "cached_input"),
            cache_write=dollars(form, "cache_write"),
            valid_from=moment(form.get("valid_from", "")),
            note=form.get("note", ""),
            withdrawn=withdrawn,
        )
    )


def dollars(form: Mapping[str, str], name: str, *, needed: bool = False) -> Decimal | None:
    text = form.get(name, "").strip().removeprefix("$").replace(",", "")
    if not text and not needed:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid(
            f"{name.replace('_', ' ').capitalize()}: write dollars a million tokens."
        ) from None


def moment(text: str) -> datetime | None:
    """A moment where the reader is; none: from now."""
    if not text.strip():
        return None
    try:
        found = parse_datetime(text.strip())
    except ValueError:
        found = None
    if found is None:
        raise Invalid("Valid from: write a moment, such as 2026-11-21T00:00.")
    return found if found.tzinfo else timezone.make_aware(found)


def written(price: Price) -> dict[str, str]:
    """A price as the form that corrects it."""

    def plain(value: Decimal | None) -> str:
        return "" if value is None else f"{value.normalize():f}"

    return {
        "name": price.name,
        "team": str(price.team_id or ""),
        "input": plain(price.input),
        "output": plain(price.output),
        "cached_input": plain(price.cached_input),
        "cache_write": plain(price.cache_write),
        "valid_from": price.valid_from.isoformat(),
    }
