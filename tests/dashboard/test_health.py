import os
import signal
import time

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from dashboard.views import health


def test_livez_asks_for_nothing(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_names_every_part(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
        # Tests run as the owner: it is said, and no reason to stop.
        "record": "the application owns its tables: it could rewrite the record",
    }


@pytest.mark.django_db
def test_a_lost_redis_is_no_reason_to_stop(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["redis"] == "unreachable"


@pytest.mark.django_db
def test_a_lost_database_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "cursor", lost)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["database"] == "unreachable"
    assert answer.json()["migrations"] == "unknown"


@pytest.mark.django_db
def test_a_missing_migration_is(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("delete from django_migrations where app = 'dashboard'")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["migrations"] == "1 to apply"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_is_no_reason_to_hang(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (backend,) = cursor.fetchone()
    os.kill(backend, signal.SIGSTOP)

    try:
        begun = time.monotonic()
        answer = client.get("/readyz")
        took = time.monotonic() - begun
    finally:
        os.kill(backend, signal.SIGCONT)
        connection.close()

    assert answer.status_code == 503
    assert answer.json()["database"] == "unreachable"
    assert took < 5


@pytest.mark.django_db
def test_a_database_that_goes_away_half_way_is_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health, "MigrationExecutor", lost)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["migrations"] == "unknown"
