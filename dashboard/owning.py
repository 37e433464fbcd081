"""As whom a process speaks to the database: as the application, which runs, or as the owner, who migrates.

The application owns no table, so it can neither rewrite the record nor switch off what guards it. Only what
changes tables connects as their owner, and nothing that runs is told how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

from dashboard.embedded.runtime import OWNER

AS_OWNER = "WATCHFLOOR_AS_OWNER"
"""Set for a process that changes tables."""
_COMMANDS = frozenset({"migrate", "createcachetable", "flush", "sqlmigrate"})
_NOWHERE = "postgresql://watchfloor@localhost/watchfloor"


@dataclass(frozen=True)
class Roles:
    url: str
    """Where this process connects to."""
    application: str
    """The role that runs Watchfloor and owns nothing; empty when the owner itself runs it."""


def is_for_owner(words: Sequence[str]) -> bool:
    """Whether a command changes tables or what may be done to them.

    >>> is_for_owner(["migrate"]), is_for_owner(["record", "grant"]), is_for_owner(["record", "check"])
    (True, True, False)
    """
    return bool(words) and (words[0] in _COMMANDS or list(words[:2]) == ["record", "grant"])


def roles(environment: Mapping[str, str], floor: Mapping[str, str]) -> Roles:
    """From the environment, else from the floor that runs on this machine."""
    named = environment if environment.get("DATABASE_URL") else floor
    url = named.get("DATABASE_URL") or _NOWHERE
    owner = environment.get(OWNER) or named.get(OWNER) or ""
    application = environment.get("WATCHFLOOR_APPLICATION_ROLE", "")
    if owner and not application:
        application = _user(url)
    return Roles(owner if owner and environment.get(AS_OWNER) else url, application)


def _user(url: str) -> str:
    return str(conninfo_to_dict(url).get("user") or "")
