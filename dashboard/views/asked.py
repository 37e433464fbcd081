"""The request as our middleware leaves it, for types."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from people.models import Person


class Asked(HttpRequest):
    """A request of someone who is signed in (views say so with `login_required`)."""

    user: Person
    htmx: HtmxDetails
