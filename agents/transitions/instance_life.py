"""provisioned → deleted; and changing an instance's name or receiver"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from msgspec import UNSET

from audit.changes import changed
from audit.errors import NotFound
from audit.models import Endpoint
from audit.record import record, signature_of
from audit.transitions import endpoint as endpoints

from ..aap import notices
from ..aap.errors import Problem
from ..aap.shapes import Delivery, Update, name_of
from ..models import Agent, AgentKey, AgentState, Trip
from ..models.aap import AAPRequest, AAPStatus, Instance, InstanceUpdate, Provisioner
from . import aap, stopping
from . import agent as agents
from . import breaker as breakers
from .instance import free_name
from .provisioner import begin, check_key, locked, verified


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
    before = facts(instance, agent)
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
    was, now = changed(before, facts(instance, agent))
    record(
        "instance.changed",
        actor=provisioner,
        about=instance,
        summary=agent.name,
        before=was,
        after=now,
    )
    attempt.answer, attempt.verifying_since = show(instance), None
    attempt.save()
    return attempt.answer


def facts(instance: Instance, agent: Agent) -> dict[str, Any]:
    """What a provisioner can change, for the record."""
    told = instance.endpoint.url if instance.endpoint else None
    return {"name": agent.name, "receiver": told, "registration": instance.registration_id}


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
    told = {"agent": agent.pk}
    record("instance.deleted", actor=provisioner, about=instance, summary=agent.name, data=told)


def retire(agent: Agent, *, by: Provisioner) -> None:
    """End a locked agent for good, as a person would who retires it."""
    for trip in Trip.objects.filter(agent=agent, ended_at=None).order_by("id"):
        breakers.resume(trip, by=by, for_good=True)
    agent.refresh_from_db()
    why = f"{agent} was deleted by its provisioner."
    agents.end_runs(agent, by=by, reason=why)
    for request in AAPRequest.objects.filter(agent=agent).unjudged().select_related("agent"):
        aap.resolve(request, AAPStatus.CANCELLED, by=signature_of(by), note=why)
    before = agent.state
    agent.state, agent.state_reason = AgentState.RETIRED, why
    agent.control_version += 1
    agent.save(update_fields=["state", "state_reason", "control_version"])
    for key in AgentKey.objects.filter(agent=agent, revoked_at=None):
        key.agent = agent
        agents.withdraw_key(key, by=by)
    was, now = {"state": before}, {"state": agent.state}
    record("agent.retired", actor=by, about=agent, summary=why, before=was, after=now)
    stopping.ring_control(agent, None)
