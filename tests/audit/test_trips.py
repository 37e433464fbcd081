"""What travels to the database together is one transaction, and its COMMIT is the verb's own or nobody's."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg.pq import TransactionStatus

from audit.trips import last_trip
from people.models import Membership, Team

pytestmark = pytest.mark.django_db(transaction=True)

ADD_TEAM = "insert into people_team (id, name, created_at) values (%s, %s, now())"
ADD_MEMBER = "insert into people_membership (id, person_id, role) values (%s, %s, 'ops')"


def send(statement: str, *params: UUID | str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


@transaction.atomic
def add_a_team_and_nobody(told: list[str]) -> None:
    transaction.on_commit(lambda: told.append("committed"))
    with last_trip():
        send(ADD_TEAM, uuid4(), "night")
        send(ADD_MEMBER, uuid4(), uuid4())  # looked at when it is committed


@transaction.atomic
def add_a_team_and_fail() -> None:
    with last_trip():
        send(ADD_TEAM, uuid4(), "night")
        raise ValueError("no")


def is_over() -> bool:
    """Whether the database has committed already."""
    state: TransactionStatus = connection.connection.info.transaction_status
    return state == TransactionStatus.IDLE


def test_the_commit_travels_with_what_is_written_last() -> None:
    told: list[str] = []

    with transaction.atomic():
        transaction.on_commit(lambda: told.append("committed"))
        with last_trip():
            send(ADD_TEAM, uuid4(), "night")
        travelled, told_before = is_over(), list(told)

    assert travelled
    assert (told_before, told) == ([], ["committed"])
    assert Team.objects.filter(name="night").exists()


def test_somebody_elses_transaction_is_theirs_to_commit() -> None:
    with transaction.atomic():
        with transaction.atomic(), last_trip():
            send(ADD_TEAM, uuid4(), "night")
        travelled = is_over()
        transaction.set_rollback(True)

    assert not travelled
    assert not Team.objects.filter(name="night").exists()


def test_what_is_refused_at_the_commit_undoes_all_of_it() -> None:
    told: list[str] = []

    with pytest.raises(IntegrityError, match="person_id"):
        add_a_team_and_nobody(told)

    assert told == []
    assert not Team.objects.filter(name="night").exists()
    assert not Membership.objects.exists()


def test_an_error_of_our_own_commits_nothing() -> None:
    with pytest.raises(ValueError, match="no"):
        add_a_team_and_fail()

    assert is_over()
    assert not Team.objects.filter(name="night").exists()
