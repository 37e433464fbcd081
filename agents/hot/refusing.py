"""Whoever tried what is not theirs stands in the record. Called when the answer is on its way already."""

from __future__ import annotations

from audit import source
from audit.errors import Refused

from .. import refused
from .http import Scope, address_of, key_hash, program_of
from .pool import in_django


async def told_of(scope: Scope, code: str, detail: str) -> None:
    """Write a refusal down, when it may be somebody trying what is not theirs."""
    if code not in refused.CODES:
        return
    try:
        key = key_hash(scope)
    except Refused:
        key = None
    asked = f"{scope['method']} {scope['path']}"
    with source.of("agent", address=address_of(scope), program=program_of(scope)):
        await in_django(refused.note, code, detail, key=key, asked=asked)
