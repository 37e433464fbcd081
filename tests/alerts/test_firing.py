"""What fires an alert, what belongs together, and when it is over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied

from agents import signals
from agents.models import Agent
from audit.errors import Conflict, NotFound
from audit.models import Entry
from people.models import Person, Team
from reviews.alerting import listeners
from reviews.models import Alert, Hold, Notification, Route
from reviews.transitions import alert as alerts
from reviews.transitions import hold as holds

from .conftest import later

type Stop = Callable[..., Hold]
type Work = Callable[..., Hold]


def test_a_stop_is_critical_and_leads_to_its_hold(stop: Stop, support: Team, scout: Agent) -> None:
    hold = stop("It loops")

    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, alert.state) == ("trip", "critical", "firing")
    assert (alert.team, alert.agent, alert.link) == (support, scout, hold.get_absolute_url())
    assert "It loops" in alert.title
    assert Entry.objects.filter(kind="alert.fired", agent=str(scout.pk)).count() == 1


def test_nothing_leaves_without_a_route(stop: Stop, send: Callable[[], int]) -> None:
    stop()

    assert not Notification.objects.exists()
    assert send() == 0


def test_what_is_alike_is_one_alert(work: Work) -> None:
    for _ in range(3):
        work()

    alert = Alert.objects.get()
    assert (alert.count, alert.kind, alert.severity) == (3, "review", "info")
    assert alert.occurrences.count() == 3


def test_after_its_window_it_is_another(work: Work) -> None:
    work()
    later(minutes=6)

    work()

    assert Alert.objects.count() == 2


def test_other_kinds_are_other_alerts(work: Work, stop: Stop) -> None:
    work()
    stop()

    assert set(Alert.objects.values_list("kind", flat=True)) == {"review", "trip"}


def test_the_answer_resolves_it(stop: Stop, ada: Person) -> None:
    holds.resume(stop(), by=ada)

    alert = Alert.objects.get()
    assert (alert.state, alert.resolved_by) == ("resolved", "person:ada")
    assert Entry.objects.filter(kind="alert.resolved", actor=ada.record_name).count() == 1


def test_the_last_answer_of_several_resolves_it(work: Work, ada: Person) -> None:
    first, second = work(), work()

    holds.resolve(first, by=ada)
    assert Alert.objects.get().is_firing
    holds.resolve(second, by=ada)
    assert Alert.objects.get().is_over


def test_an_acknowledged_one_is_resolved_by_the_answer(stop: Stop, ada: Person) -> None:
    hold = stop()
    alert = alerts.acknowledge(Alert.objects.get().pk, by=ada)

    holds.resume(hold, by=ada)

    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("resolved", "person:ada")


def test_one_acknowledges_the_other_is_told_who(stop: Stop, ada: Person, otto: Person) -> None:
    stop()
    alert = alerts.acknowledge(Alert.objects.get().pk, by=ada)

    with pytest.raises(Conflict, match="acknowledged already, by ada"):
        alerts.acknowledge(alert.pk, by=otto)


def test_who_reads_does_not_acknowledge(stop: Stop, bob: Person, iris: Person) -> None:
    stop()
    pk = Alert.objects.get().pk

    for reader in (bob, iris):
        with pytest.raises(PermissionDenied):
            alerts.acknowledge(pk, by=reader)


def test_a_stranger_does_not_learn_of_it(stop: Stop, eve: Person) -> None:
    stop()

    with pytest.raises(NotFound):
        alerts.acknowledge(Alert.objects.get().pk, by=eve)


def test_after_an_acknowledgement_the_next_is_news(work: Work, ada: Person) -> None:
    work()
    alerts.acknowledge(Alert.objects.get().pk, by=ada)

    work()

    assert sorted(Alert.objects.values_list("state", flat=True)) == ["acknowledged", "firing"]


def test_where_nothing_waits_an_acknowledgement_ends_it(scout: Agent, ada: Person) -> None:
    signals.breaker_shadowed.send(Agent, agent=scout, run=None, sentence="6 tries in 60 s")
    alert = Alert.objects.get()
    assert (alert.kind, alert.severity) == ("shadow", "info")

    alerts.acknowledge(alert.pk, by=ada)

    alert.refresh_from_db()
    assert alert.is_over


def test_a_budget_is_told_of_once(support: Team, scout: Agent) -> None:
    for _ in range(3):
        signals.budget_low.send(
            Agent, team=support, agent=scout, sentence="90 % spent", about="2026-11"
        )

    assert (Alert.objects.get().kind, Alert.objects.get().count) == ("budget", 1)


def test_the_house_itself_has_alerts(db: None, otto: Person, ada: Person) -> None:
    signals.fleet_guarded.send(Agent, team=None, sentence="8 of 10 agents tripped", about="x")
    alert = Alert.objects.get()

    assert (alert.kind, alert.severity, alert.team) == ("fleet", "critical", None)
    with pytest.raises(NotFound):
        alerts.acknowledge(alert.pk, by=ada)
    alerts.acknowledge(alert.pk, by=otto)


def test_a_stop_stands_although_its_alert_cannot_be_written(
    stop: Stop, scout: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(happening: object) -> None:
        Route.objects.raw("select nothing from nowhere").query.get_columns()

    monkeypatch.setattr(listeners, "fire", broken)

    hold = stop()

    scout.refresh_from_db()
    assert scout.is_paused
    assert hold.is_open
    assert not Alert.objects.exists()
