"""Values as the evidence of a trip keeps them, which is JSON: read back, or nothing where they are not what they should be."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from datetime import datetime
from typing import Any


def bytes_of(value: Any) -> bytes:
    try:
        return b64decode(value) if isinstance(value, str) else b""
    except Error:
        return b""


def moment_of(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
