"""The client against the running server, with a wire in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from agents.models import Agent
from reviews.models import Hold
from tests.sdk.wire import Wire
from watchfloor import AsyncClient, Client


@pytest.fixture
def wire(live: str) -> Iterator[Wire]:
    wire = Wire(live)
    yield wire
    wire.close()


@pytest.fixture
def key(scout_with_key: tuple[Agent, str]) -> str:
    return scout_with_key[1]


@pytest.fixture
def client(wire: Wire, key: str) -> Iterator[Client]:
    with Client(wire.url, key, patience=0.5) as client:
        yield client
        wire.mend()


@pytest.fixture
def connect(wire: Wire, key: str) -> Callable[..., AsyncClient]:
    """An async client, to be entered inside the test's own event loop."""
    return lambda **options: AsyncClient(wire.url, key, **{"patience": 0.5, **options})


@pytest.fixture
def aside() -> Callable[..., Future[Any]]:
    """Runs a call in a thread: an agent that waits while the test plays the people."""

    def start(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    return start


def eventually(look: Callable[[], Any], within: float = 40.0) -> Any:
    """What `look` gives once that is true; a process that starts for it may have a busy machine."""
    ends = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)
    return found


def waiting_hold(kind: str = "approval") -> Hold:
    """The one open hold of this kind, once it is there."""
    found: Hold = eventually(lambda: Hold.objects.filter(kind=kind, state="open").first())
    return found


def hold_of(amount: int) -> Hold:
    """The open hold of a request for this amount, once it is there."""
    found: Hold = eventually(
        lambda: Hold.objects.filter(state="open", action__arguments__amount=amount).first()
    )
    return found
