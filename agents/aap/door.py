"""Who calls, how bodies are read and how refusals are told: shared by every ordinary endpoint of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import sha256
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from audit.errors import Invalid, Refused

from .. import refused
from ..hot.http import LARGEST_BODY
from ..models import AgentKey
from ..models.aap import Provisioner
from .errors import Problem, envelope
from .shapes import key_digest

logger = logging.getLogger(__name__)

type Handler = Callable[..., HttpResponse]


def door(**methods: Handler) -> Handler:
    """A view with one handler a method. Every answer has an id, every refusal the protocol's envelope."""

    @csrf_exempt
    def view(request: HttpRequest, **where: object) -> HttpResponse:
        exchange = str(uuid4())
        try:
            handler = methods.get(request.method or "")
            if handler is None:
                raise Problem("method_not_allowed", f"Use {' or '.join(methods)}.")
            response = handler(request, **where)
        except Exception as error:
            response = told(error, exchange, request.path)
            note(request, error)
        response["X-Request-ID"] = exchange
        response["Cache-Control"] = "no-store"
        return response

    return view


def note(request: HttpRequest, error: Exception) -> None:
    """Whoever tried what is not theirs stands in the record."""
    if not isinstance(error, Refused) or error.code not in refused.CODES:
        return
    _scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    asked = f"{request.method} {request.path}"
    refused.note(error.code, error.detail, key=token.strip() or None, asked=asked)


def told(error: Exception, exchange: str, path: str) -> HttpResponse:
    status, body, headers = envelope(refusal_of(error, path), exchange)
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def refusal_of(error: Exception, path: str) -> Refused:
    """What went wrong, as far as strangers are told."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestDataTooBig):
        return Problem("too_large", "A request may have 1 MiB.")
    if isinstance(error, DataError):
        return Invalid(str(error).split("\n")[0])
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database did not answer: %s", error)
        return Problem("unavailable", "The database does not answer. Try again.")
    logger.error("AAP failed at %s", path, exc_info=error)
    return Problem("internal", "Something failed here; nothing was changed.")


def body_of(request: HttpRequest) -> bytes:
    if len(request.body) > LARGEST_BODY:
        raise RequestDataTooBig
    return request.body


def idempotency_of(request: HttpRequest) -> bytes:
    return key_digest(request.headers.get("Idempotency-Key"))


def token_of(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthorized", "Send the credential as 'Authorization: Bearer …'.")
    return token.strip()


def instance_of(request: HttpRequest) -> AgentKey:
    """The agent's key that this is. Raises Problem: a provisioner's token cannot ask for approvals."""
    digest = sha256(token_of(request).encode()).digest()
    key = AgentKey.objects.filter(hash=digest, revoked_at=None).first()
    if key is not None:
        return key
    if Provisioner.objects.filter(hash=digest, revoked_at=None).exists():
        raise Problem("forbidden", "A provisioner token makes instances; ask with an instance's.")
    raise Problem("unauthorized", "This credential is not known, or it was revoked.")


def provisioner_of(request: HttpRequest) -> Provisioner:
    """The provisioner whose token this is. Raises Problem: an instance manages no instances."""
    digest = sha256(token_of(request).encode()).digest()
    known = Provisioner.objects.select_related("team").filter(hash=digest, revoked_at=None).first()
    if known is not None:
        return known
    if AgentKey.objects.filter(hash=digest, revoked_at=None).exists():
        raise Problem("forbidden", "This takes a provisioner token, not an instance's.")
    raise Problem("unauthorized", "This credential is not known, or it was revoked.")


def nowhere(request: HttpRequest, **where: object) -> HttpResponse:
    raise Problem("not_found", "There is no such address.")
