"""The live socket: who may hear what, when it speaks, and that it forgets those who left."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest
import websockets
from django.db import connection
from django.test import Client
from websockets.typing import Origin

from agents.models import Run
from audit.bell import hub
from dashboard import consumers
from dashboard.consumers import asked, bells
from people.models import Person, Team
from reviews.transitions.opening import hand_over


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ('{"watch": ["holds", "run.1"]}', ["holds", "run.1"]),
        ('{"watch": ["holds", 7, null, {}]}', ["holds"]),
        ('{"watch": "holds"}', None),
        ("[]", None),
        ("{}", None),
        ("nonsense", None),
        ("", None),
        ('{"watch": ["' + "x" * 9000 + '"]}', None),
        ("[" * 5000, None),
    ],
)
def test_only_a_list_of_topics_is_understood(text: str, topics: list[str] | None) -> None:
    assert asked(text) == topics


def test_topics_are_those_one_may_see(
    ada: Person, otto: Person, eve: Person, run: Run, support: Team
) -> None:
    hold, _ = hand_over(run, key="1", title="x", queue="q")
    topics = [
        "holds",
        "agents",
        "record",
        f"hold.{hold.pk}",
        f"run.{run.pk}",
        f"agent.{run.agent_id}",
        f"run.{uuid4()}",
        "run.x",
        "queue.1",
        "",
        "holds.everything",
    ]

    assert bells(ada, topics) == {
        "holds": (f"holds.{support.pk}",),
        "agents": (f"agents.{support.pk}",),
        "record": (f"record.{support.pk}",),
        f"hold.{hold.pk}": (f"hold.{hold.pk}",),
        f"run.{run.pk}": (f"run.{run.pk}",),
        f"agent.{run.agent_id}": (f"agent.{run.agent_id}",),
    }
    assert bells(otto, ["holds"]) == {"holds": ("holds",)}
    assert set(bells(eve, topics)) == {"holds", "agents", "record"}
    assert f"holds.{support.pk}" not in str(bells(eve, topics))


def test_those_who_may_not_read_the_record_do_not_hear_of_it(bob: Person) -> None:
    assert bells(bob, ["record"]) == {}


# -- over a real socket ------------------------------------------------------------------------------


@pytest.fixture
def cookie(ada: Person) -> str:
    client = Client()
    client.force_login(ada)
    return client.cookies["watchfloor_session"].OutputString().split(";")[0]


def listen(live: str, cookie: str, talk: Any, origin: str | None = None) -> Any:
    """Run `talk(socket)` with an open socket, beside the server's own loop."""

    async def open_and_talk() -> Any:
        address = live.replace("http", "ws") + "/live"
        async with websockets.connect(
            address, additional_headers={"Cookie": cookie}, origin=Origin(origin or live)
        ) as socket:
            return await talk(socket)

    return asyncio.run(open_and_talk())


def sign_out_everywhere(person: Person) -> None:
    person.sessions.all().delete()
    connection.close()  # this thread's own


async def heard(socket: Any, seconds: float = 2.0) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), seconds))


def test_a_ring_is_heard_at_once(live: str, cookie: str, support: Team) -> None:
    async def talk(socket: Any) -> tuple[Any, float]:
        await socket.send('{"watch": ["holds"]}')
        assert await heard(socket) == {"watching": True}
        before = asyncio.get_running_loop().time()
        hub.ring_from_thread((f"holds.{support.pk}",))
        return await heard(socket), asyncio.get_running_loop().time() - before

    message, took = listen(live, cookie, talk)

    assert message == {"look": ["holds"]}
    assert took < 0.15


def test_many_rings_are_told_together(live: str, cookie: str, support: Team) -> None:
    async def talk(socket: Any) -> list[Any]:
        await socket.send('{"watch": ["holds", "agents"]}')
        await heard(socket)
        messages = []
        for _ in range(40):
            hub.ring_from_thread((f"holds.{support.pk}", f"agents.{support.pk}"))
            await asyncio.sleep(0.01)
        try:
            while True:
                messages.append(await heard(socket, 0.6))
        except TimeoutError:
            return messages

    messages = listen(live, cookie, talk)

    assert 2 <= len(messages) <= 6
    assert messages[-1] == {"look": ["agents", "holds"]}


def test_strangers_are_told_to_sign_in(live: str) -> None:
    async def talk(socket: Any) -> Any:
        await socket.wait_closed()
        return socket.close_code

    assert listen(live, "watchfloor_session=made-up", talk) == consumers.SIGNED_OUT


def test_another_site_cannot_listen(live: str, cookie: str) -> None:
    async def talk(socket: Any) -> None:
        raise AssertionError("it was let in")

    with pytest.raises(websockets.InvalidStatus):
        listen(live, cookie, talk, origin="https://evil.example")


def test_a_session_that_ended_hears_no_more(
    live: str, cookie: str, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)

    async def talk(socket: Any) -> Any:
        await socket.send('{"watch": ["holds"]}')
        await heard(socket)
        await asyncio.to_thread(sign_out_everywhere, ada)
        await asyncio.wait_for(socket.wait_closed(), 3)
        return socket.close_code

    assert listen(live, cookie, talk) == consumers.SIGNED_OUT


def test_nonsense_is_answered_and_nothing_breaks(live: str, cookie: str) -> None:
    async def talk(socket: Any) -> Any:
        for nonsense in ("x", "[]", '{"watch": 4}', "{}"):
            await socket.send(nonsense)
            assert await heard(socket) == {"ok": True}
        await socket.send('{"watch": ["holds"]}')
        return await heard(socket)

    assert listen(live, cookie, talk) == {"watching": True}


def test_a_page_that_left_is_forgotten(live: str, cookie: str, support: Team) -> None:
    async def talk(socket: Any) -> None:
        await socket.send('{"watch": ["holds"]}')
        await heard(socket)
        assert f"holds.{support.pk}" in hub._listeners

    listen(live, cookie, talk)

    deadline = time.monotonic() + 2
    while f"holds.{support.pk}" in hub._listeners and time.monotonic() < deadline:
        time.sleep(0.01)
    assert f"holds.{support.pk}" not in hub._listeners
