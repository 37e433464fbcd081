"""Provisioning: a platform makes instances, with receivers that agree to be told."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from agentapprovalprotocol import (
    Client,
    CredentialRefused,
    ProvisionError,
    Receiver,
)
from cryptography.exceptions import InvalidTag
from django.core.management import CommandError, call_command
from django.db.models import F

from agents.models import Agent, AgentKey
from agents.models.aap import AAPRequest, Instance, Provisioner
from agents.tasks import sweep
from agents.transitions import instance as instances
from agents.transitions import provisioner as provisioners
from audit.models import Entry
from people.models import Person, Team
from reviews.transitions import hold as holds

from .conftest import delivery, hold_of, submission

KEY = {"Idempotency-Key": "k"}


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


def test_other_teams_instances_are_not_found(base: str, platform: httpx.Client, db: None) -> None:
    made = platform.post("/v1/instances", headers=KEY).json()["instance"]["id"]
    _, other = provisioners.authorize(Team.objects.create(name="elsewhere"), by="test")

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
