"""What an action is, in 32 bytes."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import rfc8785

LARGEST_SAFE = 2**53 - 1


class NotCanonical(ValueError):
    """The value has no RFC 8785 form: not finite, an integer beyond ±(2^53 − 1), or not JSON."""


def canonical(value: Any) -> bytes:
    """RFC 8785 JSON. Raises NotCanonical."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise NotCanonical(str(error)) from error


def proposal_digest(*, tool: str, subject: str, arguments: dict[str, Any]) -> bytes:
    """Tells a repeated proposal from another one with the same call id or idempotency key."""
    return sha256(canonical({"arguments": arguments, "subject": subject, "tool": tool})).digest()


def approval_digest(
    *, agent: str, run: str, tool: str, arguments: dict[str, Any], policy_version: str
) -> bytes:
    """What an approval binds: these arguments, for this agent and run, under this policy."""
    bound = {
        "agent": agent,
        "arguments": arguments,
        "operation": "execute",
        "policy_version": policy_version,
        "run": run,
        "tool": tool,
    }
    try:
        return sha256(canonical(bound)).digest()
    except NotCanonical:
        return sha256(canonical(bound | {"arguments": as_sent(arguments)})).digest()


def as_sent(value: Any) -> Any:
    """PostgreSQL writes the double 1e16 out as an integer: read it back as what was bound."""
    if isinstance(value, dict):
        return {key: as_sent(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_sent(one) for one in value]
    if isinstance(value, int) and LARGEST_SAFE < abs(value) <= 10**309:
        try:
            double = float(value)
        except OverflowError:
            return value
        return double if Decimal(repr(double)) == value else value
    return value


def item_of(*, subject: str, digest: bytes) -> str:
    """The item a loop is judged by: its subject, or the tool with its arguments."""
    return subject or f"sha256:{digest.hex()[:32]}"
