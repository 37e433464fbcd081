"""Silences, and what the clock finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents.models import Action, Agent
from audit.errors import Conflict, Invalid, NotFound
from audit.models import Delivery, Endpoint
from people.models import Calendar, Person, Team
from reviews.alerting import due
from reviews.models import Alert, Channel, Hold, Notification, Route, Silence
from reviews.tasks import sweep
from reviews.transitions import channel as channels
from reviews.transitions import hold as holds
from reviews.transitions import silence as silences
from tests.audit.receiver import Receiver
from tests.reviews.conftest import *  # noqa: F403  # requests that wait

from .conftest import later

type Stop = Callable[..., Hold]
type Send = Callable[[], int]
type Routing = Callable[..., Route]

HOUR = timedelta(hours=1)


def quiet(team: Team, by: Person, **more: Any) -> Silence:
    words: dict[str, Any] = {
        "severity": "critical",
        "length": HOUR,
        "reason": "Load test",
        "by": by,
    } | more
    return silences.create(team, **words)


def test_what_is_silenced_is_seen_and_sent_nowhere(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, support: Team, ada: Person
) -> None:
    to_desk()
    silence = quiet(support, ada, kind="trip", agent="sc*")

    stop()

    assert send() == 0
    assert Alert.objects.get().silence == silence
    assert silence.occurrences.count() == 1


def test_nothing_graver_is_silenced(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, support: Team, ada: Person
) -> None:
    to_desk()
    quiet(support, ada, severity="warning")

    stop()

    assert send() == 1


def test_what_still_fires_at_its_end_is_told_then(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, support: Team, ada: Person
) -> None:
    to_desk()
    quiet(support, ada)
    stop()
    due.watch()
    assert send() == 0

    later(hours=1, minutes=1)
    due.watch()
    due.watch()

    assert send() == 1


def test_a_silence_that_is_ended_is_over(
    to_desk: Routing, stop: Stop, send: Send, receiver: Receiver, support: Team, ada: Person
) -> None:
    to_desk()
    silence = quiet(support, ada)
    stop()

    silences.end(silence.pk, by=ada)
    due.watch()

    assert send() == 1
    with pytest.raises(Conflict, match="over already"):
        silences.end(silence.pk, by=ada)


def test_a_silence_needs_a_reason_and_who_decides(
    support: Team, ada: Person, bob: Person, eve: Person
) -> None:
    with pytest.raises(Invalid, match="Say why"):
        quiet(support, ada, reason=" ")
    with pytest.raises(Invalid, match="up to 30 days"):
        quiet(support, ada, length=timedelta(days=31))
    with pytest.raises(PermissionDenied):
        quiet(support, bob)
    with pytest.raises(NotFound):
        quiet(support, eve)


def test_a_quiet_route_waits_for_working_hours(
    to_desk: Routing, stop: Stop, send: Send, support: Team
) -> None:
    here = ZoneInfo("UTC")
    now = datetime.now(here)
    opens = (now + 2 * HOUR).time().replace(minute=0, second=0, microsecond=0)
    closes = (datetime.combine(now.date(), opens) + HOUR).time()
    Calendar.objects.create(
        team=support, time_zone="UTC", days=list(range(7)), opens=opens, closes=closes
    )
    to_desk(quiet=True)

    stop()

    assert send() == 0
    assert Notification.objects.get().next_at.time() == opens
    assert isinstance(opens, time)


def test_deadlines_and_their_end_are_told(held: Callable[..., Hold]) -> None:
    hold = held()
    for column in ("remind_at", "expires_at"):
        past = timezone.now() - timedelta(seconds=1)
        if column == "remind_at":
            Hold.objects.filter(pk=hold.pk).update(remind_at=past)
        else:
            Hold.objects.filter(pk=hold.pk).update(expires_at=past, remind_at=None)
        sweep()

    found = dict(Alert.objects.values_list("kind", "state"))
    assert found == {"approval": "resolved", "reminder": "resolved", "expiry": "firing"}


def test_an_escalation_is_told(held: Callable[..., Hold], ada: Person) -> None:
    holds.escalate(held(), queue="ops", note="Too large for us", by=ada)

    alert = Alert.objects.get(kind="escalation")
    assert "Too large for us" in alert.text


def test_a_yes_that_nobody_uses_is_told_once_and_over_when_used(
    held: Callable[..., Hold], take: Callable[[Any], Any], ada: Person
) -> None:
    hold = held()
    holds.approve(hold, by=ada)
    due.watch()
    assert not Alert.objects.filter(kind="unused").exists()

    ago = timezone.now() - timedelta(minutes=11)
    Action.objects.filter(pk=hold.pk).update(decided_at=ago)
    due.watch()
    due.watch()

    alert = Alert.objects.get(kind="unused")
    assert (alert.count, alert.severity, alert.state) == (1, "warning", "firing")
    take(hold.pk)
    due.watch()
    alert.refresh_from_db()
    assert alert.is_over


def test_a_dead_webhook_message_is_told_once(hook: Endpoint) -> None:
    now = timezone.now()
    Delivery.objects.create(
        endpoint=hook, message_id="m", type="hold.opened", body="{}", state="dead", closed_at=now
    )

    due.watch()
    due.watch()

    alert = Alert.objects.get()
    assert (alert.kind, alert.count) == ("webhook", 1)
    assert str(alert.team_id) == hook.team


def test_old_news_is_over(scout: Agent) -> None:
    from agents import signals

    signals.breaker_shadowed.send(Agent, agent=scout, run=None, sentence="6 tries")
    later(hours=25)

    due.watch()

    assert Alert.objects.get().is_over


def test_what_waits_is_never_old(stop: Stop) -> None:
    stop()
    later(days=30)

    due.watch()

    assert Alert.objects.get().is_firing


def test_a_disabled_channel_gets_nothing(
    to_desk: Routing, stop: Stop, send: Send, desk: Channel, ada: Person
) -> None:
    to_desk()
    stop()
    channels.disable(desk.pk, by=ada)

    assert send() == 0
    assert Notification.objects.get().state == "dropped"


def test_old_messages_are_forgotten(to_desk: Routing, stop: Stop, send: Send) -> None:
    to_desk()
    stop()
    send()
    later(days=91)

    due.forget()

    assert not Notification.objects.exists()


def test_seals_follow_the_key(desk: Channel, settings: Any) -> None:
    before = desk.address
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, long enough to be one"

    due.forget()

    settings.SECRET_KEY_FALLBACKS = []
    desk.refresh_from_db()
    assert desk.address == before
