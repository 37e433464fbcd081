"""The bytes that are hashed: a line in canonical JSON (RFC 8785), and the commitment to its payload."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID


class Hashed(NamedTuple):
    """The columns of a line."""

    id: int
    at: datetime
    kind: str
    version: int
    actor: str
    about: str
    team: str
    agent: str
    run: str


def commitment(salt: UUID, body: str) -> str:
    """What a line says of its payload: nothing, to whoever does not have it, and exactly it to whoever does."""
    return sha256(salt.bytes + body.encode()).hexdigest()


def canonical(line: Hashed, payload: str) -> str:
    """The line with its payload's commitment, as hashed.

    With a fixed set of keys, RFC 8785 comes down to sorted keys, no spaces, and strings as JSON writes them
    when it escapes only what it must; numbers here are integers.
    """
    return (
        f'{{"about":{_text(line.about)},"actor":{_text(line.actor)},"agent":{_text(line.agent)},'
        f'"at":"{moment(line.at)}","id":{line.id},"kind":{_text(line.kind)},"payload":"{payload}",'
        f'"run":{_text(line.run)},"team":{_text(line.team)},"version":{line.version}}}'
    )


def moment(at: datetime) -> str:
    """In UTC, always with six digits: PostgreSQL keeps microseconds and nothing finer."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _text(value: str) -> str:
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=False)
