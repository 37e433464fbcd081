"""Channels and routes as people arrange them: where alerts go, and which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import Http404, QueryDict

from agents.rules.policy.durations import written
from audit.errors import Invalid
from people.models import Person, Team
from reviews.models import Channel, Notification, Route
from reviews.models.alert import KIND_WORDS
from reviews.rules.alert_routes import RouteSetting, parse_route
from reviews.rules.alerts import SEVERITY_WORDS

MOST_ROWS = 200
MESSAGES_SHOWN = 50
FORM = ("name", "severity", "group", "repeat")


@dataclass(frozen=True)
class RouteRow:
    """A route as a sentence of parts."""

    route: Route
    kinds: list[str]
    severity: str
    group: str
    repeat: str
    may_change: bool


def channels(person: Person) -> list[Channel]:
    """All that this person may know of, the house's last."""
    rows = Channel.objects.visible_to(person).living().select_related("team", "person")
    return list(rows.order_by("team__name", "name")[:MOST_ROWS])


def routes(person: Person) -> list[RouteRow]:
    rows = Route.objects.visible_to(person).select_related("team").prefetch_related("channels")
    return [row(one, person) for one in rows.order_by("team__name", "position", "id")[:MOST_ROWS]]


def row(route: Route, person: Person) -> RouteRow:
    return RouteRow(
        route,
        [KIND_WORDS[kind] for kind in route.kinds],
        SEVERITY_WORDS[route.severity],
        written(route.group),
        written(route.repeat) if route.repeat else "",
        route.is_arranged_by(person) and not route.from_policy,
    )


def form_of(route: Route | None) -> dict[str, Any]:
    """What a route's form is filled with."""
    if route is None:
        return {"severity": "info", "group": "5m", "kinds_on": set(), "to": set()}
    return {
        "name": route.name,
        "severity": route.severity,
        "group": written(route.group),
        "repeat": written(route.repeat) if route.repeat else "",
        "agents": ", ".join(route.agents),
        "kinds_on": set(route.kinds),
        "to": {channel.name for channel in route.channels.all()},
        "quiet": route.quiet,
    }


def typed_form(query: QueryDict) -> dict[str, Any]:
    """The form as it was typed, to show it again."""
    return {
        **{key: query.get(key, "") for key in FORM},
        "agents": query.get("agents", ""),
        "kinds_on": set(query.getlist("when")),
        "to": set(query.getlist("to")),
        "quiet": bool(query.get("quiet")),
    }


def setting_of(query: QueryDict) -> RouteSetting:
    """What the form says. Raises Invalid."""
    agents = [one.strip() for one in query.get("agents", "").split(",") if one.strip()]
    said: dict[str, Any] = {
        "name": query.get("name", ""),
        "when": query.getlist("when"),
        "severity": query.get("severity", "info"),
        "agents": agents,
        "to": query.getlist("to"),
        "quiet": bool(query.get("quiet")),
    }
    said |= {key: query[key] for key in ("group", "repeat") if query.get(key, "").strip()}
    return parse_route(said)


def team_of(person: Person, pk: str) -> Team | None:
    """The team a form names, `""` for the house. A stranger's is none."""
    if not pk:
        return None
    try:
        team = Team.objects.filter(pk=UUID(pk)).first()
    except ValueError:
        team = None
    if team is None or not person.sees(team.pk):
        raise Http404("There is no such team")
    return team


def mailable(person: Person) -> list[Person]:
    """People with an address, in teams this person arranges for; nobody without a mail server."""
    if not settings.WATCHFLOOR_MAIL:
        return []
    teams = [pk for pk in person.team_ids if person.decides_for(pk)]
    mine = Q() if person.watches_everything else Q(memberships__team__in=teams)
    found = Person.objects.filter(mine, is_active=True).exclude(email="")
    return list(found.distinct().order_by("name")[:MOST_ROWS])


def person_of(person: Person, name: str) -> Person:
    found = next((one for one in mailable(person) if one.name == name), None)
    if found is None:
        raise Invalid("There is no such person here with an e-mail address.")
    return found


def messages_of(channel: Channel, person: Person) -> list[Notification]:
    """The newest; of a channel that others use, too, only what this person may know."""
    rows = channel.notifications.select_related("alert").order_by("-id")
    if not person.watches_everything:
        rows = rows.filter(Q(alert__team__in=person.team_ids) | Q(alert=None))
    return list(rows[:MESSAGES_SHOWN])
