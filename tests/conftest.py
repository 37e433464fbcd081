"""What every test may use: a real server and a real worker, on this test's database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cast import *  # noqa: F403  # who acts in every test
from tests.outside import *  # noqa: F403  # and who is told

if TYPE_CHECKING:
    from celery import Celery
    from pytest_django import DjangoDbBlocker

    from tests.served import InServer, Server


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """The embedded server goes away as a whole: dropping its databases first would only take time."""
    return django_db_keepdb or os.environ["DATABASE_URL"].endswith("%2Fs")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tests with real commits end with every table empty; and what is written to the record must be declared."""
    from django.test import TransactionTestCase

    from tests import declared, emptying

    with django_db_blocker.unblock():
        emptying.install()
        declared.install()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty)
        yield


@pytest.fixture(scope="session")
def asgi_server(django_db_setup: None) -> Iterator[Server]:
    """The real ASGI application under uvicorn, with lifespan, on a free port: one for all tests of a process."""
    from dashboard.asgi import application
    from tests.served import Server

    server = Server(application)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def in_server(asgi_server: Server) -> InServer:
    """Runs something where the server runs."""
    loop = asgi_server.door.loop
    assert loop is not None
    return lambda what: asyncio.run_coroutine_threadsafe(what, loop).result(60)


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


@pytest.fixture(autouse=True)
def nobody_was_refused_yet() -> None:
    """A process counts the attempts it has not written, and tells of them a minute later: in another test's record."""
    from audit import refusals

    refusals.limiter.forget()
