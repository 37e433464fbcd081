"""Messages on their way: through the real Apprise to receivers on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.db import connection

from agents.models import Agent
from audit.models import Entry
from people.models import Person, Role, Team
from people.transitions import person as people
from reviews.alerting import sending
from reviews.models import Alert, Channel, Hold, Notification, Route
from reviews.models.notification import Why
from reviews.rules.alert_routes import parse_route
from reviews.transitions import alert as alerts
from reviews.transitions import channel as channels
from reviews.transitions import hold as holds
from reviews.transitions import notification as notifications
from reviews.transitions import route as routes
from tests.audit.receiver import Receiver, drip

from .conftest import Post, later

type Stop = Callable[..., Hold]
type Work = Callable[..., Hold]
type Send = Callable[[], int]
type Routing = Callable[..., Route]


def bodies(receiver: Receiver) -> list[dict[str, str]]:
    return [json.loads(body) for _, body in receiver.got]


def test_a_stop_is_told(to_desk: Routing, stop: Stop, send: Send, receiver: Receiver) -> None:
    to_desk()
    hold = stop("It loops")

    assert send() == 1

    (told,) = bodies(receiver)
    assert told["title"].startswith("Critical: ")
    assert "It loops" in told["title"]
    assert f"http://127.0.0.1:8000{hold.get_absolute_url()}" in told["message"]
    assert Alert.objects.get().get_absolute_url() in told["message"]
    assert Notification.objects.get().state == "sent"
    assert send() == 0


def test_a_failure_is_tried_again(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, desk: Channel
) -> None:
    to_desk()
    receiver.status = 500
    stop()

    send()

    sent = Notification.objects.get()
    desk.refresh_from_db()
    assert (sent.state, sent.attempts, sent.last_status) == ("failed", 1, 500)
    assert sent.last_error == "It answered 500."
    assert desk.is_failing
    assert desk.last_error == "It answered 500."
    assert Entry.objects.filter(kind="channel.failing").count() == 1
    assert send() == 0  # not before its time

    later(seconds=6)
    receiver.status = 200
    send()

    sent.refresh_from_db()
    assert (sent.state, sent.attempts) == ("sent", 2)
    assert not Channel.objects.failing().exists()
    assert Entry.objects.filter(kind="channel.recovered").count() == 1


def test_one_that_does_not_answer_is_tried_again(
    to_desk: Routing, stop: Stop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SECONDS", 0.5)
    receiver.reply = drip
    to_desk()
    stop()

    sending.send_due()

    sent = Notification.objects.get()
    assert sent.state == "failed"
    assert "did not answer within" in sent.last_error
    assert sent.tries[0]["ms"] < 3000


def test_a_receiver_that_wants_rest_gets_it(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver
) -> None:
    def too_many(request: object) -> None:
        request.send_response(429)  # type: ignore[attr-defined]
        request.send_header("Retry-After", "600")  # type: ignore[attr-defined]
        request.end_headers()  # type: ignore[attr-defined]

    receiver.reply = too_many
    to_desk()
    stop()
    send()

    later(seconds=300)
    assert send() == 0
    later(seconds=301)
    assert send() == 1
    assert Notification.objects.get().last_status == 429


def test_after_a_day_it_is_dead_and_a_person_sends_it_again(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, ada: Person
) -> None:
    receiver.status = 503
    to_desk()
    stop()
    for _ in range(11):
        send()
        later(hours=8)

    dead = Notification.objects.get()
    assert (dead.state, dead.attempts, len(dead.tries)) == ("dead", 11, 11)
    assert send() == 0

    receiver.status = 200
    notifications.resend(dead.pk, by=ada)
    send()

    dead.refresh_from_db()
    assert dead.state == "sent"


def test_a_second_of_it_is_told_after_the_window_with_how_many(
    to_desk: Routing, work: Work, send: Send, receiver: Receiver
) -> None:
    to_desk()
    work("first")
    send()
    work("second")
    work("third")
    assert send() == 0

    later(minutes=5)
    send()

    assert len(receiver.got) == 2
    assert "(3 times)" in bodies(receiver)[1]["title"]
    assert "3 of these since" in bodies(receiver)[1]["message"]
    assert Notification.objects.latest("id").why == Why.MORE


def test_it_is_said_again_until_somebody_acknowledges(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, ada: Person
) -> None:
    from reviews.alerting import due

    to_desk(repeat="30m")
    stop()
    send()
    due.watch()
    assert send() == 0

    for _ in range(2):
        later(minutes=31)
        due.watch()
        due.watch()
        assert send() == 1
    assert "Nobody has acknowledged it" in bodies(receiver)[2]["message"]

    alerts.acknowledge(Alert.objects.get().pk, by=ada)
    later(minutes=31)
    due.watch()

    assert send() == 0
    assert len(receiver.got) == 3


def test_what_was_answered_is_not_told_any_more(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, ada: Person
) -> None:
    to_desk()
    holds.resume(stop(), by=ada)

    send()

    assert not receiver.got
    assert Notification.objects.get().state == "dropped"


def test_a_channel_that_two_routes_name_is_told_once(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver
) -> None:
    to_desk()
    to_desk(name="stops", when=["trip"])
    stop()

    send()

    assert len(receiver.got) == 1


def test_routes_look_at_kind_severity_and_agent(
    to_desk: Routing, work: Work, stop: Stop, send: Send, receiver: Receiver
) -> None:
    to_desk(name="others", agents=["rebal*"])
    to_desk(name="stops", when=["trip"], severity="critical", agents=["sc*"])
    work()
    stop()

    send()

    (told,) = bodies(receiver)
    assert told["title"].startswith("Critical")


def test_the_houses_routes_hear_of_every_team(
    receiver: Receiver, support: Team, stop: Stop, send: Send
) -> None:
    admin = people.create("root", role=Role.ADMIN, password="a long password", by="test")
    address = f"json://127.0.0.1:{receiver.port}/house"
    channels.create(None, name="pager", address=address, by=admin)
    routes.create(None, parse_route({"name": "all", "to": ["pager"]}), by=admin)
    stop()

    send()

    assert len(receiver.got) == 1


def test_a_dead_channel_takes_no_turn_from_another(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, support: Team, ada: Person
) -> None:
    gone = channels.create(support, name="gone", address="json://127.0.0.1:9/", by=ada)
    to_desk(to=["desk", "gone"])
    stop()

    send()

    assert len(receiver.got) == 1
    gone.refresh_from_db()
    assert gone.last_error == "127.0.0.1 could not be reached."


def test_a_stop_needs_neither_broker_nor_channel(
    to_desk: Routing,
    stop: Stop,
    scout: Agent,
    receiver: Receiver,
    settings: object,
    django_capture_on_commit_callbacks: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reviews.tasks import notify

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(notify, "apply_async", away)
    receiver.may_answer.clear()
    to_desk()

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        stop()

    scout.refresh_from_db()
    assert scout.is_paused
    assert Notification.objects.get().state == "pending"  # the sweep finds it


def test_mail_reaches_a_person_by_the_houses_server(
    post: Post, support: Team, ada: Person, stop: Stop, send: Send
) -> None:
    ada.email = "ada@example.org"
    ada.save()
    channels.create_for_person(support, ada, by=ada)
    routes.create(support, parse_route({"name": "me", "to": ["ada by mail"]}), by=ada)
    stop("It \r\nBcc: all@example.org\nloops \u202egnp.exe <b>now</b>")

    send()

    assert Notification.objects.get().last_error == ""
    ((sender, to, text),) = post.got
    assert (sender, to) == ("watchfloor@example.org", ["ada@example.org"])
    head, _, _ = text.replace("\r\n", "\n").partition("\n\n")
    assert not any(line.lower().startswith("bcc") for line in head.splitlines())
    assert "text/plain" in text
    assert "text/html" not in text


def test_mail_to_who_lost_their_role_is_not_sent(
    post: Post, support: Team, ada: Person, otto: Person, stop: Stop, send: Send
) -> None:
    ada.email = "ada@example.org"
    ada.save()
    channels.create_for_person(support, ada, by=ada)
    routes.create(support, parse_route({"name": "me", "to": ["ada by mail"]}), by=ada)
    stop()
    ada.memberships.all().delete()

    send()

    assert not post.got
    assert Notification.objects.get().state == "dropped"


def test_a_row_that_is_being_sent_is_nobody_elses(to_desk: Routing, stop: Stop) -> None:
    to_desk()
    stop()

    first, second = sending.claim(), sending.claim()

    assert first is not None
    assert second is None


def test_a_verdict_after_the_lease_counts_no_more(
    to_desk: Routing, stop: Stop, receiver: Receiver
) -> None:
    to_desk()
    stop()
    first = sending.claim()
    later(seconds=121)
    second = sending.claim()
    assert first
    assert second

    sending.conclude(first, sending.carry(first))
    assert Notification.objects.get().state == "pending"
    sending.conclude(second, sending.carry(second))
    assert Notification.objects.get().state == "sent"


def test_the_address_is_sealed_and_its_secrets_are_in_no_row(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, desk: Channel
) -> None:
    def echo(request: object) -> None:
        request.send_response(500)  # type: ignore[attr-defined]
        request.end_headers()  # type: ignore[attr-defined]
        request.wfile.write(b"no such token: a-long-secret-token")  # type: ignore[attr-defined]

    receiver.reply = echo
    to_desk()
    stop()
    send()

    assert desk.shown == f"json://127.0.0.1:{receiver.port}/…"
    assert Notification.objects.get().last_answer == "no such token: …"
    with connection.cursor() as cursor:
        for table in ("reviews_channel", "reviews_notification", "audit_line", "audit_payload"):
            cursor.execute(f"select count(*) from {table} t where t::text like '%%a-long-secret%%'")
            assert cursor.fetchone()[0] == 0


def test_a_test_says_that_it_is_one(
    desk: Channel, ada: Person, send: Send, receiver: Receiver
) -> None:
    sent = channels.test(desk.pk, by=ada)

    send()

    sent.refresh_from_db()
    assert sent.state == "sent"
    assert bodies(receiver)[0]["title"] == "Test from Watchfloor, by ada"
