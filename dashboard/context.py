"""What every page's frame needs: where one can go, what waits, who one is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from .pages.counts import waiting_for
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
    ("policies", "Policies", "scroll-text", "p"),
    ("record", "Record", "fingerprint", "e"),
    ("settings", "Settings", "settings", "s"),
)
BELONGS = {
    "hold": "inbox",
    "agent": "agents",
    "run": "runs",
    "policy": "policies",
    "team": "settings",
    "account": "settings",
    "webhook": "settings",
    "webhooks": "settings",
    "alert": "floor",
    "alerts": "floor",
    "silence": "floor",
    "channel": "settings",
    "channels": "settings",
    "route": "settings",
}
"""Pages that are reached from a room belong to it."""


def room(request: HttpRequest) -> dict[str, Any]:
    person = request.user
    frame: dict[str, Any] = {
        "theme": theme_of(request),
        "themes": THEMES,
        "zone": timezone.get_current_timezone_name(),
    }
    if person.is_authenticated:
        frame |= {
            "nav": SimpleLazyObject(lambda: _links(request)),
            "waiting": SimpleLazyObject(lambda: waiting_for(request)),
            "roles_in_words": SimpleLazyObject(lambda: _roles(request)),
        }
    return frame


def _links(request: HttpRequest) -> list[Link]:
    match = request.resolver_match
    here = match.url_name if match else ""
    here = BELONGS.get(str(here).split("-")[0], here)
    hidden = () if request.user.reads_record else ("record",)  # type: ignore[union-attr]
    return [
        Link(n, word, icon, key, reverse(n), n == here)
        for n, word, icon, key in ROOMS
        if n not in hidden
    ]


def _roles(request: HttpRequest) -> str:
    """From what is known already: `Ops of every team`, `Lead of 2 teams`."""
    roles = request.user.roles  # type: ignore[union-attr]
    words = [f"{roles[None].label} of every team"] if None in roles else []
    named = Counter(role.label for team, role in roles.items() if team is not None)
    words += [f"{role} of {n} team{'' if n == 1 else 's'}" for role, n in named.items()]
    return ", ".join(words) or "No role yet: an admin can give you one"
