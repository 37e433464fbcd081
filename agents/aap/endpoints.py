"""Asking, withdrawing, taking an approval and reporting. Reading and waiting is `agents/hot/aap.py`."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from ..models.aap import AAPRequest
from ..transitions import aap as requests
from ..transitions import aap_use as uses
from .door import body_of, door, idempotency_of, instance_of
from .shapes import Outcome, Submitted, read
from .wire import request_json


def answer(request: AAPRequest, status: int = 200) -> HttpResponse:
    return HttpResponse(request_json(request), status=status, content_type="application/json")


def create(request: HttpRequest) -> HttpResponse:
    """`POST /v1/requests`: may this call run?"""
    key = instance_of(request)
    idempotency = idempotency_of(request)
    submitted = Submitted.read(body_of(request))
    made, new = requests.ask(key, submitted, idempotency=idempotency)
    return answer(made, 201 if new else 200)


def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`DELETE /v1/requests/{id}`: nobody waits for it any more."""
    return answer(uses.cancel(instance_of(request), pk))


def consume(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`POST /v1/requests/{id}/consume`: take the approval and run the call, once."""
    key = instance_of(request)
    return answer(uses.consume(key, pk, idempotency=idempotency_of(request)))


def outcome(request: HttpRequest, pk: UUID) -> HttpResponse:
    """`POST /v1/requests/{id}/outcome`: how the call ended."""
    key = instance_of(request)
    told, _ = read(Outcome, body_of(request))
    return answer(uses.report(key, pk, status=told.status, note=told.note))


all_of_them = door(POST=create)
one = door(DELETE=cancel)
taking = door(POST=consume)
ending = door(POST=outcome)
