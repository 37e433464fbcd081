"""Several at once, with real commits: each message is sent once, what is alike is one alert."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from django.db import connection

from agents.models import Agent
from people.models import Person, Team
from reviews.alerting import sending
from reviews.models import Alert, Channel, Hold, Notification, Route
from reviews.transitions import hold as holds
from reviews.transitions.alert import Happening, fire
from tests.audit.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

type Routing = Callable[..., Route]


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """All begin together, each with a connection of its own."""
    gate = threading.Barrier(len(deeds))

    def begin(deed: Callable[[], object]) -> object:
        try:
            gate.wait(10)
            return deed()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [done.result(30) for done in [pool.submit(begin, deed) for deed in deeds]]


def test_two_workers_send_each_message_once(
    transactional_db: None, to_desk: Routing, support: Team, desk: Channel, receiver: Receiver
) -> None:
    to_desk(group="0s")
    for n in range(12):
        kind = "trip" if n % 2 else "fleet"
        fire(Happening(kind=kind, title=f"number {n}", team=support))
        Alert.objects.update(group_until="2000-01-01T00:00Z")

    at_once(sending.send_due, sending.send_due, sending.send_due)

    assert len(receiver.got) == 12
    assert receiver.most_at_once <= sending.AT_ONCE_EACH
    assert set(Notification.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_what_happens_at_once_is_one_alert(
    transactional_db: None, to_desk: Routing, support: Team, scout: Agent
) -> None:
    to_desk()

    def happen() -> object:
        return fire(Happening(kind="budget", title="Nearly spent", team=support, agent=scout))

    at_once(*[happen] * 8)

    assert Alert.objects.get().count == 8
    assert Notification.objects.count() == 1


def test_what_is_told_once_is_found_by_one(transactional_db: None, support: Team) -> None:
    def find() -> object:
        return fire(Happening(kind="webhook", title="Dead", team=support, key="delivery:1"))

    found = at_once(*[find] * 6)

    assert sum(one is not None for one in found) == 1
    assert Alert.objects.get().count == 1


def test_a_sender_that_hangs_keeps_nobody_from_stopping(
    transactional_db: None,
    to_desk: Routing,
    stop: Callable[..., Hold],
    work: Callable[..., Hold],
    receiver: Receiver,
    ada: Person,
) -> None:
    to_desk(group="0s")
    work()
    receiver.may_answer.clear()

    def sends() -> None:
        sending.send_due()
        connection.close()

    sender = threading.Thread(target=sends)
    sender.start()
    assert receiver.came.wait(10)

    hold = stop("It loops")
    holds.resume(hold, by=ada)

    assert Alert.objects.get(kind="trip").is_over
    receiver.may_answer.set()
    sender.join(20)
    assert not sender.is_alive()


def test_a_worker_hears_of_it_at_once(
    celery_worker: Celery, to_desk: Routing, stop: Callable[..., Hold], receiver: Receiver
) -> None:
    to_desk()

    stop("It loops")

    assert receiver.came.wait(10)
