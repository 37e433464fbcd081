"""Provisioning: a platform makes instances, with receivers that agree to be told."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from agentapprovalprotocol import (
    Client,
    CredentialRefused,
    Provisioned,
    ProvisionError,
    Receiver,
    WebhookVerificationFailed,
)
from agentapprovalprotocol.receiver import new_secret
from cryptography.exceptions import InvalidTag
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from agents.models import Agent, AgentKey
from agents.models.aap import AAPRequest, Instance, Provisioner
from agents.tasks import sweep
from agents.transitions import instance as instances
from audit.models import Delivery, Endpoint, Entry
from audit.sending import send_due
from people.models import Person, Team
from reviews.transitions import delivery as deliveries
from reviews.transitions import hold as holds

from .conftest import Service, hold_of, submission

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def platform(base: str, provisioner: tuple[Provisioner, str]) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {provisioner[1]}"}
    with httpx.Client(base_url=base, headers=headers, timeout=40) as http:
        yield http


def delivery(url: str, **more: Any) -> dict[str, Any]:
    return {
        "delivery": {
            "type": "webhook",
            "url": url,
            "registration_id": str(uuid4()),
            "signing_secret": new_secret(),
            **more,
        }
    }


def provisioned(service: Service, base: str, token: str, **more: Any) -> Provisioned:
    made: Provisioned = service.run(
        service.receiver.provision(
            provider_url=base, provisioner_token=token, url=service.url, **more
        )
    )
    return made


def test_an_instance_is_an_agent_that_does_nothing_without_a_person(
    platform: httpx.Client, connect: Callable[[str], Client], ada: Person
) -> None:
    told = platform.post("/v1/instances", json={"instance_name": "laptop"}, headers=KEY)

    assert told.status_code == 201
    body = told.json()
    agent = Agent.objects.get()
    assert body["instance"] == {"id": str(Instance.objects.get().pk), "name": "laptop"}
    assert (agent.name, agent.team.name) == ("laptop", "support")
    client = connect(body["credential"]["token"])
    request = client.create(submission(tool="anything"), "1")
    assert request.status == "pending"
    holds.approve(hold_of(request.id), by=ada)
    assert client.consume(request.id, "a").consumption is not None


def test_the_same_submission_gives_the_same_credential(platform: httpx.Client) -> None:
    first = platform.post("/v1/instances", json={"instance_name": "laptop"}, headers=KEY)
    again = platform.post("/v1/instances", content=b'{"instance_name" :"laptop"}', headers=KEY)
    other = platform.post("/v1/instances", json={"instance_name": "desktop"}, headers=KEY)

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json() == again.json()
    assert other.json()["error"]["code"] == "idempotency_conflict"
    assert Agent.objects.count() == 1


def test_nothing_that_is_kept_opens_the_credential(
    platform: httpx.Client, provisioner: tuple[Provisioner, str]
) -> None:
    token = platform.post("/v1/instances", headers=KEY).json()["credential"]["token"]

    kept = bytes(Instance.objects.get().sealed_credential or b"")
    assert token.encode() not in kept
    assert provisioner[1].encode() not in bytes(Provisioner.objects.get().hash)
    with pytest.raises(InvalidTag):
        instances.credential_of(Instance.objects.get(), "wfv_wrong")


def test_after_seven_days_the_credential_is_forgotten(platform: httpx.Client) -> None:
    platform.post("/v1/instances", headers=KEY).raise_for_status()
    Instance.objects.update(created_at=F("created_at") - timedelta(days=7, seconds=1))

    before = platform.post("/v1/instances", headers=KEY).json()["error"]["code"]
    sweep()
    after = platform.post("/v1/instances", headers=KEY).json()["error"]["code"]

    assert (before, after) == ("credential_forgotten", "credential_forgotten")
    assert Instance.objects.get().sealed_credential is None


def test_names_that_are_taken_get_a_number(platform: httpx.Client) -> None:
    names = [
        platform.post(
            "/v1/instances", json={"instance_name": "bot"}, headers={"Idempotency-Key": f"{n}"}
        ).json()["instance"]["name"]
        for n in range(3)
    ]

    assert names == ["bot", "bot 2", "bot 3"]


def test_twenty_submissions_with_one_key_make_one_instance(platform: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: platform.post("/v1/instances", headers=KEY), range(20)))

    assert Agent.objects.count() == Instance.objects.count() == AgentKey.objects.count() == 1
    tokens = {a.json()["credential"]["token"] for a in answers if a.status_code < 300}
    assert len(tokens) == 1
    assert [a.status_code for a in answers].count(201) == 1
    assert {a.status_code for a in answers} <= {200, 201, 409}


def test_the_package_provisions_and_its_receiver_is_asked_first(
    serve: Callable[[Receiver], Service], base: str, provisioner: tuple[Provisioner, str]
) -> None:
    service = serve(Receiver(resumers={}))

    made = provisioned(service, base, provisioner[1], instance_name="worker")
    again = provisioned(service, base, provisioner[1], instance_name="worker")

    assert (made.token, made.instance_id) == (again.token, again.instance_id)
    assert made.instance_name == "worker"
    (asked,) = [json.loads(body) for body in service.got]
    assert asked["type"] == "webhook.verification"
    assert (asked["registration_id"], asked["instance_id"]) == (
        made.registration_id,
        made.instance_id,
    )
    endpoint = Endpoint.objects.get()
    assert endpoint.signing_secret == made.secret
    assert made.secret not in endpoint.secret


def test_a_receiver_that_does_not_expect_us_is_not_registered(
    serve: Callable[[Receiver], Service], base: str, provisioner: tuple[Provisioner, str]
) -> None:
    service = serve(Receiver(resumers={}))
    elsewhere = Receiver(resumers={}, secret=new_secret(), registration_id=str(uuid4()))

    with pytest.raises(WebhookVerificationFailed):
        service.run(
            elsewhere.provision(
                provider_url=base, provisioner_token=provisioner[1], url=service.url
            )
        )

    assert not Agent.objects.exists()
    assert not Endpoint.objects.exists()


def test_a_failed_verification_may_be_tried_again(
    serve: Callable[[Receiver], Service], base: str, provisioner: tuple[Provisioner, str]
) -> None:
    receiver = Receiver(resumers={})
    service = serve(receiver)
    receiver.registration_id, secret, key = str(uuid4()), new_secret(), str(uuid4())
    body = {
        "delivery": {
            "type": "webhook",
            "url": service.url,
            "registration_id": receiver.registration_id,
            "signing_secret": secret,
        }
    }
    headers = {"Authorization": f"Bearer {provisioner[1]}", "Idempotency-Key": key}

    refused = httpx.post(f"{base}/v1/instances", json=body, headers=headers)
    receiver.secret = secret
    made = httpx.post(f"{base}/v1/instances", json=body, headers=headers)

    assert (refused.status_code, made.status_code) == (422, 201)
    assert refused.json()["error"]["code"] == "webhook_verification_failed"
    assert made.json()["instance"]["delivery"] == {
        "type": "webhook",
        "url": service.url,
        "registration_id": receiver.registration_id,
    }
    assert secret not in made.text


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (delivery("http://127.0.0.1:9/x"), "invalid_webhook_url", "delivery.url"),
        (delivery("https://127.0.0.1:9/x"), "invalid_webhook_url", "delivery.url"),
        (delivery("https://[::1]/x"), "invalid_webhook_url", "delivery.url"),
        (delivery("https://169.254.169.254/x"), "invalid_webhook_url", "delivery.url"),
        (delivery("https://user:pw@example.com/"), "invalid_webhook_url", "delivery.url"),
        (delivery("https://example.com/#x"), "invalid_webhook_url", "delivery.url"),
        (delivery("ftp://example.com/"), "invalid_webhook_url", "delivery.url"),
        (delivery("nonsense"), "invalid_webhook_url", "delivery.url"),
        (
            delivery("https://a.example/", type="socket"),
            "unsupported_delivery_type",
            "delivery.type",
        ),
        (
            delivery("https://a.example/", registration_id="x"),
            "invalid",
            "delivery.registration_id",
        ),
        (delivery("https://a.example/", signing_secret="x"), "invalid", "delivery.signing_secret"),
        (delivery("https://a.example/", more=1), "invalid", "delivery.more"),
        ({"instance_name": ""}, "invalid", "instance_name"),
        ({"instance_name": "\u202etob"}, "invalid", "instance_name"),
        ({"instance_name": None}, "invalid", "instance_name"),
        ({"name": "x"}, "invalid", "name"),
    ],
)
def test_a_bad_provisioning_makes_nothing(
    platform: httpx.Client, body: dict[str, Any], code: str, param: str
) -> None:
    told = platform.post("/v1/instances", json=body, headers=KEY)

    error = told.json()["error"]
    assert (told.status_code, error["code"], error.get("param")) == (400, code, param)
    assert not Agent.objects.exists()


def test_an_instance_manages_no_instances(wire: httpx.Client, platform: httpx.Client) -> None:
    told = wire.post("/v1/instances", headers=KEY)
    without_key = platform.post("/v1/instances")

    assert (told.status_code, told.json()["error"]["type"]) == (403, "authorization")
    assert without_key.json()["error"]["code"] == "missing_idempotency_key"


def test_verifications_are_limited(
    platform: httpx.Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
    monkeypatch.setattr(instances, "VERIFICATION_BURST", 2)

    answers = [
        platform.post(
            "/v1/instances",
            json=delivery("http://127.0.0.1:9/x"),
            headers={"Idempotency-Key": f"{n}"},
        )
        for n in range(3)
    ]

    assert [a.status_code for a in answers] == [422, 422, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1


def test_a_decision_is_told_once_to_whoever_wants_to_know(
    serve: Callable[[Receiver], Service],
    base: str,
    connect: Callable[[str], Client],
    provisioner: tuple[Provisioner, str],
    ada: Person,
) -> None:
    service = serve(Receiver(resumers={}))
    made = provisioned(service, base, provisioner[1])
    client = connect(made.token)

    request = client.create(submission(), "1")
    assert not Delivery.objects.exists()
    holds.approve(hold_of(request.id), by=ada)
    client.create(submission(), "1")

    told = json.loads(Delivery.objects.get().body)
    answer = client.get(request.id)
    assert answer.decision is not None
    assert told.pop("id") == Delivery.objects.get().message_id
    assert told == {
        "type": "request.resolved",
        "instance_id": made.instance_id,
        "request_id": request.id,
        "created_at": answer.decision.decided_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def test_an_instance_is_read_changed_and_deleted(
    platform: httpx.Client, connect: Callable[[str], Client]
) -> None:
    made = platform.post("/v1/instances", json={"instance_name": "a"}, headers=KEY).json()
    path = f"/v1/instances/{made['instance']['id']}"
    client = connect(made["credential"]["token"])
    request = client.create(submission(), "1")

    renamed = platform.patch(path, json={"instance_name": "b"}, headers=KEY)
    platform.patch(path, json={"instance_name": "c"}, headers={"Idempotency-Key": "2"})
    repeated = platform.patch(path, json={"instance_name": "b"}, headers=KEY)
    conflict = platform.patch(path, json={"instance_name": "d"}, headers=KEY)

    assert renamed.json() == repeated.json() == {**made["instance"], "name": "b"}
    assert conflict.json()["error"]["code"] == "idempotency_conflict"
    assert platform.get(path).json()["name"] == "c"
    assert [platform.delete(path).status_code for _ in range(2)] == [204, 204]
    assert platform.get(path).status_code == 404
    replay = platform.post("/v1/instances", json={"instance_name": "a"}, headers=KEY)
    assert (replay.status_code, replay.json()["error"]["code"]) == (409, "instance_deleted")
    with pytest.raises(CredentialRefused):
        client.get(request.id)
    assert AAPRequest.objects.get().status == "cancelled"
    assert Agent.objects.get().is_retired


def test_another_receiver_takes_over_and_none_ends_it(
    serve: Callable[[Receiver], Service],
    base: str,
    platform: httpx.Client,
    connect: Callable[[str], Client],
    provisioner: tuple[Provisioner, str],
) -> None:
    first = serve(Receiver(resumers={}))
    made = provisioned(first, base, provisioner[1])
    client = connect(made.token)
    client.cancel(client.create(submission(), "1").id)
    path = f"/v1/instances/{made.instance_id}"
    moved = Receiver(resumers={}, secret=new_secret(), registration_id=str(uuid4()))
    second = serve(moved)

    change = {
        "delivery": {
            "type": "webhook",
            "url": second.url,
            "registration_id": moved.registration_id,
            "signing_secret": moved.secret,
        }
    }
    told = platform.patch(path, json=change, headers={"Idempotency-Key": "1"})

    assert told.json()["delivery"]["url"] == second.url
    assert Delivery.objects.get().endpoint.url == second.url
    gone = platform.patch(path, json={"delivery": None}, headers={"Idempotency-Key": "2"})
    assert "delivery" not in gone.json()
    assert Delivery.objects.get().state == "dead"
    client.cancel(client.create(submission(), "2").id)
    assert Delivery.objects.get().state == "dead"
    assert send_due() == 0


def test_deleting_tells_nobody(
    serve: Callable[[Receiver], Service],
    base: str,
    platform: httpx.Client,
    connect: Callable[[str], Client],
    provisioner: tuple[Provisioner, str],
) -> None:
    service = serve(Receiver(resumers={}))
    made = provisioned(service, base, provisioner[1])
    connect(made.token).create(submission(), "1")

    platform.delete(f"/v1/instances/{made.instance_id}")

    assert AAPRequest.objects.get().status == "cancelled"
    assert not Delivery.objects.exists()


def test_other_teams_instances_are_not_found(base: str, platform: httpx.Client, db: None) -> None:
    made = platform.post("/v1/instances", headers=KEY).json()["instance"]["id"]
    _, other = instances.authorize(Team.objects.create(name="elsewhere"), by="test")

    for method in ("GET", "PATCH", "DELETE"):
        told = httpx.request(
            method,
            f"{base}/v1/instances/{made}",
            content=b'{"instance_name":"x"}',
            headers={"Authorization": f"Bearer {other}", **KEY},
        )
        assert told.status_code == 404


def test_the_command_prints_a_token_once_and_takes_it_back(base: str) -> None:
    out = io.StringIO()
    call_command("agent", "provisioner", team="trading", label="k8s", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert told["token"].startswith("wfv_")
    headers = {"Authorization": f"Bearer {told['token']}", **KEY}
    made = httpx.post(f"{base}/v1/instances", headers=headers)
    assert made.status_code == 201

    call_command("agent", "revoke-provisioner", told["token"][:10], stdout=io.StringIO())

    assert httpx.post(f"{base}/v1/instances", headers=headers).status_code == 401
    assert Entry.objects.filter(kind__startswith="provisioner.").count() == 2
    with pytest.raises(CommandError):
        call_command("agent", "revoke-provisioner", "wfv_none")


def test_a_wrong_provisioner_is_refused(base: str) -> None:
    receiver = Receiver(resumers={})

    with pytest.raises(ProvisionError) as refusal:
        asyncio.run(
            receiver.provision(
                provider_url=base, provisioner_token="wfv_no", url="https://example.com/"
            )
        )

    assert refusal.value.status == 401


def test_a_receiver_that_is_away_is_tried_for_seven_days(
    serve: Callable[[Receiver], Service],
    base: str,
    connect: Callable[[str], Client],
    provisioner: tuple[Provisioner, str],
) -> None:
    service = serve(Receiver(resumers={}))
    client = connect(provisioned(service, base, provisioner[1]).token)
    client.cancel(client.create(submission(), "1").id)
    Endpoint.objects.update(url="http://127.0.0.1:9/gone")

    def tried(age: timedelta) -> str:
        Endpoint.objects.update(rests_until=None)
        Delivery.objects.update(
            next_at=timezone.now(), attempts=40, created_at=timezone.now() - age
        )
        assert send_due() == 1
        return Delivery.objects.get().state

    assert tried(timedelta(days=6)) == "pending"
    assert tried(timedelta(days=7)) == "dead"


def test_telling_again_sends_another_notice(
    serve: Callable[[Receiver], Service],
    base: str,
    connect: Callable[[str], Client],
    provisioner: tuple[Provisioner, str],
    ada: Person,
) -> None:
    service = serve(Receiver(resumers={}))
    client = connect(provisioned(service, base, provisioner[1]).token)
    request = client.create(submission(), "1")
    hold = hold_of(request.id)
    holds.approve(hold, by=ada)

    deliveries.retry(hold, by=ada)
    client.consume(request.id, "a")

    bodies = [json.loads(d.body) for d in Delivery.objects.order_by("id")]
    assert [b["request_id"] for b in bodies] == [request.id, request.id]
    assert bodies[0]["id"] != bodies[1]["id"]
