"""Processes die while agents send their spans: every span that was answered is there once, and nobody is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dashboard.embedded.process import command_line
from tests.agents.spans import PROTOBUF, protobuf
from tests.agents.test_otlp_door import asking, recent
from tests.commands import manage

from .house import House, wait_for

AGENTS, REQUESTS, SPANS = 4, 150, 10


@pytest.fixture
def keys(house: House) -> list[str]:
    creating = (f"agent create sender-{n} --team fleet --json" for n in range(AGENTS))
    return [json.loads(told)["key"] for _, told in manage(house.environment, *creating)]


@pytest.fixture
def house(house: House) -> House:
    """Its web server has children, and its database keeps what it answered."""
    house.environment["WATCHFLOOR_INGEST_PROCESSES"] = "2"
    house.keep_what_is_committed()
    return house


def sends(house: House, key: str, trace: int) -> None:
    """What is not taken, or not answered, is sent again, as exporters do."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": PROTOBUF}
    with httpx.Client(base_url=house.url, headers=headers, timeout=20) as http:
        for number in range(REQUESTS):
            body = request(trace, number)
            wait_for(lambda body=body: is_taken(http, body), "a request to be taken")  # type: ignore[misc]


def is_taken(http: httpx.Client, body: bytes) -> bool:
    try:
        status = http.post("/v1/traces", content=body).status_code
    except httpx.TransportError:
        return False
    assert status in (200, 503)
    return status == 200


def request(trace: int, number: int) -> bytes:
    spans = range(number * SPANS + 1, (number + 1) * SPANS + 1)
    return protobuf(*(recent(asking(n), n=n, trace=trace + 1) for n in spans))


STORED = "select count(*) from agents_action x join agents_agent a on a.id = x.agent_id where a.name like 'sender-%%'"


def test_spans_are_stored_once_whoever_dies(house: House, keys: list[str]) -> None:
    everything = AGENTS * REQUESTS * SPANS

    with ThreadPoolExecutor(AGENTS) as pool:
        sending = [pool.submit(sends, house, key, number) for number, key in enumerate(keys)]
        stored(house, everything // 10)
        wait_for(lambda: len(children(house)) == 2, "the children to begin")
        for pid in children(house):
            os.kill(pid, signal.SIGKILL)
        stored(house, everything // 4)
        house.crash_database()
        stored(house, everything // 2)
        orphans = children(house)
        house.restart("web")
        wait_for(lambda: not any(map(command_line, orphans)), "the children of the dead to end")
        for one in sending:
            one.result(180)

    assert house.ask(STORED) == [(everything,)]
    counted = house.ask("select sum(actions_count) from agents_run where key like 'trace:0000%%'")
    assert counted == [(everything,)]
    told = "select sum((data ->> 'count')::int) from audit_entry where kind = 'actions.observed'"
    assert house.ask(told) == [(everything,)]
    leaves_nobody_behind(house)


def stored(house: House, so_many: int) -> None:
    wait_for(lambda: house.ask(STORED)[0][0] >= so_many, f"{so_many} spans")


def leaves_nobody_behind(house: House) -> None:
    """Asked to end, the web server waits until its children have."""
    wait_for(lambda: len(children(house)) == 2, "the children to begin")
    left = children(house)
    os.kill(house.pid("web"), signal.SIGTERM)
    wait_for(lambda: house.ended("web") is not None, "the web server to end")
    assert not any(map(command_line, left))


def children(house: House) -> list[int]:
    """The processes that store spans for the web server."""
    told = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in told.stdout.splitlines()]
    web = str(house.pid("web"))
    return [int(row[0]) for row in rows if row[1] == web and "agents.ingest" in row[-1]]
