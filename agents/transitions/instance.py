"""Provisioners and the instances they make: (verifying →) provisioned → deleted

An instance is an agent in the provisioner's team. Its receiver is asked first whether it expects this, outside of
any transaction; meanwhile the row that reserves the idempotency key keeps a second attempt away.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from msgspec import UNSET

from audit.errors import Conflict, NotFound
from audit.models import Endpoint
from audit.record import Recordable, record
from audit.transitions import endpoint as endpoints
from people.models import Team

from ..aap import notices
from ..aap.errors import Problem
from ..aap.shapes import Delivery, Provision, Update, name_of
from ..models import Agent, AgentKey, AgentState, Trip
from ..models.aap import KEPT_FOR, AAPRequest, AAPStatus, Instance, InstanceUpdate, Provisioner
from . import aap, stopping
from . import agent as agents
from . import breaker as breakers

LONGEST_NAME = 80
NONCE = 12
IN_FLIGHT = notices.VERIFIED_WITHIN + timedelta(seconds=10)
VERIFICATION_EVERY, VERIFICATION_BURST = timedelta(seconds=6), 10
"""GCRA: ten at once, then one in six seconds, for each provisioner."""

NOBODY_WROTE_A_POLICY = {
    "name": "Everything needs a person",
    "tools": ["*"],
    "then": "approve",
    "because": "This agent was provisioned; nobody wrote a policy for it yet.",
}


@transaction.atomic
def authorize(team: Team, *, by: Recordable | str, label: str = "") -> tuple[Provisioner, str]:
    """A new provisioner of a team and its token (43 random characters after `wfv_`), shown only here."""
    secret = f"wfv_{secrets.token_urlsafe(32)}"
    made = Provisioner.objects.create(
        team=team, label=label, prefix=secret[:10], hash=sha256(secret.encode()).digest()
    )
    record("provisioner.created", actor=by, about=made, summary=f"{made} for {team}")
    return made, secret


@transaction.atomic
def revoke(provisioner: Provisioner, *, by: Recordable | str) -> Provisioner:
    """Nothing is provisioned with this token any more; the instances it made stay."""
    provisioner = Provisioner.objects.select_for_update().get(pk=provisioner.pk)
    if provisioner.revoked_at is None:
        provisioner.revoked_at = timezone.now()
        provisioner.save(update_fields=["revoked_at"])
        record("provisioner.revoked", actor=by, about=provisioner, summary=str(provisioner))
    return provisioner


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


def check_key(known: Any, digest: bytes) -> None:
    if bytes(known) != digest:
        raise Conflict(
            "The idempotency key was already used for different input.", code="idempotency_conflict"
        )


def begin(
    attempt: Instance | InstanceUpdate, provisioner: Provisioner, now: datetime, *, verifies: bool
) -> None:
    """Only one attempt at a time for a key, and not too many of them."""
    if attempt.verifying_since is not None and attempt.verifying_since > now - IN_FLIGHT:
        raise Conflict(
            "The same request is being worked on. Try again in a moment.",
            code="idempotency_in_progress",
        )
    attempt.verifying_since = now
    if not verifies:
        return
    until = max(provisioner.verifications_until or now, now) + VERIFICATION_EVERY
    wait = until - VERIFICATION_EVERY * VERIFICATION_BURST - now
    if wait > timedelta(0):
        seconds = int(wait.total_seconds()) + 1
        raise Problem(
            "rate_limited", "Too many receivers are being verified.", retry_after_s=seconds
        )
    provisioner.verifications_until = until
    provisioner.save(update_fields=["verifications_until"])


def verified(delivery: Delivery, instance_id: UUID, attempt: Any) -> None:
    """Ask the receiver; when it does not agree, the same request may be tried again at once."""
    try:
        notices.verify(delivery, instance_id)
    except Exception:
        attempt.update(verifying_since=None)
        raise


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
    record("instance.provisioned", actor=provisioner, about=instance, summary=agent.name)
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


def found(provisioner: Provisioner, pk: UUID) -> Instance:
    """An instance of the provisioner's team that is not deleted. Raises NotFound."""
    living = scope(provisioner).exclude(agent__state=AgentState.RETIRED)
    instance = living.filter(pk=pk, deleted_at=None).first()
    if instance is None:
        raise NotFound("There is no such instance.")
    return instance


def scope(provisioner: Provisioner) -> QuerySet[Instance]:
    return Instance.objects.select_related("agent__team", "endpoint", "provisioner").filter(
        provisioner__team=provisioner.team_id, created_at__isnull=False
    )


def update(
    provisioner: Provisioner,
    pk: UUID,
    asked: Update,
    *,
    digest: bytes,
    idempotency: bytes,
    show: Callable[[Instance], dict[str, Any]],
) -> dict[str, Any]:
    """Change name or receiver, once; returns what `show` makes of it, also when repeated."""
    if asked.instance_name is UNSET and asked.delivery is UNSET:
        raise Problem("invalid", "Change something: the name or the delivery.")
    name_of(asked.instance_name, "")
    delivery = asked.delivery if isinstance(asked.delivery, Delivery) else None
    if delivery is not None:
        notices.check(delivery)
    scoped = sha256(provisioner.pk.bytes + idempotency).digest()
    attempt = reserve_update(provisioner, pk, digest, scoped, verifies=delivery is not None)
    if attempt.answer is not None:
        answer: dict[str, Any] = attempt.answer
        return answer
    if delivery is not None:
        verified(delivery, pk, InstanceUpdate.objects.filter(pk=attempt.pk))
    return change(provisioner, attempt, asked, show)


@transaction.atomic
def reserve_update(
    provisioner: Provisioner, pk: UUID, digest: bytes, idempotency: bytes, *, verifies: bool
) -> InstanceUpdate:
    provisioner = locked(provisioner)
    instance = found(provisioner, pk)
    attempt = InstanceUpdate.objects.filter(instance=instance, idempotency=idempotency).first()
    if attempt is None:
        attempt = InstanceUpdate(instance=instance, idempotency=idempotency, digest=digest)
    check_key(attempt.digest, digest)
    if attempt.answer is None:
        begin(attempt, provisioner, timezone.now(), verifies=verifies)
        attempt.save()
    return attempt


@transaction.atomic
def change(
    provisioner: Provisioner,
    attempt: InstanceUpdate,
    asked: Update,
    show: Callable[[Instance], dict[str, Any]],
) -> dict[str, Any]:
    provisioner = locked(provisioner)
    instance = found(provisioner, attempt.instance_id)
    assert instance.agent is not None
    agent = aap.lock(instance.agent.pk)
    wanted = name_of(asked.instance_name, agent.name)
    if wanted != agent.name:
        agent.name = free_name(agent.team, wanted)
        agent.save(update_fields=["name"])
    if isinstance(asked.delivery, Delivery):
        instance.endpoint = notices.connected(agent, asked.delivery, instance.endpoint)
        instance.registration_id = asked.delivery.registration_id
    elif asked.delivery is None:
        disconnect(instance)
    instance.agent = agent
    instance.save()
    record("instance.changed", actor=provisioner, about=instance, summary=agent.name)
    attempt.answer, attempt.verifying_since = show(instance), None
    attempt.save()
    return attempt.answer


def disconnect(instance: Instance) -> None:
    """What waits to be sent is not sent any more."""
    if instance.endpoint is not None:
        kept = Endpoint.objects.select_for_update(no_key=True).get(pk=instance.endpoint.pk)
        instance.endpoint, instance.registration_id = None, ""
        instance.save(update_fields=["endpoint", "registration_id"])
        endpoints.drop(kept)


@transaction.atomic
def delete(provisioner: Provisioner, pk: UUID) -> None:
    """Retire its agent: credentials revoked, what it asked cancelled, nobody told. Again is harmless."""
    provisioner = locked(provisioner)
    instance = scope(provisioner).filter(pk=pk).first()
    if instance is None or instance.agent is None:
        raise NotFound("There is no such instance.")
    if instance.deleted_at is not None:
        return
    agent = aap.lock(instance.agent.pk)
    disconnect(instance)
    instance.deleted_at, instance.sealed_credential = timezone.now(), None
    instance.save(update_fields=["deleted_at", "sealed_credential"])
    if not agent.is_retired:
        retire(agent, by=provisioner)
    record("instance.deleted", actor=provisioner, about=instance, summary=agent.name)


def retire(agent: Agent, *, by: Provisioner) -> None:
    """End a locked agent for good, as a person would who retires it."""
    for trip in Trip.objects.filter(agent=agent, ended_at=None).order_by("id"):
        breakers.resume(trip, by=by)
    agent.refresh_from_db()
    why = f"{agent} was deleted by its provisioner."
    agents.end_runs(agent, by=by, reason=why)
    for request in AAPRequest.objects.filter(agent=agent).unjudged().select_related("agent"):
        aap.resolve(request, AAPStatus.CANCELLED, by=by.record_name, note=why)
    agent.state, agent.state_reason = AgentState.RETIRED, why
    agent.control_version += 1
    agent.save(update_fields=["state", "state_reason", "control_version"])
    for key in AgentKey.objects.filter(agent=agent, revoked_at=None):
        key.agent = agent
        agents.withdraw_key(key, by=by)
    record("agent.retired", actor=by, about=agent, summary=why)
    stopping.ring_control(agent, None)


def locked(provisioner: Provisioner) -> Provisioner:
    """Lock the provisioner. Raises Problem when it was revoked meanwhile."""
    fresh = (
        Provisioner.objects.select_for_update(of=("self",))
        .select_related("team")
        .get(pk=provisioner.pk)
    )
    if fresh.revoked_at is not None:
        raise Problem("unauthorized", "This provisioner was revoked.")
    return fresh
