"""Looks at the environment before anything starts: what cannot be meant is one sentence that names the variable."""

from __future__ import annotations

import importlib
import os

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from dashboard.embedded.process import CannotStart
from dashboard.embedded.runtime import OWNER


def check() -> None:
    """Raises CannotStart."""
    try:
        importlib.import_module("dashboard.settings")
    except ImproperlyConfigured as wrong:
        raise CannotStart(str(wrong)) from None
    if not os.environ.get("DATABASE_URL"):
        _forget_other_databases()
        return
    for name in ("DATABASE_URL", OWNER):
        if address := os.environ.get(name):
            _knock(name, address)


def _forget_other_databases() -> None:
    """What libpq reads (`PGSERVICE`, `PGHOST`) means a database of this shell's, never our own."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _knock(name: str, address: str) -> None:
    try:
        psycopg.connect(address, connect_timeout=10).close()
    except psycopg.ProgrammingError:
        raise CannotStart(f"{name} is not a PostgreSQL address that can be read.") from None
    except psycopg.OperationalError as error:
        reason = str(error).partition("\n")[0].removeprefix("connection failed: ")
        raise CannotStart(f"No database answers at {_where(address)} ({name}): {reason}.") from None


def _where(address: str) -> str:
    parts = conninfo_to_dict(address)
    return f"{parts.get('host') or 'this machine'} port {parts.get('port') or 5432}"
