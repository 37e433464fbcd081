"""Who calls, how bodies are read, and how refusals are told: shared by every ordinary endpoint of the agents' API."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer
from pydantic import ConfigDict

from audit.errors import Invalid, Refused

from ..hot.http import LARGEST_BODY, STATUS, TITLES
from ..models import Agent
from ..shapes import DEEPEST, NUL, is_too_deep, size_written_out

logger = logging.getLogger(__name__)


class Shape(Schema):
    """Base of what agents send: unknown fields are refused, so that a typo never changes what is asked."""

    model_config = ConfigDict(extra="forbid")


class AgentKeyAuth(HttpBearer):
    """`Authorization: Bearer wf_…`; the agent is then `request.auth`."""

    openapi_name = "agent key"

    def authenticate(self, request: HttpRequest, token: str) -> Agent | None:
        return (
            Agent.objects.select_related("team")
            .filter(keys__hash=sha256(token.encode()).digest(), keys__revoked_at__isnull=True)
            .first()
        )


class StrictParser(Parser):
    """JSON as RFC 8259 has it: no NaN, no trailing words, no U+0000 that PostgreSQL cannot keep."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = request.body
        if len(body) > LARGEST_BODY:
            raise RequestDataTooBig
        value = msgspec.json.decode(body or b"{}")
        if NUL.search(body):
            raise ValueError("text must not contain the character U+0000")
        if is_too_deep(body, value):
            raise Invalid(f"The body is nested more than {DEEPEST} deep.")
        if size_written_out(body) > LARGEST_BODY:
            raise Invalid("The body is larger than 1 MiB with its numbers written out.")
        return value


class AgentsAPI(NinjaAPI):
    """Tells every refusal as problem details (RFC 9457)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            parser=StrictParser(),
            auth=AgentKeyAuth(),
            docs_url=None,
            docs_decorator=require_safe,
            **settings,
        )
        self.add_exception_handler(Refused, self.on_refused)
        self.add_exception_handler(ValidationError, self.on_invalid)
        self.add_exception_handler(AuthenticationError, self.on_stranger)
        self.add_exception_handler(PermissionDenied, self.on_forbidden)
        self.add_exception_handler(Http404, self.on_missing)
        self.add_exception_handler(HttpError, self.on_http_error)
        self.add_exception_handler(RequestDataTooBig, self.on_too_large)
        self.add_exception_handler(DataError, self.on_unkeepable)
        self.add_exception_handler(OperationalError, self.on_outage)
        self.add_exception_handler(InterfaceError, self.on_outage)
        self.add_exception_handler(Exception, self.on_failure)

    @property
    def urls(self) -> tuple[list[URLPattern | URLResolver], str, str]:
        patterns, app, namespace = super().urls
        for pattern in patterns:
            if pattern.callback:
                pattern.callback = in_problems(pattern.callback)
        return patterns, app, namespace

    def on_refused(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem(error.code, error.detail, **error.extra)

    def on_invalid(self, request: HttpRequest, error: Any) -> HttpResponse:
        first = error.errors[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return problem("invalid", f"{field}: {first['msg']}")

    def on_stranger(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem(
            "unauthorized", "Send a working agent's key as 'Authorization: Bearer wf_…'."
        )

    def on_forbidden(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem("forbidden", str(error) or "This takes another role.")

    def on_missing(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem("not_found", "This agent has nothing of that name.")

    def on_unkeepable(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem("invalid", str(error).split("\n")[0])

    def on_outage(self, request: HttpRequest, error: Any) -> HttpResponse:
        logger.warning("The database did not answer: %s", error)
        return problem("unavailable", "The database does not answer. Try again.")

    def on_failure(self, request: HttpRequest, error: Any) -> HttpResponse:
        logger.error("The API failed at %s", request.path, exc_info=error)
        return problem("internal", "Something failed here; nothing was changed.")

    def on_http_error(self, request: HttpRequest, error: Any) -> HttpResponse:
        if isinstance(error.__cause__, RequestDataTooBig) or isinstance(
            error.__context__, RequestDataTooBig
        ):
            return self.on_too_large(request, error)
        if isinstance(error.__cause__, Refused):
            return self.on_refused(request, error.__cause__)
        if error.status_code == 400:
            why = error.__cause__ or error.__context__
            return problem("malformed_json", f"The body is not JSON: {why or error}")
        return problem("invalid", str(error))

    def on_too_large(self, request: HttpRequest, error: Any) -> HttpResponse:
        return problem("too_large", "A request may have 1 MiB.")


def in_problems(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What Ninja refuses before any endpoint is asked (a wrong method, its bare root), told as everything else."""

    @csrf_exempt  # whoever calls here has no cookie
    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer = view(request, *args, **kwargs)
        except Http404:
            return problem("not_found", "There is no such address.")
        if not isinstance(answer, HttpResponseNotAllowed):
            return answer
        allowed = sorted(answer["Allow"].split(", "))
        refusal = problem("method_not_allowed", f"Use {' or '.join(allowed)}.")
        refusal["Allow"] = ", ".join(allowed)
        return refusal

    return told


def problem(code: str, detail: str, **extra: object) -> HttpResponse:
    """One `application/problem+json` answer."""
    status = STATUS.get(code, 404 if code == "no_checkpoint" else 409)
    body = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        **extra,
    }
    response = HttpResponse(
        msgspec.json.encode(body), status=status, content_type="application/problem+json"
    )
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response["Retry-After"] = "1"
    return response


def agent_of(request: HttpRequest) -> Agent:
    """The agent whose key this is."""
    agent: Agent = request.auth  # type: ignore[attr-defined]
    return agent


def limited(value: Any, field: str, limit: int) -> Any:
    """Free JSON within a size. Raises Invalid."""
    if value is not None and len(msgspec.json.encode(value)) > limit:
        raise Invalid(f"{field} is larger than {limit // 1024} KiB.")
    return value
