"""What people, and their tokens, tried and were refused: written after the answer, when nothing is left to roll back."""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, models
from django.http import HttpRequest, HttpResponse

from agents import refused as agents_refused
from agents.models import Agent, Breaker, Budget, Limit, Policy, Run, Trip
from audit import refusals
from audit.errors import Invalid, NotFound, Refused
from audit.models import Endpoint
from audit.record import Recordable
from audit.refusals import STRANGER, Subject
from people.models import Person, PersonalToken, Team
from reviews.models import Alert, Channel, Hold, Route

logger = logging.getLogger(__name__)

SUBJECTS: dict[str, tuple[type[models.Model], str]] = {
    "hold": (Hold, "pk"),
    "run": (Run, "pk"),
    "agent": (Agent, "pk"),
    "key": (Agent, "pk"),
    "action": (Run, "run"),
    "trip": (Trip, "pk"),
    "breaker": (Breaker, "breaker"),
    "policy": (Policy, "pk"),
    "budget": (Budget, "pk"),
    "limit": (Limit, "pk"),
    "team": (Team, "pk"),
    "switch": (Team, "pk"),
    "webhook": (Endpoint, "pk"),
    "alert": (Alert, "pk"),
    "channel": (Channel, "pk"),
    "route": (Route, "pk"),
}
"""What an address is about, by the first word of its name, and which part of it says which one."""

SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Attempt:
    code: str
    reason: str
    about: Recordable | None = None


_refused: ContextVar[list[Attempt] | None] = ContextVar("what was refused", default=None)


def begin() -> list[Attempt]:
    """A request begins; what is refused in it is collected."""
    found: list[Attempt] = []
    _refused.set(found)
    return found


def note(refusal: BaseException, about: Recordable | None = None) -> None:
    """A verb refused. Typing errors, and what is not there, are no attempts at anything."""
    found = _refused.get()
    if found is None or isinstance(refusal, Invalid | NotFound):
        return
    if isinstance(refusal, Refused):
        found.append(Attempt(refusal.code, refusal.detail, about))
    elif isinstance(refusal, PermissionDenied):
        found.append(Attempt("forbidden", str(refusal) or "This takes another role.", about))


def write(request: HttpRequest, response: HttpResponse, found: list[Attempt]) -> None:
    """Called after the answer: a page that refused without saying why is told by its status."""
    if not found and request.method not in SAFE and response.status_code == 403:
        found = [Attempt("forbidden", "This takes another role.")]
    for one in found:
        try:
            _write(request, one)
        except DatabaseError as problem:
            logger.warning("A refusal could not be written down: %s", problem)


def _write(request: HttpRequest, attempt: Attempt) -> None:
    asked = f"{request.method} {request.path}"
    person = person_of(request)
    if person is not None:
        refusals.note("attempt.refused", person.record_name, lambda: told(request, person, attempt))
        return
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    if secret.startswith("wfp_"):
        refusals.note("token.refused", "", lambda: token_told(secret, attempt, asked))
    elif attempt.code in agents_refused.CODES and request.path.startswith("/api/"):
        agents_refused.note(attempt.code, attempt.reason, key=secret or None, asked=asked)


def person_of(request: HttpRequest) -> Person | None:
    """Who asked: by a session, or by a token."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, PersonalToken):
        auth.person.via = auth.record_name
        return auth.person
    if request.path.startswith("/api/"):
        return None
    user = getattr(request, "user", None)
    return user if isinstance(user, Person) or getattr(user, "is_authenticated", False) else None


def told(request: HttpRequest, person: Person, attempt: Attempt) -> dict[str, Any]:
    facts = {
        "code": attempt.code,
        "reason": refusals.words(attempt.reason),
        "asked": refusals.words(f"{request.method} {request.path}"),
    }
    return refusals.told(person, attempt.about or subject(request), attempt.reason, **facts)


def subject(request: HttpRequest) -> Recordable:
    """What the address is about, so that its story tells of the attempt, too; else the address itself."""
    match = request.resolver_match
    if match is None:
        return Subject("page")
    name = match.url_name or ""
    noun = "hold" if "/holds/" in request.path else name.partition("-")[0]
    if noun in SUBJECTS:
        model, part = SUBJECTS[noun]
        row = model._default_manager.filter(pk__in=uuids([str(match.kwargs.get(part))])).first()
        if row is not None:
            found: Recordable = row  # type: ignore[assignment]
            return found
    return Subject(f"page:{name}")


def uuids(texts: list[str]) -> list[UUID]:
    """Those that are ids; programs may ask for anything."""
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(UUID(text))
    return found


def token_told(secret: str, attempt: Attempt, asked: str) -> dict[str, Any]:
    """A token is known by its hash, also one that was revoked or ran out; what was sent is kept nowhere."""
    digest = sha256(secret.encode()).digest()
    token = PersonalToken.objects.select_related("person").filter(hash=digest).first()
    facts = {"code": attempt.code, "reason": attempt.reason, "asked": refusals.words(asked)}
    if token is None:
        return refusals.told(STRANGER, Subject("people.token"), attempt.reason, **facts)
    return refusals.told(token.person, token, attempt.reason, **facts, prefix=token.prefix)
