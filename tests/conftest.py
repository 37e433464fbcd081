"""What every test may use: a real server and a real worker, on this test's database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cast import *  # noqa: F403  # who acts in every test
from tests.outside import *  # noqa: F403  # and who is told

if TYPE_CHECKING:
    from celery import Celery
    from pytest_django import DjangoDbBlocker

    from tests.served import Server


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """The embedded server goes away as a whole: dropping its databases first would only take time."""
    return django_db_keepdb or os.environ["DATABASE_URL"].endswith("%2Fs")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Between tests with real commits every table is truncated, also the record: its guard steps aside."""
    from django.db import connection

    from tests import declared

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("select tgrelid::regclass from pg_trigger where tgname = 'is_not_truncated'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"alter table {table} disable trigger is_not_truncated")
        declared.install()


@pytest.fixture(scope="session")
def asgi_server(django_db_setup: None) -> Iterator[Server]:
    """The real ASGI application under uvicorn, with lifespan, on a free port: one for all tests of a process."""
    from dashboard.asgi import application
    from tests.served import Server

    server = Server(application)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def live(transactional_db: None, asgi_server: Server) -> Iterator[str]:
    """The address of the running server, which sees what this test commits; at the end it is idle."""
    with asgi_server.open() as url:
        yield url


@pytest.fixture
def celery_worker(transactional_db: None) -> Iterator[Celery]:
    """A real worker in a thread, on the real broker and this test's database."""
    from celery.contrib.testing.worker import start_worker

    from dashboard.celery import app

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=10):
        yield app
