"""Signed-in people and agents to measure with."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from http.client import HTTPConnection

import httpx

from agents.models import Agent, Run
from agents.rules.policy.shorthand import always
from agents.transitions import agent as agents
from agents.transitions import run as runs
from people.models import Person, Role, Team
from people.transitions import person as people

from .floor import Floor

PASSWORD = "only for measuring"


def team() -> Team:
    return Team.objects.get_or_create(name="bench")[0]


def lead() -> Person:
    return people.create("lead", role=Role.LEAD, team=team(), password=PASSWORD, by="bench")


def agent(name: str, *, gated: bool = False) -> tuple[Agent, Run, str]:
    """An agent with a run and its key; `gated`: its tool always needs a person."""
    made, key = agents.create(name, team=team(), by="bench", rules=[always("pay")] if gated else [])
    made.breakers.all().update(limit=10**9)
    return made, runs.start(made, name="bench")[0], key


def signed_in(url: str, name: str = "lead") -> httpx.Client:
    """A browser's cookies, the ordinary way in."""
    client = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
    page = client.get("/sign-in/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    told = client.post(
        "/sign-in/",
        data={"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token[1]},
        headers={"Referer": f"{url}/sign-in/"},
        follow_redirects=False,
    )
    assert told.status_code == 302, told.text
    return client


@dataclass
class Browser:
    """A signed-in browser's connection: what it sends, without the price of a client library."""

    connection: HTTPConnection
    headers: dict[str, str]
    token: str

    def approves(self, hold: str) -> bool:
        """A person's approval as the page posts it; whether it was taken."""
        if self.connection.sock is None:
            self.connection.connect()
        self._hold_back(True)
        self.connection.request(
            "POST",
            f"/holds/{hold}/approve/",
            body=f"note=&csrfmiddlewaretoken={self.token}",
            headers=self.headers,
        )
        self._hold_back(False)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status < 400

    def _hold_back(self, on: bool) -> None:
        """Head and body of a small form go in one write, as Chromium has it (kMaxMergedHeaderAndBodySize)."""
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


def browser(floor: Floor) -> Browser:
    client = signed_in(floor.url)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return Browser(
        HTTPConnection("127.0.0.1", floor.port),
        {
            "Cookie": cookies,
            "Referer": f"{floor.url}/",
            "HX-Request": "true",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        client.cookies["csrftoken"],
    )
