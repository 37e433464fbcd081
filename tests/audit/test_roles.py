"""The role that runs Watchfloor: it can do its work, and nothing to the record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from audit import granting, sequencing
from audit.models import Checkpoint
from dashboard import owning
from dashboard.embedded.postgres import APPLICATION
from dashboard.embedded.runtime import OWNER

pytestmark = pytest.mark.django_db

ONLY_ADDED = (
    "audit_line",
    "audit_payload",
    "audit_leaf",
    "audit_checkpoint",
    "audit_anchor",
)
GUARDED = (
    *ONLY_ADDED,
    "audit_pending",
    "audit_tile",
    "audit_logkey",
    "audit_log",
    "audit_legalhold",
)
ATTACKS = {
    "truncate": "truncate {table}",
    "truncate cascade": "truncate {table} cascade",
    "disable triggers": "alter table {table} disable trigger all",
    "disable a guard": "alter table {table} disable trigger is_not_truncated",
    "drop": "drop table {table} cascade",
    "rename": "alter table {table} rename to elsewhere",
    "own": "alter table {table} owner to {role}",
    "grant itself": "grant all on {table} to {role}; truncate {table}",
    "trigger": "create trigger t before insert on {table} for each row execute function audit_refuse()",
    "rule": "create rule r as on insert to {table} do instead nothing",
}
HOUSEBREAKING = {
    "become the owner": "set role watchfloor",
    "be the owner": "set session authorization watchfloor",
    "no triggers at all": "set session_replication_role = replica",
    "a month's payloads": "delete from {month}",
    "a month's payloads at once": "drop table {month}",
    "detach a month": "alter table audit_payload detach partition {month}",
    "a function of the owner's": (
        "create or replace function audit_refuse() returns trigger language plpgsql as $$ begin return old; end $$"
    ),
    "drop a function": "drop function audit_refuse() cascade",
    "a table of its own": "create table audit_line_2 (id int)",
    "switch guards off by a setting": "set pgtrigger.ignore = 'x'; delete from audit_line",
    "agree with itself": (
        "select set_config('watchfloor.agreed', pg_current_xact_id()::text, false); delete from audit_payload"
    ),
    "move a key": "update audit_logkey set public = ''",
    "rename the log": "update audit_log set origin = 'elsewhere'",
    "another owner": "reassign owned by watchfloor to watchfloor_app",
    "a migration undone": "delete from django_migrations",
}


@contextmanager
def application() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A real connection to this test's database, as the application makes it."""
    found = connection.settings_dict
    url = f"postgresql://{APPLICATION}@/{found['NAME']}?host={quote(found['HOST'], safe='')}"
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def as_application() -> None:
    """From now on the connection of this test acts as the application, until its transaction is over."""
    with connection.cursor() as cursor:
        cursor.execute(f"set local role {APPLICATION}")


def refused(statement: str) -> None:
    with application() as opened, pytest.raises(psycopg.errors.InsufficientPrivilege):
        opened.execute(statement.encode())


@pytest.mark.parametrize(("table", "attack"), list(product(GUARDED, ATTACKS)))
def test_no_table_of_the_record_can_be_attacked(table: str, attack: str) -> None:
    refused(ATTACKS[attack].format(table=table, role=APPLICATION))


@pytest.mark.parametrize("table", ONLY_ADDED)
def test_nothing_of_the_record_can_be_changed_or_deleted(table: str) -> None:
    with application() as opened:
        columns = [
            column.name
            for column in opened.execute(f"select * from {table}".encode()).description or []
        ]

    for column in columns:
        refused(f'update {table} set "{column}" = default')
    refused(f"delete from {table}")


@pytest.mark.parametrize("attack", HOUSEBREAKING)
def test_there_is_no_way_around(attack: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select audit_payload_month(now())")
        (month,) = cursor.fetchone()

    refused(HOUSEBREAKING[attack].format(month=month))


@pytest.mark.parametrize("table", ["audit_line", "audit_payload", "audit_leaf", "audit_anchor"])
@pytest.mark.parametrize("deed", ["update {table} set id = id", "delete from {table}"])
def test_even_the_owner_is_stopped_by_triggers(
    table: str, deed: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("ada")
    sequencing.sequence_all()
    with connection.cursor() as cursor:
        cursor.execute(
            'insert into audit_anchor (kind, "where", state, size, root, cosignature, error)'
            " values ('file', 'x', 'kept', 1, '', '', '')"
        )
        statement = deed.format(table=table)
        if table == "audit_leaf":
            statement = statement.replace("id = id", "line = line")

        with pytest.raises(Exception, match="only added to"):
            cursor.execute(statement)


def test_the_functions_of_the_owner_ask_for_an_entry_that_says_so() -> None:
    with application() as opened:
        for name, sentence in (("audit_erase", "erased"), ("audit_expire", "expired")):
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match=f"No entry says .* {sentence}"
            ):
                opened.execute(f"select {name}(1)".encode())


def test_nobody_else_may_call_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select has_function_privilege('public', f, 'execute') from unnest(%s::text[]) f",
            [list(granting.FUNCTIONS)],
        )
        assert cursor.fetchall() == [(False,)] * len(granting.FUNCTIONS)


def test_the_application_writes_and_signs_the_record(
    request: pytest.FixtureRequest, as_application: None
) -> None:
    request.getfixturevalue("run")

    assert sequencing.sequence_all() > 0
    assert Checkpoint.objects.exists()
    assert granting.standing().is_guarded
    assert granting.standing().role == APPLICATION


def test_who_owns_the_tables_is_told_that_it_could_rewrite_them() -> None:
    found = granting.standing()

    assert not found.is_guarded
    assert "audit_line" in found.owns
    assert found.sentence == "The application owns its tables: it could rewrite the record."


def test_every_guarded_table_is_there() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select to_regclass(t) is not null from unnest(%s::text[]) t", [list(granting.GUARDED)]
        )

        assert all(found for (found,) in cursor.fetchall())


def test_granting_again_is_harmless_and_reaches_new_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("create table brand_new (id int)")

        granting.grant(APPLICATION)
        granting.grant(APPLICATION)

        cursor.execute(f"select has_table_privilege('{APPLICATION}', 'brand_new', 'delete')")
        assert cursor.fetchone() == (True,)


APP, OWN = "postgresql://app@db/house", "postgresql://owner@db/house"


@pytest.mark.parametrize(
    ("environment", "floor", "url", "role"),
    [
        ({"DATABASE_URL": APP}, {}, APP, ""),
        ({"DATABASE_URL": APP, OWNER: OWN}, {}, APP, "app"),
        ({"DATABASE_URL": APP, OWNER: OWN, owning.AS_OWNER: "1"}, {}, OWN, "app"),
        ({"DATABASE_URL": APP, owning.AS_OWNER: "1"}, {OWNER: "postgresql://o@x/y"}, APP, ""),
        ({}, {"DATABASE_URL": APP, OWNER: OWN}, APP, "app"),
        ({owning.AS_OWNER: "1"}, {"DATABASE_URL": APP, OWNER: OWN}, OWN, "app"),
        ({"DATABASE_URL": OWN, "WATCHFLOOR_APPLICATION_ROLE": "app"}, {}, OWN, "app"),
    ],
)
def test_what_migrates_is_the_owner_and_what_runs_is_not(
    environment: dict[str, str], floor: dict[str, str], url: str, role: str
) -> None:
    assert owning.roles(environment, floor) == owning.Roles(url, role)


def test_tests_themselves_run_as_the_owner() -> None:
    assert OWNER not in os.environ
    assert owning.is_for_owner(["migrate", "audit"])
    assert not owning.is_for_owner(["runserver"])
