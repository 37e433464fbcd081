"""The waiting agent, a process of its own. No Django: it is somebody else's program."""

from __future__ import annotations

import json
import time
from multiprocessing.connection import Connection

from .wire import Line, composed

ON_ITS_WAY_S = 0.03
"""Until a request to wait has arrived; the figure starts later, elsewhere."""


def wait_for_each(pipe: Connection, port: int, key: str) -> None:
    """The agent's process: waits for each action it is told of, says when it had the answer."""
    line = Line(port)
    while (action := pipe.recv()) is not None:
        wait(pipe, line, composed("GET", f"/api/v1/actions/{action}?wait=30", key=key))


def wait_for_stops(pipe: Connection, port: int) -> None:
    """Waits for the control of each run it is told of to change, as the client's long poll does."""
    line = Line(port)
    while (asked := pipe.recv()) is not None:
        run, key = asked
        control = f"/api/v1/runs/{run}/control"
        _, body = line.ask(composed("GET", control, key=key))
        seen = json.loads(body)["version"]
        wait(pipe, line, composed("GET", f"{control}?wait=30&seen={seen}", key=key))


def wait(pipe: Connection, line: Line, request: bytes) -> None:
    line.send(request)
    time.sleep(ON_ITS_WAY_S)
    pipe.send("waiting")
    _, body = line.receive()
    pipe.send((json.loads(body)["state"], time.monotonic()))
