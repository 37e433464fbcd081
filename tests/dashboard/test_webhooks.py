"""Where messages go is shown to those who keep it, and to nobody else."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from audit import outbox, sending
from audit.models import Delivery, Endpoint, Entry
from audit.transitions import endpoint as endpoints
from people.models import Person, Role, Team
from people.transitions import person as people
from tests.audit.receiver import Receiver

pytestmark = pytest.mark.django_db

LIST = "/settings/webhooks/"


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def desk(otto: Person) -> Client:
    return sign_in(otto)


@pytest.fixture
def here(hook: Endpoint) -> str:
    return f"{LIST}{hook.pk}/"


@pytest.fixture
def delivery(hook: Endpoint) -> Delivery:
    return outbox.enqueue(hook, "hold.opened", {"summary": "<b>\u202e</b>"})[0]


def form(receiver: Receiver, team: Team, **more: object) -> dict[str, object]:
    return {"url": receiver.url, "team": str(team.pk), "events": ["hold.*"], **more}


def test_a_new_webhook_shows_its_secret_once(
    desk: Client, receiver: Receiver, support: Team, otto: Person
) -> None:
    answer = desk.post(f"{LIST}add/", form(receiver, support, label="Chat"))

    assert answer.status_code == 200
    (secret,) = set(re.findall(r"whsec_[A-Za-z0-9+/]+=*", answer.content.decode()))
    endpoint = Endpoint.objects.get()
    assert endpoint.signing_secret == secret
    assert "no-store" in answer["Cache-Control"]
    assert "whsec_" not in desk.get(f"{LIST}{endpoint.pk}/").content.decode()
    entry = Entry.objects.get(kind="endpoint.created")
    assert entry.actor == otto.record_name
    assert secret not in str(entry.facts())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "https://10.0.0.1/"}, "not an address of the public internet"),
        ({"url": "http://1.1.1.1/"}, "must start with https://"),
        ({"url": "https://no.such.name.invalid/"}, "has no address"),
        ({"url": "javascript:alert(1)"}, "must start with https://"),
        ({"events": []}, "Choose at least one event"),
        ({"events": ["key.issued"]}, "There is no event key.issued"),
        ({"label": "x" * 81}, "80 characters"),
    ],
)
def test_what_cannot_be_meant_is_said_and_kept_in_the_form(
    desk: Client, receiver: Receiver, support: Team, change: dict[str, object], why: str
) -> None:
    answer = desk.post(f"{LIST}add/", form(receiver, support) | change)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert why in page
    assert str(change.get("url", receiver.url)) in page
    assert not Endpoint.objects.exists()


def test_a_webhook_of_a_team_one_does_not_keep_is_refused(
    receiver: Receiver, support: Team, eve: Person
) -> None:
    mine = Team.objects.create(name="mine")
    ops = people.create("olga", role=Role.OPS, team=mine, by="test")

    answer = sign_in(ops).post(f"{LIST}add/", form(receiver, support))

    assert answer.status_code == 403
    assert (
        sign_in(ops).post(f"{LIST}add/", form(receiver, support) | {"team": ""}).status_code == 403
    )
    assert not Endpoint.objects.exists()


def test_a_test_is_sent_and_its_page_tells_how_it_went(
    desk: Client, here: str, hook: Endpoint, receiver: Receiver
) -> None:
    page = desk.post(f"{here}test/", follow=True)
    assert "On its way" in page.content.decode()

    sending.send_due()

    told = receiver.verified(hook.signing_secret)[0]
    assert told["type"] == "webhook.test"
    after = desk.get(page.redirect_chain[-1][0]).content.decode()
    assert "Delivered" in after
    assert "Answered 204" in after


def test_hostile_words_in_messages_and_answers_stay_words(
    desk: Client, here: str, delivery: Delivery
) -> None:
    Delivery.objects.update(
        last_answer="<script>alert(1)</script>", last_error="<img>", attempts=1, tries=[]
    )

    page = desk.get(f"{here}messages/{delivery.pk}/").content.decode()

    assert "<script>alert" not in page
    assert "<img>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in re.sub(r'data-copy="[^"]*"', "", page)
    assert "<b>\u202e" not in page


def test_a_dead_message_is_sent_again_by_its_button(
    desk: Client, here: str, delivery: Delivery, receiver: Receiver
) -> None:
    Delivery.objects.update(state="dead", closed_at=timezone.now(), attempts=11)
    assert "hold.opened" in desk.get(f"{here}?state=dead").content.decode()

    answer = desk.post(f"{here}messages/{delivery.pk}/again/")

    assert answer.status_code == 302
    sending.send_due()
    assert receiver.ids == [delivery.message_id]


def test_a_disabled_webhook_sends_nothing_until_it_is_enabled(
    desk: Client, here: str, hook: Endpoint, delivery: Delivery
) -> None:
    desk.post(f"{here}disable/")
    delivery.refresh_from_db()
    assert delivery.state == "dead"
    refused = desk.post(f"{here}messages/{delivery.pk}/again/")
    assert refused.status_code == 409
    assert "Enable it first" in refused.content.decode()
    assert desk.post(f"{here}test/").status_code == 409

    desk.post(f"{here}enable/")

    assert desk.post(f"{here}messages/{delivery.pk}/again/").status_code == 302
    kinds = Entry.objects.filter(kind__startswith="endpoint.").values_list("kind", flat=True)
    assert set(kinds) >= {"endpoint.disabled", "endpoint.enabled", "endpoint.resent"}


def test_a_deleted_webhook_is_gone_for_everybody(desk: Client, here: str) -> None:
    answer = desk.post(f"{here}delete/", follow=True)

    assert "Nobody is told yet" in answer.content.decode()
    assert desk.get(here).status_code == 404


def test_a_new_secret_replaces_the_former(desk: Client, here: str, hook: Endpoint) -> None:
    before = hook.signing_secret

    page = desk.post(f"{here}secret/").content.decode()

    hook.refresh_from_db()
    assert hook.signing_secret != before
    assert hook.signing_secret in page


def test_messages_are_paged_by_key(desk: Client, here: str, hook: Endpoint) -> None:
    for n in range(60):
        outbox.enqueue(hook, f"x.y{n}", {})

    first = desk.get(here).content.decode()
    assert "x.y59" in first
    assert "x.y9<" not in first
    older = re.search(r'href="(\?before=\d+)"', first)
    assert older
    assert "x.y9<" in desk.get(here + older.group(1)).content.decode()
    assert desk.get(f"{here}?before=x").status_code == 404


@pytest.mark.parametrize("region", ["standing", "deliveries"])
def test_a_live_region_is_read_alone(desk: Client, here: str, region: str) -> None:
    part = desk.get(f"{here}?region={region}").content.decode()

    assert f'id="{region}"' in part
    assert "<html" not in part


def test_the_settings_lead_there_only_for_those_who_keep_them(
    desk: Client, ada: Person, bob: Person
) -> None:
    assert LIST in desk.get("/settings/").content.decode()
    assert LIST not in sign_in(ada).get("/settings/").content.decode()
    assert LIST not in sign_in(bob).get("/settings/").content.decode()


# -- every address, every person -------------------------------------------------------------------

READ = ["", "messages/{delivery}/"]
ACT = ["test/", "secret/", "enable/", "disable/", "delete/", "messages/{delivery}/again/"]


@pytest.mark.parametrize("person", ["ada", "otto", "iris", "bob", "eve", "olga", "nobody"])
@pytest.mark.parametrize(
    ("method", "path"), [("get", p) for p in READ] + [("post", p) for p in ACT]
)
def test_every_address_for_every_person(
    request: pytest.FixtureRequest, hook: Endpoint, person: str, method: str, path: str
) -> None:
    delivery = outbox.enqueue(hook, "x.y", {})[0]
    if person == "olga":  # ops of another team
        other = Team.objects.create(name="other")
        client = sign_in(people.create("olga", role=Role.OPS, team=other, by="test"))
    else:
        client = Client() if person == "nobody" else sign_in(request.getfixturevalue(person))

    answer = getattr(client, method)(f"{LIST}{hook.pk}/{path.format(delivery=delivery.pk)}")

    match person:
        case "otto":
            assert answer.status_code in (200, 302)
        case "nobody":
            assert answer.status_code == 302
            assert answer["Location"].startswith("/sign-in/")
        case _:
            assert answer.status_code == 404
    wrong = "get" if method == "post" else "post"
    if person == "otto":
        address = f"{LIST}{hook.pk}/{path.format(delivery=delivery.pk)}"
        assert getattr(client, wrong)(address).status_code in (404, 405)


@pytest.mark.parametrize(
    ("person", "status"),
    [("ada", 403), ("otto", 200), ("iris", 403), ("bob", 403), ("eve", 403)],
)
def test_the_list_for_every_person(
    request: pytest.FixtureRequest, person: str, status: int, receiver: Receiver, support: Team
) -> None:
    client = sign_in(request.getfixturevalue(person))

    assert client.get(LIST).status_code == status
    assert client.post(f"{LIST}add/", form(receiver, support)).status_code == status


def test_an_admin_of_one_team_keeps_its_webhooks_alone(
    hook: Endpoint, support: Team, otto: Person
) -> None:
    house_wide = endpoints.create(url=hook.url, team="", events=["hold.*"], by=otto)[0]
    client = sign_in(people.create("ann", role=Role.ADMIN, team=support, by="test"))

    page = client.get(LIST).content.decode()

    assert str(hook.pk) in page
    assert str(house_wide.pk) not in page
    assert "Every team" not in page
    assert client.get(f"{LIST}{house_wide.pk}/").status_code == 404


def test_a_message_of_another_webhook_is_not_found_here(
    desk: Client, here: str, hook: Endpoint, otto: Person
) -> None:
    other = endpoints.create(url=hook.url, team=hook.team, events=["hold.*"], by=otto)[0]
    delivery = outbox.enqueue(other, "x.y", {})[0]

    assert desk.get(f"{here}messages/{delivery.pk}/").status_code == 404
    assert desk.post(f"{here}messages/{delivery.pk}/again/").status_code == 404
