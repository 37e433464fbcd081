"""Who calls the operators' API: a person, by a token of theirs."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from audit.errors import Refused
from people.models import Person, PersonalToken
from people.tokens import bearer

SAFE = {"GET", "HEAD"}


class PersonalTokenAuth(HttpBearer):
    """`Authorization: Bearer wfp_…`; the token is then `request.auth`."""

    openapi_name = "personal token"

    def __call__(self, request: HttpRequest) -> PersonalToken:
        token: PersonalToken | None = super().__call__(request)
        if token is None:
            raise Refused(
                "Send a working personal token as 'Authorization: Bearer wfp_…'.",
                code="unauthorized",
            )
        if request.method not in SAFE and not token.decides:
            raise Refused("This token only reads: its scope lacks 'decide'.", code="forbidden")
        return token

    def authenticate(self, request: HttpRequest, token: str) -> PersonalToken | None:
        return bearer(token, timezone.now())


def person_of(request: HttpRequest) -> Person:
    """Whose token this is. They never count as freshly signed in."""
    token: PersonalToken = request.auth  # type: ignore[attr-defined]
    token.person.via = token.record_name
    return token.person
