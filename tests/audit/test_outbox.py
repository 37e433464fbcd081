"""What is recorded is told: once to each endpoint that listens, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from audit import outbox, sending
from audit.models import Delivery, Endpoint
from audit.record import record
from audit.transitions import endpoint as endpoints
from people.models import Person, Team
from tests.audit.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def may_stay_home(settings: Settings) -> None:
    """Receivers of tests live on this machine."""
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def hook(receiver: Receiver, otto: Person, support: Team) -> Endpoint:
    return endpoints.create(url=receiver.url, team=str(support.pk), events=["agent.*"], by=otto)[0]


def test_an_entry_is_told_to_who_listens(hook: Endpoint, support: Team, receiver: Receiver) -> None:
    record("agent.paused", actor="clock", about=support, summary="It stopped.")

    sending.send_due()

    (told,) = receiver.verified(hook.signing_secret)
    assert told["type"] == "agent.paused"
    assert told["data"]["summary"] == "It stopped."
