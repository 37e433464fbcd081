"""What the client's own tests share. None of them needs a Watchfloor server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdk.tests.loopback import Server
from sdk.tests.world import World
from watchfloor.core import Core
from watchfloor.outbox import Outbox


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def core() -> Core:
    return Core("http://test", "wf_key", 1.0, 0.0, "closed", Outbox(100))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
