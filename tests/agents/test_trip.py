"""Statements that travel together on Django's connection: their rows, what is refused, and what a rollback leaves."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import (
    DataError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    connection,
    transaction,
)

from agents.compiling import MOST_PREPARED
from agents.transitions.trip import Rows, Trip
from people.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

NAMED = "select id, name from people_team where name = %(name)s::text"
ADD = "insert into people_team (id, name, created_at) values (gen_random_uuid(), %(name)s, now())"
EACH = "select n from unnest(%(numbers)s::int[]) as n"


class Undone(Exception):
    """Raised to have a transaction taken back."""


def go(*asked: tuple[str, dict[str, Any]], undo: bool = False) -> list[Rows]:
    """One trip in a transaction of its own."""
    with transaction.atomic():
        with Trip() as trip:
            rows = [trip.send(*one) for one in asked]
        if undo:
            assert Team.objects.exists()
            raise Undone
    return rows


def test_every_statement_has_its_rows() -> None:
    Team.objects.create(name="sales")
    with Trip() as trip:
        team = trip.ask(NAMED, name="sales")
        nobody = trip.ask(NAMED, name="nobody")
        numbers = trip.ask(EACH, numbers="{3,1,2}")
    assert team.fetchone().name == "sales"
    assert (nobody.fetchone(), nobody.fetchall()) == (None, [])
    assert [row.n for row in numbers] == [3, 1, 2]


def test_rows_are_not_there_before_the_end() -> None:
    with Trip() as trip:
        rows = trip.ask(EACH, numbers="{1}")
        with pytest.raises(AssertionError, match="not over"):
            rows.fetchall()


def test_it_is_part_of_the_transaction_around_it() -> None:
    with pytest.raises(Undone):
        go((ADD, {"name": "never"}), undo=True)
    assert not Team.objects.exists()
    go((ADD, {"name": "kept"}))
    assert Team.objects.get().name == "kept"


def test_what_the_orm_wrote_before_goes_with_it() -> None:
    def write() -> None:
        Team.objects.create(name="by the ORM")
        go((ADD, {"name": "by a trip"}))
        assert Team.objects.count() == 2
        raise Undone

    with pytest.raises(Undone):
        transaction.atomic(write)()
    assert not Team.objects.exists()


def test_what_is_refused_is_raised_as_django_has_it() -> None:
    twice = (ADD, {"name": "twice"})
    with pytest.raises(IntegrityError, match="people_team_name"):
        go(twice, twice, (NAMED, {"name": "twice"}))
    assert not Team.objects.exists()


def test_what_is_refused_at_the_end_is_refused() -> None:
    """Keys between tables are looked at when it is committed, which without a transaction is when the trip ends."""
    use = "insert into agents_tooluse (agent_id, tool, uses) values (gen_random_uuid(), 'a', 1)"
    with pytest.raises(IntegrityError, match="foreign key"), Trip() as trip:
        trip.ask(use)
    with pytest.raises(IntegrityError, match="foreign key"):
        go((use, {}), (EACH, {"numbers": "{1}"}))
    (rows,) = go((EACH, {"numbers": "{1}"}))
    assert rows.fetchone().n == 1


@pytest.mark.parametrize("by_psycopg", [False, True])
def test_after_a_refusal_all_goes_on(by_psycopg: bool) -> None:
    """psycopg does away with what is prepared after a rollback, where it prepared something itself."""
    go((EACH, {"numbers": "{1}"}))
    if by_psycopg:
        assert connection.connection.execute("select 1", prepare=True).fetchone() == (1,)
    with pytest.raises(DataError):
        go((EACH, {"numbers": "{2}"}), (EACH, {"numbers": "no numbers"}))
    (rows,) = go((EACH, {"numbers": "{3}"}))
    assert rows.fetchone().n == 3


def test_what_was_done_away_with_is_prepared_anew() -> None:
    go((EACH, {"numbers": "{1}"}))
    connection.connection.pgconn.exec_(b"deallocate all")
    with pytest.raises(ProgrammingError, match="does not exist"):
        go((EACH, {"numbers": "{2}"}))
    (rows,) = go((EACH, {"numbers": "{3}"}))
    assert rows.fetchone().n == 3


def test_a_table_that_changed_is_asked_anew() -> None:
    change = "alter table changing alter column n type bigint"
    with connection.cursor() as cursor:
        cursor.execute("create temporary table changing (n int)")
        go(("select * from changing", {}))
        cursor.execute(change)
    with pytest.raises(NotSupportedError, match="cached plan"):
        go(("select * from changing", {}))
    go(("select * from changing", {}))


def test_a_value_that_python_has_not_leaves_the_connection_usable() -> None:
    with pytest.raises(DataError), Trip() as trip:
        trip.ask("select 'infinity'::timestamptz as at")
    (rows,) = go((EACH, {"numbers": "{1}"}))
    assert rows.fetchone().n == 1


def test_nothing_asked_leaves_the_connection_usable() -> None:
    with Trip():
        pass
    assert go() == []
    (rows,) = go((EACH, {"numbers": "{1}"}))
    assert rows.fetchone().n == 1


def test_an_error_of_ones_own_leaves_the_connection_usable() -> None:
    with pytest.raises(KeyError):
        go((ADD, {"name": "never"}), (NAMED, {}))
    assert not Team.objects.exists()


def test_very_many_statements_are_not_all_kept() -> None:
    with transaction.atomic(), Trip() as trip:
        rows = [trip.ask(f"select {n} as n") for n in range(MOST_PREPARED + 50)]
    assert [row.fetchone().n for row in rows] == list(range(MOST_PREPARED + 50))
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_prepared_statements where name like 'wf%'")
        assert cursor.fetchone()[0] <= MOST_PREPARED
