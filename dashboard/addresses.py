"""Reads the addresses of the database and of Redis as their makers write them, for Django and Celery."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

_FIELDS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database(url: str) -> dict[str, Any]:
    """Django's settings for a libpq address, in which everything libpq knows may stand (`?host=/socket&sslmode=…`).

    Raises ValueError, without the address: it may hold a password.
    """
    if not url.startswith(("postgres://", "postgresql://")):
        raise ValueError(
            "DATABASE_URL must look like postgresql://user:password@host:5432/database."
        )
    try:
        given = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError:
        raise ValueError("DATABASE_URL is not a PostgreSQL address that can be read.") from None
    fields = {ours: str(given.pop(theirs)) for theirs, ours in _FIELDS.items() if theirs in given}
    return {"ENGINE": "django.db.backends.postgresql", **fields, "OPTIONS": given}


def broker(redis_url: str) -> str:
    """The address Celery uses for the same Redis: it has its own scheme for sockets.

    >>> broker("unix:///run/valkey.sock?db=1")
    'redis+socket:///run/valkey.sock?virtual_host=1'
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = parse_qs(parts.query)
    query["virtual_host"] = query.pop("db", ["0"])
    return f"redis+socket://{parts.path}?{urlencode(query, doseq=True)}"


def mail(url: str) -> dict[str, Any]:
    """The house's mail server from `smtp://user:password@host:587?from=watch@example.org`.

    `smtp` speaks STARTTLS, `smtps` TLS from the first byte, `smtp+plain` neither: for a server on this machine.
    Empty without an address. Raises ValueError, without the address: it holds a password.
    """
    if not url:
        return {}
    parts = urlsplit(url)
    modes = {"smtp": ("starttls", 587), "smtps": ("ssl", 465), "smtp+plain": ("insecure", 25)}
    sender = parse_qs(parts.query).get("from", [""])[0]
    if parts.scheme not in modes or not parts.hostname or "@" not in sender:
        raise ValueError(
            "WATCHFLOOR_MAIL_URL must look like smtp://user:password@host:587?from=watch@example.org."
        )
    mode, port = modes[parts.scheme]
    return {
        "host": parts.hostname,
        "port": parts.port or port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "mode": mode,
        "from": sender,
    }
