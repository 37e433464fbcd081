"""The real client of the protocol at the real server, and a real receiver for its webhooks."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from agentapprovalprotocol import Client, Provisioned, Receiver
from agentapprovalprotocol.receiver import new_secret
from django.db.models import F

from agents.models import Agent
from agents.models.aap import AAPRequest, Provisioner
from agents.transitions import provisioner as provisioners
from people.models import Team
from reviews.models import Hold

REFUND: dict[str, Any] = {
    "tool": "refund.issue",
    "arguments": {"order": "A-17", "amount": 80},
    "timeout": "10m",
}


def submission(**more: Any) -> dict[str, Any]:
    return {"tool": "search", "arguments": {"q": "card"}, "timeout": "10m", **more}


@pytest.fixture
def base(live: str) -> str:
    return f"{live}/api/aap"


@pytest.fixture
def connect(base: str) -> Iterator[Callable[[str], Client]]:
    """The package's own client with a credential."""
    clients: list[Client] = []

    def connecting(token: str) -> Client:
        clients.append(Client(base, token, retry_budget=5))
        return clients[-1]

    yield connecting
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[str], Client], scout_with_key: tuple[Agent, str]) -> Client:
    """An agent's key is its credential."""
    return connect(scout_with_key[1])


@pytest.fixture
def wire(base: str, scout_with_key: tuple[Agent, str]) -> Iterator[httpx.Client]:
    """The same door without the client: for what the client never sends."""
    headers = {"Authorization": f"Bearer {scout_with_key[1]}"}
    with httpx.Client(base_url=base, headers=headers, timeout=40) as http:
        yield http


@pytest.fixture
def provisioner(support: Team) -> tuple[Provisioner, str]:
    return provisioners.authorize(support, by="test", label="platform")


def hold_of(request_id: str) -> Hold:
    request = AAPRequest.objects.get(pk=request_id)
    assert request.action_id is not None, f"{request} has no action"
    return Hold.objects.get(pk=request.action_id)


@dataclass
class Service:
    """A receiver that is served: `got` are the bodies that came."""

    receiver: Receiver
    url: str
    loop: asyncio.AbstractEventLoop
    got: list[bytes]

    def run(self, work: Any, timeout: float = 30) -> Any:
        """Run a coroutine in the receiver's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[[Receiver], Service]]:
    """Serves a receiver on this machine, where the settings allow our messages to go."""
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
    servers: list[tuple[uvicorn.Server, threading.Thread, Service]] = []

    def serving(receiver: Receiver) -> Service:
        app, got = receiver.asgi(), []
        loops: list[asyncio.AbstractEventLoop] = []

        async def kept(scope: Any, receive: Any, send: Any) -> None:
            async def overheard() -> Any:
                message = await receive()
                got.append(message.get("body", b""))
                return message

            await app(scope, overheard, send)

        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(kept, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)

        async def main() -> None:
            loops.append(asyncio.get_running_loop())
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = listener.getsockname()[1]
        service = Service(receiver, f"http://127.0.0.1:{port}/aap/events", loops[0], got)
        servers.append((server, thread, service))
        return service

    yield serving
    for server, thread, service in servers:
        if service.receiver.client is not None:
            service.run(service.receiver.client.aclose())
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def platform(base: str, provisioner: tuple[Provisioner, str]) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {provisioner[1]}"}
    with httpx.Client(base_url=base, headers=headers, timeout=40) as http:
        yield http


def delivery(url: str, **more: Any) -> dict[str, Any]:
    return {
        "delivery": {
            "type": "webhook",
            "url": url,
            "registration_id": str(uuid4()),
            "signing_secret": new_secret(),
            **more,
        }
    }


def provisioned(service: Service, base: str, token: str, **more: Any) -> Provisioned:
    made: Provisioned = service.run(
        service.receiver.provision(
            provider_url=base, provisioner_token=token, url=service.url, **more
        )
    )
    return made


def long_ago(request_id: str, by: timedelta = timedelta(hours=2)) -> None:
    """As if it had all happened earlier."""
    AAPRequest.objects.filter(pk=request_id).update(
        created_at=F("created_at") - by,
        deadline_at=F("deadline_at") - by,
        decided_at=F("decided_at") - by,
        expires_at=F("expires_at") - by,
    )
