"""What every page's frame needs: where one can go, what waits, who one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from people.models import Person

from .pages.counts import Waiting, waiting_for
from .theme import THEMES, theme_of


@dataclass(frozen=True)
class Link:
    name: str
    word: str
    icon: str
    key: str
    url: str
    is_here: bool


ROOMS = (
    ("floor", "Floor", "radar", "f"),
    ("inbox", "Inbox", "inbox", "i"),
    ("agents", "Agents", "bot", "a"),
    ("runs", "Runs", "waypoints", "r"),
    ("record", "Record", "fingerprint", "e"),
    ("settings", "Settings", "settings", "s"),
)
BELONGS = {"hold": "inbox", "agent": "agents", "run": "runs"}
"""Pages that are reached from a room belong to it."""


def room(request: HttpRequest) -> dict[str, Any]:
    person = request.user
    frame: dict[str, Any] = {
        "theme": theme_of(request),
        "themes": THEMES,
        "zone": timezone.get_current_timezone_name(),
    }
    if isinstance(person, Person) or getattr(person, "is_authenticated", False):
        frame |= {
            "nav": SimpleLazyObject(lambda: _links(request)),
            "waiting": SimpleLazyObject(lambda: _waiting(request)),
            "roles_in_words": SimpleLazyObject(lambda: _roles(request)),
        }
    return frame


def _links(request: HttpRequest) -> list[Link]:
    match = request.resolver_match
    here = match.url_name if match else ""
    here = BELONGS.get(str(here).split("-")[0], here)
    return [Link(n, word, icon, key, reverse(n), n == here) for n, word, icon, key in ROOMS]


def _waiting(request: HttpRequest) -> Waiting:
    return waiting_for(request)


def _roles(request: HttpRequest) -> str:
    rows = request.user.memberships.select_related("team").order_by("team__name")  # type: ignore[union-attr]
    return (
        ", ".join(f"{m.get_role_display()} of {m.team or 'every team'}" for m in rows)
        or "No role yet: an admin can give you one"
    )
