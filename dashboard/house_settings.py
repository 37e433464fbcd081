"""How the house is set up from its environment: when a server starts with other settings, the record says so."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit.changes import changed
from audit.models import Entry
from audit.record import record
from audit.refusals import HOUSE

logger = logging.getLogger(__name__)

LISTED = (
    "DEBUG",
    "WATCHFLOOR_URL",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "SESSION_COOKIE_AGE",
    "SESSION_COOKIE_SECURE",
    "WATCHFLOOR_PRIVATE_TARGETS",
    "WATCHFLOOR_TRACE_URL",
    "WATCHFLOOR_FLEET_SHARE",
    "WATCHFLOOR_STEP_UP",
    "WATCHFLOOR_RESERVATION",
    "WATCHFLOOR_LOG_ORIGIN",
    "WATCHFLOOR_LOG_PUBLIC",
    "WATCHFLOOR_ANCHOR_FILE",
    "WATCHFLOOR_ANCHOR_EVERY",
    "WATCHFLOOR_ANCHOR_OLD",
    "WATCHFLOOR_APPLICATION_ROLE",
    "WATCHFLOOR_BELL",
)
"""What is told as it is. No secret is among them, and nothing that may hold one."""
PLACES = ("WATCHFLOOR_FORWARD_TRACES", "WATCHFLOOR_MAIL")
"""Addresses, of which only the host is told."""
ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('watchfloor.settings'))"


def present() -> dict[str, Any]:
    """The settings that count, as JSON has them; those that this release does not know are left out."""
    known = [name for name in LISTED if hasattr(settings, name)]
    found = {name: plain(getattr(settings, name)) for name in known}
    for name in PLACES:
        found[name] = host_of(getattr(settings, name, ""))
    return found


def plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return sorted(str(one) for one in value)


def host_of(value: Any) -> str:
    text = value if isinstance(value, str) else str(getattr(value, "host", "") or "")
    return urlsplit(text).hostname or ("" if "@" in text else text)


def fingerprint(found: Mapping[str, Any]) -> str:
    return sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def tell() -> bool:
    """Write an entry if the settings differ from the last that were written. Returns whether they did."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME)
    found = present()
    last = Entry.objects.filter(kind="settings.changed").order_by("-id").first()
    known = last.data if last is not None else {}
    if known.get("fingerprint") == fingerprint(found):
        return False
    before, after = changed(known.get("settings"), found)
    data = {"fingerprint": fingerprint(found), "settings": found}
    record("settings.changed", actor="command", about=HOUSE, data=data, before=before, after=after)
    return True


def tell_if_possible() -> None:
    """As a server starts: one that cannot tell serves all the same."""
    if not settings.WATCHFLOOR_TELLS_SETTINGS:
        return
    try:
        tell()
    except DatabaseError as problem:
        logger.warning("The settings could not be compared with the record: %s", problem)
