"""An AAP request as its instance sees it. Used by both doors, so it knows neither Django nor a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

COLUMNS = (
    "id",
    "tool",
    "server",
    "arguments",
    "timeout",
    "agent_reasoning",
    "context",
    "status",
    "note",
    "created_at",
    "deadline_at",
    "decided_at",
    "expires_at",
    "consumed_at",
    "outcome",
    "outcome_note",
    "reported_at",
)


def request_json(row: Any) -> bytes:
    """The request object. What was sent is in it as it was sent: the client compares to the last digit."""
    parts = {
        "id": quoted(str(row.id)),
        "tool": quoted(row.tool),
        "arguments": row.arguments,
        "timeout": quoted(row.timeout),
        "status": quoted(row.status),
        "created_at": quoted(stamp(row.created_at)),
        "deadline_at": quoted(stamp(row.deadline_at)),
    }
    if row.server is not None:
        parts["server"] = quoted(row.server)
    if row.agent_reasoning is not None:
        parts["agent_reasoning"] = quoted(row.agent_reasoning)
    if row.context is not None:
        parts["context"] = row.context
    if row.decided_at is not None:
        parts["decision"] = written(decision(row))
    if row.consumed_at is not None:
        parts["consumption"] = written(consumption(row))
    return written(parts).encode()


def decision(row: Any) -> dict[str, str]:
    told = {"status": quoted(row.status), "decided_at": quoted(stamp(row.decided_at))}
    if row.note:
        told["note"] = quoted(row.note)
    if row.expires_at is not None:
        told["expires_at"] = quoted(stamp(row.expires_at))
    return told


def consumption(row: Any) -> dict[str, str]:
    told = {"consumed_at": quoted(stamp(row.consumed_at))}
    if row.outcome:
        outcome = {"status": quoted(row.outcome), "reported_at": quoted(stamp(row.reported_at))}
        if row.outcome_note:
            outcome["note"] = quoted(row.outcome_note)
        told["outcome"] = written(outcome)
    return told


def written(parts: Mapping[str, str]) -> str:
    """An object whose values are JSON already."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in parts.items()) + "}"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def stamp(at: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ`; the client reads nothing else."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
