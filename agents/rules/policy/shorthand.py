"""The two rules nearly every policy begins with, without writing them out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def always(tool: str) -> dict[str, Any]:
    """A rule: this tool always needs a person."""
    return {
        "name": f"{tool} needs a person"[:80],
        "tools": [tool],
        "then": "approve",
        "because": f"{tool} always needs a person.",
    }


def over(tool: str, argument: str, limit: Decimal | int | str) -> dict[str, Any]:
    """A rule: this tool needs a person when that argument is over the limit, negative, or no number."""
    limit = Decimal(limit)
    stake = f"double(args[{json.dumps(argument)}])"
    plain = f"{limit.normalize():f}"
    return always(tool) | {
        "when": f"!({stake} >= 0.0 && {stake} <= {float(limit)})",  # so that NaN needs one, too
        "because": f"{tool} needs a person when {argument} is over {plain}.",
    }
