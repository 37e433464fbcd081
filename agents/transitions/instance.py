"""(verifying →) provisioned: an AAP instance is an agent in its provisioner's team

Its receiver is asked first whether it expects this, outside of any transaction; meanwhile the row that reserves the
idempotency key keeps a second attempt away. What happens to an instance later is in `instance_life.py`.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.utils import timezone
from msgspec import UNSET

from audit.errors import Conflict
from audit.record import record
from people.models import Team

from ..aap import notices
from ..aap.shapes import LONGEST_NAME, Delivery, Provision, name_of
from ..models import Agent
from ..models.aap import KEPT_FOR, Instance, Provisioner
from . import agent as agents
from .provisioner import begin, check_key, locked, verified

NONCE = 12

NOBODY_WROTE_A_POLICY = {
    "name": "Everything needs a person",
    "tools": ["*"],
    "then": "approve",
    "because": "This agent was provisioned; nobody wrote a policy for it yet.",
}


def provision(
    provisioner: Provisioner, token: str, asked: Provision, *, digest: bytes, idempotency: bytes
) -> tuple[Instance, str, bool]:
    """Make an instance, once. Returns it, its credential and whether it is new. Raises Problem, Conflict."""
    delivery = None if asked.delivery is UNSET else asked.delivery
    if delivery is not None:
        notices.check(delivery)
    name_of(asked.instance_name, "")
    instance, credential = reserve(
        provisioner, token, digest=digest, idempotency=idempotency, verifies=delivery is not None
    )
    if credential is not None:
        return instance, credential, False
    if delivery is not None:
        verified(delivery, instance.pk, Instance.objects.filter(pk=instance.pk))
    return (*make(instance, token, asked, delivery), True)


@transaction.atomic
def reserve(
    provisioner: Provisioner, token: str, *, digest: bytes, idempotency: bytes, verifies: bool
) -> tuple[Instance, str | None]:
    """The row for this key; with the credential when it was provisioned before."""
    provisioner = locked(provisioner)
    instance = (
        Instance.objects.select_related("agent", "endpoint")
        .filter(provisioner=provisioner, idempotency=idempotency)
        .first()
    )
    if instance is None:
        instance = Instance(provisioner=provisioner, idempotency=idempotency, digest=digest)
    check_key(instance.digest, digest)
    now = timezone.now()
    if instance.deleted_at is not None or (instance.agent and instance.agent.is_retired):
        raise Conflict("This instance was deleted.", code="instance_deleted")
    if instance.created_at is not None:
        return instance, credential_of(instance, token)
    begin(instance, provisioner, now, verifies=verifies)
    instance.save()
    return instance, None


@transaction.atomic
def make(
    instance: Instance, token: str, asked: Provision, delivery: Delivery | None
) -> tuple[Instance, str]:
    """Agent, policy, credential and receiver, all at once."""
    provisioner = locked(instance.provisioner)
    team = provisioner.team
    wanted = name_of(asked.instance_name, f"instance-{instance.pk.hex[-8:]}")
    agent, credential = agents.create(
        free_name(team, wanted),
        team=team,
        by=provisioner,
        tools=["*"],
        rules=[NOBODY_WROTE_A_POLICY],
    )
    instance.agent = agent
    if delivery is not None:
        instance.endpoint = notices.connected(agent, delivery)
        instance.registration_id = delivery.registration_id
    instance.sealed_credential = sealed(credential, token, instance)
    instance.created_at, instance.verifying_since = timezone.now(), None
    instance.save()
    told = {"agent": agent.pk}
    record("instance.provisioned", actor=provisioner, about=instance, summary=agent.name, data=told)
    return instance, credential


def free_name(team: Team, wanted: str) -> str:
    """The name, or the name with the next number. The team's provisioners are locked one after another."""
    taken = set(
        Agent.objects.filter(team=team, name__startswith=wanted[: LONGEST_NAME - 8]).values_list(
            "name", flat=True
        )
    )
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted[: LONGEST_NAME - 8]} {number}"
    return name


def sealed(credential: str, token: str, instance: Instance) -> bytes:
    """The credential, to be opened only with the token that provisioned it, which we do not keep."""
    nonce = os.urandom(NONCE)
    return nonce + box(token).encrypt(nonce, credential.encode(), instance.pk.bytes)


def credential_of(instance: Instance, token: str) -> str:
    """The credential that was issued, for as long as a retry can be meant. Raises Conflict."""
    assert instance.created_at is not None
    if instance.sealed_credential is None or instance.created_at < timezone.now() - KEPT_FOR:
        raise Conflict(
            "This instance was provisioned over seven days ago; its credential is not kept. "
            "Provision another one under another key.",
            code="credential_forgotten",
        )
    kept = bytes(instance.sealed_credential)
    return box(token).decrypt(kept[:NONCE], kept[NONCE:], instance.pk.bytes).decode()


def box(token: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"watchfloor instance").derive(token.encode()))


def forget_credentials() -> None:
    """What a retry can no longer be meant to read is not kept."""
    Instance.objects.filter(
        sealed_credential__isnull=False, created_at__lt=timezone.now() - KEPT_FOR
    ).update(sealed_credential=None)
