"""Who is told: a receiver on this machine, and a webhook of the support team."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from audit.models import Endpoint
from audit.transitions import endpoint as endpoints
from people.models import Person, Team
from tests.audit.receiver import Receiver, receiving


@pytest.fixture
def home(settings: Settings) -> Settings:
    """Messages may go to this machine."""
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
    return settings


@pytest.fixture
def receiver(home: Settings) -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def hook(receiver: Receiver, otto: Person, support: Team) -> Endpoint:
    """Told of all that happens to holds and agents of support."""
    events = ["hold.*", "agent.*"]
    return endpoints.create(url=receiver.url, team=str(support.pk), events=events, by=otto)[0]
