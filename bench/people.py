"""Signed-in people and agents to measure with."""

from __future__ import annotations

import re

import httpx

from agents.models import Agent, Run
from agents.rules.policy.shorthand import always
from agents.transitions import agent as agents
from agents.transitions import run as runs
from people.models import Person, Role, Team
from people.transitions import person as people

from .floor import Floor
from .wire import Line, composed

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


class Browser:
    """A signed-in browser's connection: what it sends, without the price of a client library."""

    def __init__(self, floor: Floor) -> None:
        client = signed_in(floor.url)
        self._line = Line(floor.port)
        self._form = f"note=&csrfmiddlewaretoken={client.cookies['csrftoken']}".encode()
        self._headers = {
            "cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
            "referer": f"{floor.url}/",
            "hx_request": "true",
            "content_type": "application/x-www-form-urlencoded",
        }

    def approves(self, hold: str) -> bool:
        """A person's approval as the page posts it; whether it was taken."""
        path = f"/holds/{hold}/approve/"
        status, _ = self._line.ask(composed("POST", path, body=self._form, **self._headers))
        return status < 400
