"""What keeps tests apart that really commit."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection

from agents.models import Agent, Run
from audit.models import Entry
from people.models import Person, Team
from tests import emptying

pytestmark = pytest.mark.django_db(transaction=True)


def rows() -> dict[str, int]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        counted = {}
        for table in set(tables) - set(emptying.LEFT_BY_MIGRATING):
            cursor.execute(f"select count(*) from {table}")
            counted[table] = cursor.fetchone()[0]
    return {table: count for table, count in counted.items() if count}


def test_nothing_is_left(ada: Person, scout: Agent, run: Run) -> None:
    Team.objects.bulk_create(Team(name=f"team {n}") for n in range(5000))  # too many to delete
    assert rows()["people_team"] > 5000
    assert Entry.objects.exists()

    emptying.empty()

    assert rows() == {}


def test_the_record_is_guarded_as_before() -> None:
    emptying.empty()

    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("truncate audit_line cascade")
