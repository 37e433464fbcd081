"""The waiting agent, a process of its own. No Django: it is somebody else's program."""

from __future__ import annotations

import asyncio
import json
import time
from multiprocessing.connection import Connection

from .wire import Wire


def wait_for_each(pipe: Connection, port: int, key: str) -> None:
    """The agent's process: waits for each action it is told of, says when it had the answer."""
    asyncio.run(waiting(pipe, port, key))


async def waiting(pipe: Connection, port: int, key: str) -> None:
    wire = await Wire.open(port)
    while (action := pipe.recv()) is not None:
        wire.send("GET", f"/api/v1/actions/{action}?wait=30", key=key)
        await wire.writer.drain()
        await asyncio.sleep(0.03)  # the request is on its way; the figure starts later, elsewhere
        pipe.send("waiting")
        _, body = await wire.receive()
        pipe.send((json.loads(body)["state"], time.monotonic()))


def wait_for_stops(pipe: Connection, port: int) -> None:
    """Waits for the control of each run it is told of to change, as the client's long poll does."""
    asyncio.run(stopping(pipe, port))


async def stopping(pipe: Connection, port: int) -> None:
    wire = await Wire.open(port)
    while (asked := pipe.recv()) is not None:
        run, key = asked
        _, body = await wire.ask("GET", f"/api/v1/runs/{run}/control", key=key)
        seen = json.loads(body)["version"]
        wire.send("GET", f"/api/v1/runs/{run}/control?wait=30&seen={seen}", key=key)
        await wire.writer.drain()
        await asyncio.sleep(0.03)  # the request is on its way; the figure starts later, elsewhere
        pipe.send("waiting")
        _, body = await wire.receive()
        pipe.send((json.loads(body)["state"], time.monotonic()))
