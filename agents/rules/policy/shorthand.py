"""The two rules nearly every policy begins with, without writing them out."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEPT = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
"""Words that CEL keeps for itself: no argument of that name can stand after a dot."""


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
    dotted = PLAIN.fullmatch(argument) and argument not in KEPT
    stake = f"double(args.{argument})" if dotted else f"double(args[{json.dumps(argument)}])"
    plain = f"{limit.normalize():f}"
    return always(tool) | {
        "when": f"{stake} > {float(limit)} || {stake} < 0.0",
        "because": f"{tool} needs a person when {argument} is over {plain}.",
    }
