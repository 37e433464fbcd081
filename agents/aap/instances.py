"""Provisioning: a platform makes, reads, changes and deletes the instances of a team."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from ..models.aap import Instance
from ..transitions import instance as instances
from ..transitions import instance_life as life
from .door import body_of, door, idempotency_of, provisioner_of, token_of
from .shapes import Provision, Update, read


def answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, content_type="application/json")


def provision(request: HttpRequest) -> HttpResponse:
    """`POST /v1/instances`: an agent, its credential, and where it wants to be told."""
    provisioner = provisioner_of(request)
    idempotency = idempotency_of(request)
    asked, digest = read(Provision, body_of(request))
    instance, credential, new = instances.provision(
        provisioner, token_of(request), asked, digest=digest, idempotency=idempotency
    )
    told = {"instance": shown(instance), "credential": {"token": credential}}
    return answer(told, 201 if new else 200)


def look(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`GET /v1/instances/{id}`."""
    return answer(shown(life.found(provisioner_of(request), pk)))


def update(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`PATCH /v1/instances/{id}`: another name, another receiver, or none."""
    provisioner = provisioner_of(request)
    idempotency = idempotency_of(request)
    asked, digest = read(Update, body_of(request))
    return answer(
        life.update(provisioner, pk, asked, digest=digest, idempotency=idempotency, show=shown)
    )


def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`DELETE /v1/instances/{id}`: its credentials are revoked, what it asked is cancelled."""
    life.delete(provisioner_of(request), pk)
    return HttpResponse(status=204)


def shown(instance: Instance) -> dict[str, Any]:
    """An instance without its secrets."""
    told: dict[str, Any] = {"id": str(instance.pk), "name": str(instance.agent)}
    if instance.endpoint is not None:
        told["delivery"] = {
            "type": "webhook",
            "url": instance.endpoint.url,
            "registration_id": instance.registration_id,
        }
    return told


all_of_them = door(POST=provision)
one = door(GET=look, PATCH=update, DELETE=delete)
