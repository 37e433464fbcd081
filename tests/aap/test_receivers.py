"""Receivers of webhooks: asked first, told of decisions, moved, and left alone when they are gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from agentapprovalprotocol import (
    Client,
    Receiver,
    WebhookVerificationFailed,
)
from agentapprovalprotocol.receiver import new_secret
from django.utils import timezone

from agents.models import Agent
from agents.models.aap import AAPRequest, Provisioner
from agents.transitions import provisioner as provisioners
from audit.models import Delivery, Endpoint
from audit.sending import send_due
from people.models import Person
from reviews.transitions import delivery as deliveries
from reviews.transitions import hold as holds

from .conftest import Service, delivery, hold_of, provisioned, submission

KEY = {"Idempotency-Key": "k"}


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


def test_verifications_are_limited(
    platform: httpx.Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.0/8"]
    monkeypatch.setattr(provisioners, "VERIFICATION_BURST", 2)

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
