"""Children of the web process that the tests run: they begin once for all tests of a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from agents.ingest.children import Children
from tests.served import InServer


@pytest.fixture(scope="module")
def where_tests_are(django_db_setup: None) -> Iterator[None]:
    """Whoever is started finds this test's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", urlunsplit(address._replace(path=f"/{name}")))
        yield


@pytest.fixture(scope="module")
def children(where_tests_are: None, in_server: InServer) -> Iterator[Children]:
    """Two that are ready. They store for the server of a test that puts them into `otlp.ingest`."""
    made = Children()
    in_server(begin(made, 2))
    until(lambda: len(made.ready) == 2)
    yield made
    in_server(made.stop())


async def begin(children: Children, many: int) -> None:
    children.begin(many)


def until(question: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not question():
        assert time.monotonic() < end
        time.sleep(0.01)
