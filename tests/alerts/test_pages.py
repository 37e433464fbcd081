"""The pages of alerts: what people see, what they can do, and what they cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from people.models import Person, Team
from reviews.models import Alert, Channel, Hold, Notification, Route, Silence
from reviews.transitions import alert as alerts
from reviews.transitions import silence as silences
from tests.audit.receiver import Receiver

pytestmark = pytest.mark.django_db

type Stop = Callable[..., Hold]
type Send = Callable[[], int]
type Routing = Callable[..., Route]

HOME = "/settings/alerts/"


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]


def test_nothing_fires_says_how_people_are_told(ada: Person) -> None:
    page = text(sign_in(ada).get("/alerts/"))

    assert "Nothing fires" in page
    assert "add a channel and a route" in page


def test_what_fires_is_seen_without_a_route(stop: Stop, ada: Person, bob: Person) -> None:
    stop("It <b>loops</b> \u202eback")

    for person in (ada, bob):
        page = text(sign_in(person).get("/alerts/"))
        assert "Critical" in page
        assert "<b>loops" not in page
        assert "\u202e" not in page
        assert "Nobody is told outside yet" in page


def test_the_floor_says_that_something_fires(stop: Stop, ada: Person) -> None:
    client = sign_in(ada)
    assert "critical</span>" not in text(client.get("/"))
    stop()

    assert "1 critical</span>" in text(client.get("/"))

    alerts.acknowledge(Alert.objects.get().pk, by=ada)
    assert "1 critical</span>" not in text(client.get("/"))


def test_a_link_in_a_message_shows_and_only_the_button_acknowledges(
    stop: Stop, ada: Person
) -> None:
    stop()
    alert = Alert.objects.get()
    client = sign_in(ada)

    assert client.get(f"{alert.get_absolute_url()}acknowledge/").status_code == 405
    assert "Acknowledge" in text(client.get(alert.get_absolute_url()))
    alert.refresh_from_db()
    assert alert.is_firing

    client.post(f"{alert.get_absolute_url()}acknowledge/")
    alert.refresh_from_db()
    assert alert.acknowledged_by == "person:ada"


def test_who_comes_second_is_told_who_was_first(stop: Stop, ada: Person, otto: Person) -> None:
    stop()
    alert = alerts.acknowledge(Alert.objects.get().pk, by=otto)

    answer = sign_in(ada).post(f"{alert.get_absolute_url()}acknowledge/")

    assert answer.status_code == 409
    assert "acknowledged already, by otto" in text(answer)


def test_who_reads_sees_no_button(stop: Stop, bob: Person) -> None:
    stop()
    alert = Alert.objects.get()

    page = text(sign_in(bob).get(alert.get_absolute_url()))

    assert "acknowledge/" not in page
    assert "Silence what is like it" not in page


def test_a_channel_is_added_and_its_address_never_shown(
    receiver: Receiver, support: Team, ada: Person
) -> None:
    client = sign_in(ada)
    address = f"http://127.0.0.1:{receiver.port}/a-long-secret-token"

    answer = client.post(
        f"{HOME}channels/add/", {"name": "desk", "address": address, "team": str(support.pk)}
    )

    channel = Channel.objects.get()
    assert answer.status_code == 302
    for path in (HOME, f"{HOME}channels/{channel.pk}/", "/record/"):
        assert "a-long-secret" not in text(client.get(path))


def test_a_refused_address_is_not_repeated(support: Team, ada: Person) -> None:
    answer = sign_in(ada).post(
        f"{HOME}channels/add/",
        {"name": "desk", "address": "syslog://a-long-secret", "team": str(support.pk)},
    )

    assert answer.status_code == 422
    assert "are not sent to" in text(answer)
    assert "a-long-secret" not in text(answer)
    assert 'value="desk"' in text(answer)


def test_a_test_shows_the_real_answer(
    desk: Channel, receiver: Receiver, send: Send, ada: Person
) -> None:
    client = sign_in(ada)
    receiver.status = 418

    client.post(f"{HOME}channels/{desk.pk}/test/")
    send()

    page = text(client.get(f"{HOME}channels/{desk.pk}/"))
    assert "It answered 418." in page
    assert "Failing" in page
    assert "has failed for" in text(client.get("/alerts/"))
    assert "channel fails" in text(client.get("/"))
    assert "Failing for" in text(client.get("/settings/"))


def test_a_message_is_sent_again_by_its_button(
    to_desk: Routing, stop: Stop, receiver: Receiver, send: Send, ada: Person
) -> None:
    to_desk()
    receiver.status = 500
    stop()
    send()
    message, alert = Notification.objects.get(), Alert.objects.get()
    receiver.status = 200

    answer = sign_in(ada).post(f"{alert.get_absolute_url()}messages/{message.pk}/again/")
    send()

    assert answer.status_code == 302
    message.refresh_from_db()
    assert message.state == "sent"


def test_a_route_is_added_changed_and_deleted(desk: Channel, support: Team, ada: Person) -> None:
    client = sign_in(ada)
    form = {"team": str(support.pk), "name": "Stops", "severity": "critical", "when": ["trip"]}
    form |= {"to": ["desk"], "agents": "sc*, mail.*", "group": "10m", "repeat": "30m"}

    assert client.post(f"{HOME}routes/add/", form).status_code == 302
    route = Route.objects.get()
    assert route.setting.as_dict() == {
        "name": "Stops",
        "when": ["trip"],
        "severity": "critical",
        "agents": ["sc*", "mail.*"],
        "to": ["desk"],
        "group": "10m",
        "repeat": "30m",
    }
    here = f"{HOME}routes/{route.pk}/"
    assert 'value="sc*, mail.*"' in text(client.get(here))
    wrong = client.post(f"{here}change/", form | {"repeat": "soon"})
    assert wrong.status_code == 422
    assert "write a duration" in text(wrong)
    assert client.post(f"{here}change/", form | {"repeat": ""}).status_code == 302
    route.refresh_from_db()
    assert route.repeat is None
    client.post(f"{here}delete/")
    assert not Route.objects.exists()


def test_a_silence_is_begun_shown_with_what_it_swallowed_and_ended(
    stop: Stop, support: Team, ada: Person
) -> None:
    client = sign_in(ada)
    form = {"team": str(support.pk), "severity": "critical", "for": "1h", "reason": "Load test"}
    client.post("/alerts/silences/add/", form)
    stop()

    page = text(client.get("/alerts/"))
    assert "Load test" in page
    assert "swallowed 1" in page
    assert "Silenced" in page

    client.post(f"/alerts/silences/{Silence.objects.get().pk}/end/")
    assert "Nothing is silenced" in text(client.get("/alerts/"))


def test_a_silence_without_a_reason_is_refused(support: Team, ada: Person) -> None:
    form = {"team": str(support.pk), "severity": "info", "for": "1h", "reason": " "}

    answer = sign_in(ada).post("/alerts/silences/add/", form)

    assert answer.status_code == 422
    assert "Say why" in text(answer)


def test_others_do_not_see_them(stop: Stop, desk: Channel, support: Team, eve: Person) -> None:
    stop()
    from datetime import timedelta

    from people.models import Person as People

    ada = People.objects.get(name="ada")
    silences.create(support, severity="info", length=timedelta(hours=1), reason="Mine", by=ada)
    client = sign_in(eve)

    page = text(client.get("/alerts/")) + text(client.get(HOME))

    assert "scout" not in page
    assert "Mine" not in page
    assert "desk" not in page.replace("Everything to the desk", "")
