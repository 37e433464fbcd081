"""What an approval binds: exactly one call, as SHA-256 over RFC 8785 JSON (docs/api.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import rfc8785

from watchfloor.jsonable import jsonable
from watchfloor.models import Action, Json, OnUnbound

LARGEST_SAFE = 2**53 - 1
"""Integers beyond are no JSON numbers that every reader reads alike (RFC 7493)."""


def digest(action: Action, arguments: Mapping[str, Any]) -> str:
    """Hex digest of this action with these arguments. Raises ValueError when they have none."""
    bound = {
        "operation": "execute",
        "agent": action.agent_id,
        "run": action.run_id,
        "tool": action.tool,
        "arguments": as_bound(jsonable(dict(arguments))),
        "policy_version": action.policy_version,
    }
    return hashlib.sha256(rfc8785.dumps(bound)).hexdigest()


def why_not(action: Action, arguments: Mapping[str, Any], on_unbound: OnUnbound) -> str:
    """Why these arguments must not run under the action's approval; empty when they may."""
    if action.digest is None:
        if not action.is_approved or on_unbound == "open":
            return ""
        return "the server does not say what the approval binds (no digest)"
    try:
        found = digest(action, arguments)
    except ValueError as error:
        return f"its arguments have no canonical form: {error}"
    if found == action.digest:
        return ""
    return f"it differs from what was approved ({found[:12]}… is not {action.digest[:12]}…)"


def same(one: Json, other: Json) -> bool:
    """Are they the same JSON? `1.0` is `1` here, as RFC 8785 writes it, but `true` is not."""
    try:
        return bool(rfc8785.dumps(as_bound(one)) == rfc8785.dumps(as_bound(other)))
    except ValueError:
        return False


def as_bound(value: Json) -> Json:
    """PostgreSQL writes the double 1e16 out as an integer: read it back as what was bound."""
    if isinstance(value, dict):
        return {name: as_bound(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_bound(each) for each in value]
    if isinstance(value, int) and abs(value) > LARGEST_SAFE:
        return _as_double(value)
    return value


def _as_double(value: int) -> float | int:
    """The double that is written like this, or the integer itself when there is none."""
    try:
        double = float(value)
    except OverflowError:
        return value
    return double if Decimal(repr(double)) == value else value
