"""A team's windows and rows of malformed outputs are written by settlements and by reports: in one order, or they deadlock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection

from agents.models import Agent, Breaker, Bucket, Run, Streak
from agents.models.breaker import Condition, Scope
from people.models import Team
from tests.cast import Door

MALFORMED = {"type": "OutputParserException", "message": "no JSON"}


@pytest.fixture
def watched(support: Team, scout: Agent) -> None:
    """A team's breaker counts failures, another one malformed outputs; there was one of each."""
    for condition in (Condition.ERRORS, Condition.MALFORMED):
        Breaker.objects.create(
            team=support,
            scope=Scope.TEAM,
            condition=condition,
            limit=Decimal(1000),
            window=timedelta(hours=1),
        )
    Streak.objects.create(owner=support.pk, malformed=1)


def settles(door: Door) -> Callable[[], Any]:
    action = door.propose("1", claim_id="c", kind="model", tool="model").json()["action"]["id"]
    return lambda: door.settle(action, "failed", claim_id="c", error=MALFORMED)


def reports(door: Door) -> Callable[[], Any]:
    done = {"id": "2", "tool": "model", "kind": "model", "outcome": "failed", "error": MALFORMED}
    return lambda: door.http.post(
        f"/runs/{door.run.pk}/observations", json={"observations": [done]}
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("does", [settles, reports])
def test_who_waits_for_the_row_of_malformed_outputs_keeps_no_window_of_the_team(
    door: Door,
    watched: None,
    support: Team,
    run: Run,
    does: Callable[[Door], Callable[[], Any]],
) -> None:
    door.done("0")
    do, told = does(door), []
    assert Bucket.objects.filter(owner=support.pk).exists()
    params = connection.get_connection_params()
    wanted = ("host", "port", "dbname", "user", "password")
    with (
        psycopg.connect(**{name: params[name] for name in wanted if params.get(name)}) as other,
        connection.cursor() as cursor,
    ):
        other.execute("select 1 from agents_streak where owner = %s for update", [support.pk])
        thread = threading.Thread(target=lambda: told.append(do()))
        thread.start()
        wait_until_blocked(cursor)

        other.execute(
            "select 1 from agents_bucket where owner = %s for update nowait", [support.pk]
        )
        other.rollback()
        thread.join(20)

    assert told[0].status_code < 300
    assert Streak.objects.get(owner=support.pk).malformed == 2
    assert sum(Bucket.objects.filter(owner=support.pk, width=10).values_list("failures", flat=True))


def wait_until_blocked(cursor: Any) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        cursor.execute("select 1 from pg_locks where not granted")
        if cursor.fetchone():
            return
    raise AssertionError("Nobody waits.")
