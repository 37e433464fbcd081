"""What watches a new agent. Why each has the numbers it has: docs/breakers.md."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from .models.breaker import BreakerState, Condition, Scope, Unit

WATCHING: tuple[dict[str, Any], ...] = (
    {"condition": Condition.REPEATS, "limit": Decimal(5), "window": timedelta(minutes=1)},
    {
        "condition": Condition.LOOP,
        "scope": Scope.RUN,
        "limit": Decimal(6),
        "window": timedelta(minutes=4),
    },
    {"condition": Condition.ERRORS, "limit": Decimal(10), "window": timedelta(minutes=5)},
    {
        "condition": Condition.FAILURE_RATE,
        "limit": Decimal(50),
        "minimum": 20,
        "window": timedelta(minutes=10),
    },
    {
        "condition": Condition.SPEND,
        "unit": Unit.USD,
        "limit": Decimal(25),
        "window": timedelta(hours=1),
    },
)
"""These stop it: what is certainly wrong, whatever the agent does."""

IN_SHADOW: tuple[dict[str, Any], ...] = tuple(
    {"state": BreakerState.SHADOW, **settings}
    for settings in (
        {"condition": Condition.MALFORMED, "limit": Decimal(5), "window": timedelta(hours=1)},
        {
            "condition": Condition.UNUSUAL,
            "limit": Decimal(3),
            "minimum": 200,
            "threshold": Decimal(1),
            "window": timedelta(hours=1),
        },
        {
            "condition": Condition.DROP,
            "limit": Decimal(20),
            "minimum": 50,
            "window": timedelta(hours=1),
        },
        {
            "condition": Condition.SLOW,
            "limit": Decimal(10),
            "threshold": Decimal(120),
            "window": timedelta(minutes=10),
        },
    )
)
"""These only say what they would do: what is right for them, its own history has to show."""

DEFAULTS = WATCHING + IN_SHADOW
