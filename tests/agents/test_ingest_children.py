"""Processes that store spans come, are killed, and go: what was sent is stored once, and the client sees only its answer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from agents.hot import otlp, wait
from agents.ingest import child as childhood
from agents.ingest import ingest as ingesting
from agents.ingest.child import Child
from agents.ingest.children import Children
from agents.ingest.lane import Lane
from agents.ingest.messages import Answer, Frames, Request, framed
from agents.ingest.place import Place
from agents.models import Action, Agent, Bucket, Run
from agents.transitions import agent as agents
from audit import bell
from audit.models import Entry
from tests.agents.conftest import begin, until
from tests.agents.spans import PROTOBUF, protobuf
from tests.agents.test_otlp_door import asking, recent
from tests.cast import Door
from tests.served import InServer

CLIENTS, REQUESTS, SPANS = 6, 20, 5


@pytest.fixture
def url(live: str, children: Children, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server whose children are ready."""
    until(lambda: len(children.ready) == 2)
    monkeypatch.setattr(otlp.ingest, "children", children)
    return live


@pytest.fixture
def keys(scout: Agent) -> list[str]:
    return [agents.create(f"agent-{n}", team=scout.team, by="test")[1] for n in range(CLIENTS)]


@contextmanager
def at_work(url: str, keys: list[str]) -> Iterator[list[Future[list[int]]]]:
    """Every agent sends its requests, one after another."""
    with ThreadPoolExecutor(len(keys)) as pool:
        yield [pool.submit(sends, url, key, number) for number, key in enumerate(keys)]


def sends(url: str, key: str, number: int) -> list[int]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": PROTOBUF}
    with httpx.Client(headers=headers, timeout=60) as http:
        return [
            http.post(f"{url}/v1/traces", content=body(number, n)).status_code
            for n in range(REQUESTS)
        ]


def body(trace: int, number: int) -> bytes:
    spans = range(number * SPANS + 1, (number + 1) * SPANS + 1)
    return protobuf(*(recent(asking(n), n=n, trace=trace + 1) for n in spans))


def every_span_is_there_once() -> None:
    of_each = REQUESTS * SPANS
    assert Action.objects.count() == CLIENTS * of_each
    assert {*Run.objects.values_list("actions_count", flat=True)} == {of_each}
    assert Run.objects.count() == CLIENTS
    told = Entry.objects.filter(kind="actions.observed")
    assert sum(entry.data["count"] for entry in told) == CLIENTS * of_each
    assert sum(Bucket.objects.filter(width=10).values_list("actions", flat=True)) >= of_each


def test_many_agents_share_the_children(url: str, keys: list[str], children: Children) -> None:
    with at_work(url, keys) as answers:
        assert {status for one in answers for status in one.result()} == {200}

    every_span_is_there_once()
    assert len(children.ready) == 2


def test_children_that_are_killed_lose_and_double_nothing(
    url: str, keys: list[str], children: Children
) -> None:
    killed: list[int | None] = []

    with at_work(url, keys) as answers:
        for so_many in range(SPANS, CLIENTS * REQUESTS * SPANS // 2, 60):
            until(lambda many=so_many: Action.objects.count() >= many)  # type: ignore[misc]
            killed += [kill(child) for child in children.ready]
        assert {status for one in answers for status in one.result()} == {200}

    every_span_is_there_once()
    assert len(killed) >= 2
    until(lambda: len(children.ready) == 2)
    assert not {child.pid for child in children.ready} & {*killed}


def test_what_kills_whoever_reads_it_never_reaches_the_web_process(
    url: str, keys: list[str], children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after some of them, and says so; others' requests go on."""
    monkeypatch.setattr(ingesting, "MOST_LOST", 2)
    take = Child.take

    def poisoned(child: Child, request: Request) -> None:
        if b"poison" in request.body:
            kill(child)
        take(child, request)

    monkeypatch.setattr(Child, "take", poisoned)
    monkeypatch.setattr(Lane, "take", lambda *_: pytest.fail("the web process reads it"))
    headers = {"Authorization": f"Bearer {keys[0]}", "Content-Type": "application/json"}
    answer = httpx.post(f"{url}/v1/traces", content=b"poison", headers=headers, timeout=60)
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), answer.text
    assert "Send it again" in answer.json()["message"]
    until(lambda: len(children.ready) == 2)
    assert {*sends(url, keys[1], 1)} == {200}


def test_a_child_that_hangs_is_ended_and_what_it_had_is_stored(
    url: str, keys: list[str], children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "SILENT_S", 0.5)
    hanging = children.ready[0]
    assert hanging.pid is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    assert {*sends(url, keys[0], 0)} == {200}
    until(lambda: len(children.ready) == 2)
    assert hanging not in children.ready


def kill(child: Child) -> int | None:
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    return child.pid


def test_what_is_told_to_the_web_process_does_not_end_its_children(
    url: str, keys: list[str], children: Children
) -> None:
    before = {child.pid for child in children.ready}

    for child in children.ready:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        os.kill(child.pid, signal.SIGTERM)
    assert {*sends(url, keys[0], 0)} == {200}

    assert {child.pid for child in children.ready} == before


def test_a_database_that_hung_up_is_asked_again(
    url: str, keys: list[str], children: Children
) -> None:
    before = {child.pid for child in children.ready}
    assert {*sends(url, keys[0], 0)} == {200}

    with connection.cursor() as cursor:
        cursor.execute(
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity"
            " where application_name = 'watchfloor ingest' and datname = current_database()"
        )
        assert cursor.fetchone() == (2,)
    assert {*sends(url, keys[0], 0), *sends(url, keys[1], 1)} == {200}

    assert {child.pid for child in children.ready} == before
    assert Action.objects.count() == 2 * REQUESTS * SPANS


def test_who_waits_hears_what_a_child_has_stored(
    url: str, scout_with_key: tuple[Agent, str], door: Door
) -> None:
    known = door.control()["version"]
    named = {"watchfloor.run.id": str(door.run.pk)}
    failed = [recent(asking(n) | named, n=n, failed="down") for n in range(1, 13)]

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: door.control(wait=30, seen=known))
        until(lambda: f"control.{door.run.pk}" in bell.hub._listeners)
        began = time.monotonic()
        http = httpx.Client(headers={"Authorization": f"Bearer {scout_with_key[1]}"}, timeout=30)
        with http:
            http.post(
                f"{url}/v1/traces", content=protobuf(*failed), headers={"Content-Type": PROTOBUF}
            )
        told = waiting.result(40)

    assert told["version"] != known
    assert time.monotonic() - began < wait.LOOK_AGAIN_S / 2


def test_the_first_request_starts_them_and_the_end_waits_for_all_answers(
    live: str,
    keys: list[str],
    where_tests_are: None,
    in_server: InServer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.WATCHFLOOR_INGEST_PROCESSES = 1
    made = Children()
    monkeypatch.setattr(otlp.ingest, "children", made)
    assert otlp.ingest.children.ready == []

    with at_work(live, keys) as answers:
        until(lambda: made.ready != [])
        until(lambda: any(child.weight for child in made.ready) or all(a.done() for a in answers))
        (child,) = made.ready
        in_server(otlp.shutdown())
        assert {status for one in answers for status in one.result()} == {200}

    every_span_is_there_once()
    assert made.ready == []
    assert child.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_what_comes_in_the_moment_of_the_end_is_stored_too(
    live: str,
    where_tests_are: None,
    scout: Agent,
    in_server: InServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Children()
    in_server(begin(made, 1))
    until(lambda: made.ready != [])
    monkeypatch.setattr(otlp.ingest, "children", made)
    _, key = agents.issue_key(scout, by="test")

    async def both() -> Answer:
        ending = asyncio.create_task(otlp.ingest.stop())
        sent = otlp.ingest.store(
            scout.pk, sha256(key.encode()).digest(), PROTOBUF, is_gzip=False, body=body(0, 0)
        )
        answer = await asyncio.create_task(sent)
        await ending
        return answer

    assert in_server(both()).code == ""
    assert Action.objects.count() == SPANS


def test_where_none_is_wanted_or_can_be_started_the_web_process_stores(
    live: str,
    keys: list[str],
    in_server: InServer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    begun: list[str] = []

    def fails(*_: object) -> None:
        begun.append("one")
        raise OSError("no more processes")

    monkeypatch.setattr(childhood, "started", fails)
    monkeypatch.setattr(otlp.ingest, "children", Children())

    assert {*sends(live, keys[0], 0)} == {200}
    assert begun == []
    settings.WATCHFLOOR_INGEST_PROCESSES = 2
    assert {*sends(live, keys[1], 1)} == {200}
    assert len(begun) >= 2
    in_server(otlp.shutdown())


class Shelf(Place):
    """Takes all and answers nothing."""

    def take(self, request: Request) -> None:
        pass


@pytest.mark.parametrize(("agents", "shares"), [(2, [2, 0]), (8, [4, 4])])
async def test_a_few_share_a_commit_and_many_are_halved(
    agents: int, shares: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = [Shelf(), Shelf()]
    ingest = ingesting.Ingest()
    monkeypatch.setattr(ingest, "_lanes", shelves)
    span = protobuf(recent(asking(1), n=1, trace=1)).ljust(600)

    sent = [
        asyncio.create_task(ingest.store(uuid4(), b"", PROTOBUF, is_gzip=False, body=span))
        for _ in range(agents)
    ]
    await asyncio.sleep(0)

    assert [len(shelf.agents) for shelf in shelves] == shares
    for one in sent:
        one.cancel()


@given(st.lists(st.text()), st.lists(st.integers(1, 40)))
def test_messages_may_come_in_any_pieces(texts: list[str], sizes: list[int]) -> None:
    sent = [Answer(number, why=text) for number, text in enumerate(texts)]
    stream = b"".join(map(framed, sent))
    frames, got, at = Frames(Answer), list[Answer](), 0

    for size in (*sizes, len(stream) + 1):
        got += frames.feed(stream[at : at + size])
        at += size

    assert got == sent
