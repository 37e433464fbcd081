"""A message goes out once, or again with the same id, or is seen to be dead; nobody waits for a dead receiver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from audit import outbox, sending, tasks
from audit.errors import Conflict, NotFound
from audit.models import Delivery, Endpoint, Entry
from audit.record import record
from audit.transitions import endpoint as endpoints
from people.models import Person, Team
from tests.audit.receiver import Receiver, receiving
from tests.test_races import at_once


def later(**much: float) -> None:
    """Time goes by for all that waits."""
    gone = timedelta(**much)
    Delivery.objects.filter(state="pending").update(next_at=F("next_at") - gone)
    Delivery.objects.exclude(leased_until=None).update(leased_until=F("leased_until") - gone)
    Endpoint.objects.exclude(rests_until=None).update(rests_until=F("rests_until") - gone)


def test_a_failed_message_is_sent_again_with_the_same_id_and_bytes(
    hook: Endpoint, receiver: Receiver
) -> None:
    outbox.enqueue(hook, "x.y", {})
    receiver.status = 500

    sending.send_due()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("pending", 1)
    assert delivery.last_error == "It answered 500."
    assert sending.send_due() == 0, "not before its time"

    receiver.status = 200
    later(seconds=6)
    sending.send_due()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert [line["status"] for line in delivery.tries] == [500, 200]
    (first, once), (second, again) = receiver.got
    assert once == again
    assert first["webhook-id"] == second["webhook-id"]
    receiver.verified(hook.signing_secret)


def test_a_message_that_never_arrives_is_dead_after_a_day(
    hook: Endpoint, receiver: Receiver
) -> None:
    assert timedelta(hours=22) < sum(sending.BACKOFF, timedelta()) < timedelta(hours=25)
    outbox.enqueue(hook, "x.y", {})
    receiver.status = 503

    for _ in range(len(sending.BACKOFF) + 5):
        sending.send_due()
        later(hours=10)

    delivery = Delivery.objects.get()
    assert delivery.state == "dead"
    assert delivery.attempts == len(sending.BACKOFF) + 1
    assert len(set(receiver.ids)) == 1


def test_a_dead_message_is_sent_again_when_somebody_says_so(
    hook: Endpoint, receiver: Receiver, otto: Person, bob: Person, eve: Person
) -> None:
    outbox.enqueue(hook, "x.y", {})
    Delivery.objects.update(
        state="dead", attempts=11, closed_at=timezone.now(), last_error="It answered 503."
    )
    delivery = Delivery.objects.get()

    for other in (bob, eve):
        with pytest.raises(NotFound):
            endpoints.resend(delivery.pk, by=other)
    endpoints.resend(delivery.pk, by=otto)
    sending.send_due()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("delivered", 1, "")
    assert receiver.ids == [delivery.message_id]
    assert receiver.got[0][1].decode() == delivery.body
    assert Entry.objects.filter(kind="endpoint.resent", actor=otto.record_name).exists()


def test_a_delivered_message_can_be_sent_again(
    hook: Endpoint, receiver: Receiver, otto: Person
) -> None:
    (delivery,) = outbox.enqueue(hook, "x.y", {})
    sending.send_due()

    endpoints.resend(delivery.pk, by=otto)
    sending.send_due()

    assert receiver.ids == [delivery.message_id] * 2
    assert receiver.got[0][1] == receiver.got[1][1]


def test_gone_means_no_more(hook: Endpoint, receiver: Receiver, otto: Person) -> None:
    for _ in range(3):
        outbox.enqueue(hook, "x.y", {})
    receiver.status = 410
    Endpoint.objects.update(failures=1)  # one at a time

    sending.send_due()

    hook.refresh_from_db()
    assert hook.state == "disabled"
    assert "410 Gone" in hook.state_reason
    assert {d.state for d in Delivery.objects.all()} == {"dead"}
    assert len(receiver.got) == 1
    (tried,) = [d for d in Delivery.objects.all() if d.attempts]
    assert tried.last_error == "It answered 410 Gone: it wants no more messages."
    assert Entry.objects.filter(kind="endpoint.disabled", actor="clock").exists()
    with pytest.raises(Conflict, match="Enable it first"):
        endpoints.resend(Delivery.objects.earliest("pk").pk, by=otto)


def test_a_redirect_is_a_failure_in_words(hook: Endpoint, receiver: Receiver) -> None:
    outbox.enqueue(hook, "x.y", {})
    receiver.status = 302

    sending.send_due()

    assert "redirects are not followed" in Delivery.objects.get().last_error


def test_a_target_that_became_private_gets_nothing(
    hook: Endpoint, receiver: Receiver, home: Settings
) -> None:
    outbox.enqueue(hook, "x.y", {})
    home.WATCHFLOOR_PRIVATE_TARGETS = []

    sending.send_due()

    delivery = Delivery.objects.get()
    assert delivery.last_error.startswith("127.0.0.1 is not an address of the public internet.")
    assert not receiver.got


def test_a_secret_that_cannot_be_read_blocks_nothing(
    hook: Endpoint, receiver: Receiver, otto: Person, settings: Settings
) -> None:
    outbox.enqueue(hook, "x.y", {})
    settings.SECRET_KEY = "lost the other one"
    other = endpoints.create(url=hook.url, team=hook.team, events=["run.*"], by=otto)[0]
    outbox.enqueue(other, "x.y", {})

    sending.send_due()

    assert "sealed under another" in hook.deliveries.get().last_error
    assert other.deliveries.get().state == "delivered"


def test_a_subject_that_cannot_be_described_is_told_without(
    hook: Endpoint, support: Team, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(name: str) -> dict[str, object]:
        with connection.cursor() as cursor:
            cursor.execute("select 1 / 0")
        return {}

    monkeypatch.setitem(outbox.describers, "audit.endpoint", describe)
    Endpoint.objects.update(events=["endpoint.*"])
    record("endpoint.enabled", actor="clock", about=hook)

    sending.send_due()

    assert receiver.verified(hook.signing_secret)[0]["type"] == "endpoint.enabled"


def test_a_slow_receiver_is_not_flooded_and_keeps_nobody_waiting(
    hook: Endpoint, receiver: Receiver, otto: Person, transactional_db: None
) -> None:
    with receiving() as quick:
        prompt = endpoints.create(url=quick.url, team=hook.team, events=["run.*"], by=otto)[0]
        for _ in range(12):
            outbox.enqueue(hook, "x.y", {})
        for _ in range(12):
            outbox.enqueue(prompt, "x.y", {})
        receiver.may_answer.clear()

        def answer(request: BaseHTTPRequestHandler) -> None:
            if len(quick.got) == 12:
                receiver.may_answer.set()
            request.send_response(204)
            request.end_headers()

        quick.reply = answer
        assert sending.send_due() == 24

    assert len(quick.got) == len(receiver.got) == 12
    assert receiver.most_at_once <= sending.AT_ONCE_EACH


def test_a_failing_receiver_is_tried_one_at_a_time_and_rests(
    hook: Endpoint, receiver: Receiver
) -> None:
    for _ in range(8):
        outbox.enqueue(hook, "x.y", {})
    receiver.status = 500

    sending.send_due()
    tried = len(receiver.got)
    assert tried <= sending.AT_ONCE_EACH
    for _ in range(3):
        later(seconds=60)
        sending.send_due()

    assert len(receiver.got) == tried + 3
    hook.refresh_from_db()
    assert hook.failures == tried + 3
    receiver.status = 204
    later(seconds=60)
    sending.send_due()
    hook.refresh_from_db()
    assert (hook.failures, hook.rests_until) == (0, None)


def test_many_senders_send_each_message_once(
    hook: Endpoint, receiver: Receiver, transactional_db: None
) -> None:
    for n in range(60):
        outbox.enqueue(hook, "x.y", {"n": n})

    for _ in range(5):
        at_once(*[sending.send_due] * 4)

    assert len(receiver.got) == 60
    assert len(set(receiver.ids)) == 60
    assert {d.attempts for d in Delivery.objects.all()} == {1}


SENDER = """
import django
django.setup()
from django.conf import settings
settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
settings.DATABASES["default"]["NAME"] = {database!r}
from audit.sending import send_due
send_due()
"""


def test_a_sender_killed_on_its_way_leaves_nothing_unsent(
    hook: Endpoint, receiver: Receiver, settings: Settings, transactional_db: None
) -> None:
    (delivery,) = outbox.enqueue(hook, "x.y", {})
    receiver.may_answer.clear()
    name = str(connection.settings_dict["NAME"])
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER.format(database=name)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert receiver.came.wait(30)

    sender.send_signal(signal.SIGKILL)
    sender.wait()
    receiver.may_answer.set()

    assert sending.send_due() == 0, "its lease still holds"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("pending", 1)
    later(seconds=61)
    assert sending.send_due() == 1
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert receiver.ids == [delivery.message_id] * 2


def test_who_comes_back_too_late_says_nothing(hook: Endpoint) -> None:
    outbox.enqueue(hook, "x.y", {})
    slow = sending.claim()
    assert slow
    later(seconds=61)
    quick = sending.claim()
    assert quick

    outcome = sending.Outcome(timezone.now(), 1, None, "late")
    sending.conclude(slow, outcome)

    delivery = Delivery.objects.get()
    assert delivery.leased_until == quick.token
    assert delivery.tries == []


def test_a_running_worker_sends(
    celery_worker: object, hook: Endpoint, receiver: Receiver, support: Team
) -> None:
    outbox.enqueue(hook, "x.y", {})

    assert receiver.came.wait(20)


def test_old_messages_are_forgotten(hook: Endpoint, otto: Person) -> None:
    fresh, old, dead, ancient = (outbox.enqueue(hook, "x.y", {})[0] for _ in range(4))
    for delivery, state, days in (
        (old, "delivered", 31),
        (dead, "dead", 31),
        (ancient, "dead", 91),
    ):
        Delivery.objects.filter(pk=delivery.pk).update(
            state=state, closed_at=timezone.now() - timedelta(days=days)
        )

    tasks.forget()

    assert set(Delivery.objects.all()) == {fresh, dead}


def test_a_deleted_webhook_is_cleared_away(hook: Endpoint, support: Team, otto: Person) -> None:
    outbox.enqueue(hook, "x.y", {})

    endpoints.delete(hook.pk, by=otto)

    assert not Endpoint.objects.visible_to(otto).exists()
    tasks.forget()
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()


def test_what_its_sender_left_behind_on_a_disabled_webhook_is_buried(
    hook: Endpoint, otto: Person
) -> None:
    outbox.enqueue(hook, "x.y", {})
    assert sending.claim()
    endpoints.disable(hook.pk, by=otto)
    assert Delivery.objects.get().state == "pending", "somebody may be sending it"

    later(seconds=61)
    tasks.forget()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.leased_until) == ("dead", None)
    assert "disabled before" in delivery.last_error


def test_seals_of_a_former_key_are_renewed(hook: Endpoint, settings: Settings) -> None:
    before = hook.signing_secret
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    tasks.forget()

    settings.SECRET_KEY_FALLBACKS = []
    hook.refresh_from_db()
    assert hook.signing_secret == before


def test_one_process_has_one_sender(hook: Endpoint, receiver: Receiver) -> None:
    outbox.enqueue(hook, "x.y", {})

    with tasks._sending:
        thread = threading.Thread(target=tasks.send)
        thread.start()
        thread.join(10)

    assert not thread.is_alive()
    assert not receiver.got
