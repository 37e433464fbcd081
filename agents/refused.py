"""An agent's call that was refused because of who called, or because of whose thing it asked for"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any

from django.db import DatabaseError

from audit import refusals
from audit.refusals import STRANGER, Subject

from .models import AgentKey

logger = logging.getLogger(__name__)

CODES = {"unauthorized", "forbidden", "not_found"}
"""Refusals that may be somebody trying what is not theirs. The others are told to the agent, and change nothing."""


def note(code: str, reason: str, *, key: bytes | str | None, asked: str) -> None:
    """Write it down. `key` is the one that was sent, or its SHA-256; `asked` is method and address."""
    digest = sha256(key.encode()).digest() if isinstance(key, str) else key
    try:
        refusals.note("key.refused", "", lambda: told(code, reason, digest, asked))
    except DatabaseError as problem:
        logger.warning("A refusal could not be written down: %s", problem)


def told(code: str, reason: str, digest: bytes | None, asked: str) -> dict[str, Any]:
    known = None
    if digest is not None:
        found = AgentKey.objects.select_related("agent__team").filter(hash=digest)
        known = found.first()
    facts = {"code": code, "reason": refusals.words(reason), "asked": refusals.words(asked)}
    if known is None:
        return refusals.told(STRANGER, Subject("agents.key"), reason, **facts)
    who = known.agent
    return refusals.told(who, known, reason, **facts, prefix=known.prefix)
