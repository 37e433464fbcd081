"""What every test may use: a real server and a real worker, on this test's database."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cast import *  # noqa: F403  # who acts in every test
from tests.outside import *  # noqa: F403  # and who is told

if TYPE_CHECKING:
    from celery import Celery
    from pytest_django import DjangoDbBlocker


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """The embedded server goes away as a whole: dropping its databases first would only take time."""
    return django_db_keepdb or os.environ["DATABASE_URL"].endswith("%2Fs")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Between tests with real commits every table is truncated, also the record: its guard steps aside."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "select tgname from pg_trigger where tgname like 'pgtrigger_entries_are_not_truncated%'"
        )
        cursor.execute(f"alter table audit_entry disable trigger {cursor.fetchone()[0]}")


@pytest.fixture(scope="session")
def asgi_server(django_db_setup: None) -> Iterator[str]:
    """The real ASGI application under uvicorn, with lifespan, on a free port: one for all tests of a process."""
    import uvicorn

    from dashboard.asgi import application

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, log_level="warning", lifespan="on", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start: its error stands above"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def live(transactional_db: None, asgi_server: str) -> str:
    """The address of the running server, which sees what this test commits."""
    return asgi_server


@pytest.fixture
def celery_worker(transactional_db: None) -> Iterator[Celery]:
    """A real worker in a thread, on the real broker and this test's database."""
    from celery.contrib.testing.worker import start_worker

    from dashboard.celery import app

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=10):
        yield app
