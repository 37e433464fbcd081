"""Channels that lead to receivers on this machine, and routes to them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pytest_django import Settings

from agents.models import Agent, Run
from agents.transitions import agent as agents
from people.models import Person, Team
from reviews.alerting import sending
from reviews.models import Channel, Hold, Route
from reviews.rules.alert_routes import parse_route
from reviews.transitions import channel as channels
from reviews.transitions import opening
from reviews.transitions import route as routes
from tests.audit.receiver import Receiver


@pytest.fixture
def desk(receiver: Receiver, support: Team, ada: Person) -> Channel:
    """A channel of support's that POSTs JSON to the receiver."""
    address = f"json://127.0.0.1:{receiver.port}/desk/a-long-secret-token"
    return channels.create(support, name="desk", address=address, by=ada)


@pytest.fixture
def to_desk(desk: Channel, support: Team, ada: Person) -> Callable[..., Route]:
    """A route to it, as its words say."""

    def routing(**words: Any) -> Route:
        written = {"name": "all", "to": ["desk"]} | words
        return routes.create(support, parse_route(written), by=ada)

    return routing


@pytest.fixture
def stop(scout: Agent, otto: Person) -> Callable[..., Hold]:
    """Somebody stops scout; what waits for an answer then."""

    def stopping(reason: str = "It loops") -> Hold:
        agents.stop(scout, by=otto, reason=reason)
        return Hold.objects.filter(kind="trip").latest("id")

    return stopping


@pytest.fixture
def work(run: Run) -> Callable[..., Hold]:
    """Work that scout hands over."""
    keys = iter(range(1, 10_000))

    def handing(title: str = "Where is my parcel?", **more: Any) -> Hold:
        return opening.hand_over(run, key=str(next(keys)), title=title, queue="desk", **more)[0]

    return handing


@pytest.fixture
def send() -> Callable[[], int]:
    return sending.send_due


class Post:
    """What a mail server took."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        text = envelope.content.decode(errors="replace")
        self.got.append((envelope.mail_from, envelope.rcpt_tos, text))
        return "250 OK"


@pytest.fixture
def post(settings: Settings) -> Iterator[Post]:
    """The house's mail server, on this machine."""
    taking = Post()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(taking, hostname="127.0.0.1", port=port, ready_timeout=10)
    server.start()
    settings.WATCHFLOOR_MAIL = {
        "host": "127.0.0.1",
        "port": port,
        "user": "",
        "password": "",
        "mode": "insecure",
        "from": "watchfloor@example.org",
    }
    yield taking
    server.stop()


def later(**span: Any) -> None:
    """As if so much time had passed since everything that was told."""
    from django.db import connection

    with connection.cursor() as cursor:
        for table, columns in {
            "reviews_alert": ("opened_at", "last_at", "group_until", "repeat_at"),
            "reviews_notification": ("created_at", "next_at", "leased_until", "closed_at"),
            "reviews_channel": ("rests_until",),
            "reviews_silence": ("starts_at", "until"),
        }.items():
            changes = ", ".join(f"{column} = {column} - %s" for column in columns)
            cursor.execute(f"update {table} set {changes}", [timedelta(**span)] * len(columns))  # type: ignore[list-item]
