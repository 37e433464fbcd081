"""Arrays as PostgreSQL writes them: psycopg looks at each of thousands of values three times.

Their parameter needs a cast in the statement, which says what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID


def flat(values: Iterable[UUID | int | Decimal | str]) -> str:
    """Of what is written without quotes; texts only where they are known to be such."""
    return "{" + ",".join(map(str, values)) + "}"


def array(values: Iterable[str | None]) -> str:
    """Of texts."""
    return "{" + ",".join(["NULL" if value is None else quoted(value) for value in values]) + "}"


def binaries(values: Iterable[bytes]) -> str:
    """Of bytea."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def quoted(value: str) -> str:
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
