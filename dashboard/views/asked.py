"""The request as our middleware leaves it, for types."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from people.models import Person


class Asked(HttpRequest):
    """A request of someone who is signed in (views say so with `login_required`)."""

    user: Person
    htmx: HtmxDetails


DONE = "watchfloor.done"
"""In the scope of a request whose verb was called before the view (`dashboard.deciding`)."""


def is_done(request: HttpRequest) -> bool:
    """Whether what it asks for is written already, and the view only has to answer."""
    return DONE in getattr(request, "scope", ())
