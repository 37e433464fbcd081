"""What is recorded is told: once to each endpoint that listens, in the transaction of its cause."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.db import transaction

from audit import messages, outbox, sending
from audit.errors import Conflict, Invalid
from audit.models import Delivery, Endpoint, Entry
from audit.record import record
from audit.transitions import endpoint as endpoints
from people.models import Person, Team
from tests.audit.receiver import Receiver
from tests.cast import Door


def test_an_entry_is_told_to_who_listens(hook: Endpoint, support: Team, receiver: Receiver) -> None:
    record("agent.paused", actor="clock", about=support, summary="It stopped.")

    assert sending.send_due() == 1

    (told,) = receiver.verified(hook.signing_secret)
    entry = Entry.objects.get(kind="agent.paused")
    assert told["type"] == "agent.paused"
    assert told["timestamp"] == messages.moment(entry.at)
    assert told["data"] == {
        "entry": entry.id,
        "at": messages.moment(entry.at),
        "kind": "agent.paused",
        "actor": "clock",
        "about": f"team:{support.pk}",
        "team": str(support.pk),
        "agent": "",
        "run": "",
        "summary": "It stopped.",
        "actor_name": "",
        "links": {"record": f"http://127.0.0.1:8000/record/{entry.id}/"},
    }
    assert receiver.ids == [messages.message_id_of(hook.pk.hex, entry.id)]
    assert Delivery.objects.get().state == "delivered"


def test_only_who_listens_is_told(hook: Endpoint, support: Team, otto: Person) -> None:
    elsewhere = Team.objects.create(name="elsewhere")
    endpoints.create(url=hook.url, team=str(elsewhere.pk), events=["agent.*"], by=otto)
    endpoints.create(url=hook.url, team=str(support.pk), events=["agent.retired"], by=otto)
    off = endpoints.create(url=hook.url, team=str(support.pk), events=["agent.*"], by=otto)[0]
    endpoints.disable(off.pk, by=otto)
    everybody = endpoints.create(url=hook.url, team="", events=["agent.paused"], by=otto)[0]

    record("agent.paused", actor="clock", about=support)
    record("team.stopped", actor="clock", about=support)

    assert {d.endpoint_id for d in Delivery.objects.all()} == {hook.pk, everybody.pk}


def test_what_was_rolled_back_is_not_told(hook: Endpoint, support: Team) -> None:
    with transaction.atomic():
        record("agent.paused", actor="clock", about=support)
        assert Delivery.objects.exists()
        transaction.set_rollback(True)

    assert not Delivery.objects.exists()


def test_the_hot_doors_tell_too(hook: Endpoint, door: Door, otto: Person) -> None:
    everything = endpoints.create(url=hook.url, team=hook.team, events=["action.*"], by=otto)[0]

    door.done("1")

    told = everything.deliveries.order_by("id").values_list("type", flat=True)
    assert list(told) == ["action.allowed", "action.succeeded"]


def test_a_message_for_one_endpoint_goes_to_it_alone(hook: Endpoint, receiver: Receiver) -> None:
    (delivery,) = outbox.enqueue(hook, "something.happened", {"b": 1, "a": "ü"})

    sending.send_due()

    headers, body = receiver.got[0]
    assert headers["webhook-id"] == delivery.message_id
    assert body.decode() == delivery.body
    assert json.loads(body)["data"] == {"a": "ü", "b": 1}
    assert '"data":{"a":"ü","b":1}' in delivery.body


def test_an_aap_instance_is_written_to_in_its_own_shape(hook: Endpoint, receiver: Receiver) -> None:
    endpoint = Endpoint(kind="aap", team=hook.team, owner="agent:x", url=receiver.url)
    secret = messages.new_secret()
    endpoint.keep_secret(secret)
    endpoint.save()

    outbox.enqueue(endpoint, "request.resolved", {"request_id": "r", "instance_id": "i"})
    sending.send_due()

    (told,) = receiver.verified(secret)
    assert told.pop("created_at")
    assert told == {
        "id": receiver.ids[0],
        "type": "request.resolved",
        "request_id": "r",
        "instance_id": "i",
    }


def test_a_team_is_told_through_all_that_listen(hook: Endpoint, otto: Person) -> None:
    endpoints.create(url=hook.url, team="", events=["hold.*"], by=otto)
    endpoints.create(url=hook.url, team=hook.team, events=["run.*"], by=otto)

    assert len(outbox.enqueue(hook.team, "hold.opened", {})) == 2
    assert outbox.enqueue(hook.team, "nobody.listens", {}) == []


@pytest.mark.parametrize("events", [[], ["hold"], ["hold.eaten"], ["*"], ["person.*"], ["x" * 80]])
def test_events_that_never_happen_are_refused(events: list[str]) -> None:
    with pytest.raises(Invalid):
        outbox.check_events(events)


def test_all_of_a_noun_holds_each_of_its_events() -> None:
    asked = ["run.failed", "hold.opened", "hold.*", "run.failed"]

    assert outbox.check_events(asked) == ["hold.*", "run.failed"]


def test_all_that_is_recorded_of_a_public_noun_can_be_asked_for() -> None:
    found = set[str]()
    for folder in ("agents/transitions", "reviews/transitions", "audit/transitions"):
        for file in (Path(__file__).parents[2] / folder).glob("*.py"):
            found |= set(re.findall(r'"((?:hold|breaker|agent|policy)\.[a-z]+)"', file.read_text()))

    assert found
    assert not [kind for kind in sorted(found) if not outbox.events_for(kind)]


def test_a_team_has_so_many_webhooks_and_no_more(hook: Endpoint, otto: Person) -> None:
    for _ in range(endpoints.MOST - 1):
        endpoints.create(url=hook.url, team=hook.team, events=["run.*"], by=otto)

    with pytest.raises(Conflict, match="20 webhooks"):
        endpoints.create(url=hook.url, team=hook.team, events=["run.*"], by=otto)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_AAAA", "AAAA" * 8, "whsec_" + "A" * 200, "whsec_?"]
)
def test_what_is_no_signing_secret_is_refused(secret: str) -> None:
    with pytest.raises(Invalid, match="24 to 64"):
        messages.check_secret(secret)


def test_a_new_secret_is_one(hook: Endpoint) -> None:
    messages.check_secret(hook.signing_secret)
    assert hook.signing_secret not in hook.secret


def test_every_event_has_its_names() -> None:
    assert outbox.events_for("hold.opened") == ("hold.opened", "hold.*")
    assert outbox.events_for("key.issued") == ()
