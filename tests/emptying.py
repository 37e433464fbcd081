"""Between tests with real commits every table is emptied, in one statement instead of three hundred.

Django truncates each table, which makes new files for it and for all its indexes, then writes content types and
permissions and grants anew: that took longer than most tests. Here rows are deleted, and what migrating left stays.
"""

from __future__ import annotations

from django.db import connection

LEFT_BY_MIGRATING = ("django_content_type", "auth_permission")

INSTALL = """
create or replace function test_empty() returns void language plpgsql
set session_replication_role = replica as $$  -- neither guards nor foreign keys: nothing is left to point at
declare
    whole regclass;
begin
    -- Whoever still writes is waited for, and whoever sits in a transaction is found out, as by truncating.
    lock table {tables} in access exclusive mode;
    foreach whole in array array[{names}]::regclass[] loop
        -- Deleted rows stay in the file until it is vacuumed: before they are in the way, the file goes.
        if (select sum(pg_relation_size(part)) > 262144
              from (select whole union select relid from pg_partition_tree(whole)) as parts (part)) then
            execute format('truncate %s cascade', whole);
        else
            execute format('delete from %s', whole);
        end if;
    end loop;
end $$
"""


def install() -> None:
    """Call once per test database, as a role that may leave triggers out."""
    every = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = sorted(set(every) - set(LEFT_BY_MIGRATING))
    with connection.cursor() as cursor:
        cursor.execute(
            INSTALL.format(
                tables=", ".join(tables), names=", ".join(f"'{name}'" for name in tables)
            )
        )


def empty(*_: object) -> None:
    """Instead of Django's own at the end of a test."""
    with connection.cursor() as cursor:
        cursor.execute("select test_empty()")
