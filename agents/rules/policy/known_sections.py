"""The sections that the agents' app itself knows, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import Invalid

from .. import breaker_settings, budget_settings, limits
from .sections import Section, Setting, register

MOST_ROUTES = 50


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry whose meaning another app knows."""

    written: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return dict(self.written)


def read_routes(value: Any, of_agent: bool) -> Sequence[Setting]:
    """Only their shape; the reviews' app reads them when it is there."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        raise Invalid("alerts: write a list of routes.")
    if len(value) > MOST_ROUTES:
        raise Invalid(f"alerts: {len(value):,} routes; {MOST_ROUTES} are the most.")
    return [Unread(one) for one in value]


register(
    Section(
        "breakers",
        "Breakers",
        lambda value, of_agent: breaker_settings.parse_breakers(value, of_agent=of_agent),
        lambda one: str(one.name),
        lambda one: str(one),
    )
)
register(
    Section(
        "budgets",
        "Budgets",
        lambda value, of_agent: budget_settings.parse_budgets(value, of_agent=of_agent),
        lambda one: str(one.name),
        lambda one: str(one),
    )
)
register(
    Section(
        "limits",
        "Limits of shared resources",
        lambda value, _: limits.parse_limits(value),
        lambda one: str(one.resource),
        lambda one: str(one),
        of_agents=False,
    )
)
register(
    Section(
        "alerts",
        "Alert routes",
        read_routes,
        lambda one: str(one.as_dict().get("name", "")),
        lambda one: ", ".join(f"{key} {value}" for key, value in one.as_dict().items()),
        of_agents=False,
    )
)
