"""What the role that runs Watchfloor may do in the database: everything its verbs need, and nothing to the record.

Tables belong to the owner, who migrates. The application reads and writes them, but of the record it may only add
lines, leaves and checkpoints; no UPDATE, DELETE or TRUNCATE, and as it owns nothing it cannot drop a table or
switch a trigger off. What must be deleted all the same (erasure, old months) goes through functions of the owner's
(`sql/guard.sql`) that ask for an entry which says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from psycopg import sql

GUARDED: dict[str, str] = {
    "audit_entry": "select, insert",
    "audit_line": "select, insert",
    "audit_payload": "select, insert",
    "audit_held": "select",
    "audit_pending": "select, insert, delete",
    "audit_leaf": "select, insert",
    "audit_tile": "select, insert, update (hashes)",
    "audit_checkpoint": "select, insert",
    "audit_logkey": "select, insert, update (sealed, retired_at)",
    "audit_log": "select, insert, update (halted_at, halted_reason)",
    "audit_anchor": "select, insert",
    "audit_legalhold": "select, insert, update (names, ended_at, ended_by, end_reason)",
    "django_migrations": "select",
}
"""Tables of which the application may do these things only."""

FUNCTIONS = (
    "audit_erase(bigint)",
    "audit_expire(bigint)",
    "audit_make_months(integer)",
)
"""Functions that act as the owner; nobody but the application may call them."""

_TABLES = """
select c.relname, c.relispartition from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') order by 1
"""
_OWNED = """
select c.relname from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relname = any(%s)
   and (pg_has_role(current_user, c.relowner, 'member') or (select rolsuper from pg_roles where rolname = current_user))
 order by 1
"""
_FOUND = """
select f from unnest(%s::text[]) f where to_regprocedure(f) is not null
"""

MEND = (
    "create role watchfloor_app login password '…'; then manage.py record grant --role watchfloor_app, "
    "and name it in DATABASE_URL and the owner in WATCHFLOOR_OWNER_DATABASE_URL"
)
"""How somebody mends that the application owns its tables."""


@dataclass(frozen=True)
class Standing:
    """Whether who runs Watchfloor could rewrite the record."""

    role: str
    owns: tuple[str, ...]
    """Tables of the record that this role owns, or could act as the owner of."""

    @property
    def is_guarded(self) -> bool:
        return not self.owns

    @property
    def sentence(self) -> str:
        if self.is_guarded:
            return f"The application runs as {self.role}, which owns nothing of the record."
        return "The application owns its tables: it could rewrite the record."


def standing() -> Standing:
    """Asks the database as whom we are connected, and what that role owns."""
    with connection.cursor() as cursor:
        cursor.execute("select current_user")
        role = str(cursor.fetchone()[0])
        cursor.execute(_OWNED, [list(GUARDED)])
        return Standing(role, tuple(name for (name,) in cursor.fetchall()))


def grant(role: str) -> None:
    """Let a role run Watchfloor. Call as the owner; again and again is harmless."""
    with connection.cursor() as cursor:
        for statement in statements(role):
            cursor.execute(statement)


def statements(role: str) -> list[str]:
    """The SQL that does it, for this database as it is now."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = {str(name): bool(is_part) for name, is_part in cursor.fetchall()}
        cursor.execute(_FOUND, [list(FUNCTIONS)])
        functions = [str(name) for (name,) in cursor.fetchall()]
        who = sql.Identifier(role).as_string(cursor.connection)
        database = sql.Identifier(connection.settings_dict["NAME"]).as_string(cursor.connection)
    return list(_written(who, database, tables, functions))


def _written(
    who: str, database: str, tables: dict[str, bool], functions: list[str]
) -> Iterable[str]:
    yield f"grant connect, temporary on database {database} to {who}"
    yield f"grant usage on schema public to {who}"
    yield "revoke create on schema public from public"
    yield f"revoke create on schema public from {who}"
    for name, is_part in tables.items():
        yield f'revoke all on table public."{name}" from {who}'
        yield f'revoke all on table public."{name}" from public'
        if not is_part:  # parts are reached through their whole
            what = GUARDED.get(name, "select, insert, update, delete")
            yield f'grant {what} on table public."{name}" to {who}'
    yield f"grant usage, select on all sequences in schema public to {who}"
    for name in functions:
        yield f"revoke all on function {name} from public"
        yield f"grant execute on function {name} to {who}"


def grant_after_migrating(**_: object) -> None:
    """New tables came: say anew what the application may do with each."""
    role = settings.WATCHFLOOR_APPLICATION_ROLE
    if role:
        grant(role)
