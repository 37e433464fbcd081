"""Routes: made, changed, moved, deleted; and made as a team's policy document says"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F, Max

from audit.bell import ring
from audit.changes import changed
from audit.errors import Conflict, Invalid, NotFound
from audit.record import Recordable, record
from people.models import Person, Team

from ..models import Channel, Route
from ..models.channel import arranges
from ..rules.alert_routes import MOST_ROUTES, RouteSetting

NOT_YOURS = "Routes are arranged by leads, ops and admins of their team."
NOT_THE_HOUSES = "What goes for the whole house is arranged by admins of every team."
IN_POLICY = "This route stands in the team's policy document: change it there."


@transaction.atomic
def create(team: Team | None, setting: RouteSetting, *, by: Person) -> Route:
    """A new route, after the others."""
    check(team, by)
    mine = Route.objects.filter(team=team)
    if mine.count() >= MOST_ROUTES:
        raise Conflict(
            f"A team can have {MOST_ROUTES} routes. Delete one that is no longer needed."
        )
    last = mine.aggregate(last=Max("position"))["last"]
    route = _made(Route(team=team, position=0 if last is None else last + 1), setting)
    tell("created", route, by=by, after=setting.as_dict())
    return _rung(route)


@transaction.atomic
def change(pk: UUID, setting: RouteSetting, *, by: Person) -> Route:
    """Let it say something else from now on."""
    route = _locked(pk, by)
    before = route.setting.as_dict()
    _made(route, setting)
    tell("changed", route, by=by, before=before, after=setting.as_dict())
    return _rung(route)


@transaction.atomic
def move(pk: UUID, *, up: bool, by: Person) -> Route:
    """Earlier or later among its team's: of several that name one channel, the first one's pace counts."""
    route = _locked(pk, by)
    others = list(
        Route.objects.filter(team=route.team).select_for_update().order_by("position", "id")
    )
    at = next(i for i, one in enumerate(others) if one.pk == route.pk)
    to = max(0, at - 1) if up else min(len(others) - 1, at + 1)
    others.insert(to, others.pop(at))
    for position, one in enumerate(others):
        Route.objects.filter(pk=one.pk).exclude(position=position).update(position=position)
    tell("moved", route, by=by, before={"position": at}, after={"position": to})
    return _rung(route)


@transaction.atomic
def delete(pk: UUID, *, by: Person) -> None:
    """Nobody is told by it any more. What is on its way still goes."""
    route = _locked(pk, by)
    tell("deleted", route, by=by, before=route.setting.as_dict())
    route.delete()
    _rung(route)


@transaction.atomic
def apply(team: Team, routes: Sequence[RouteSetting], *, by: Recordable | str) -> list[Route]:
    """Make the routes of a team's policy document so, in its order; those made on the page stay, after them.

    Call in the transaction that saves the document. Raises Invalid where a channel is unknown, or a name is
    taken by a route of the page.
    """
    present = {one.name: one for one in Route.objects.filter(team=team).select_for_update()}
    wanted = {setting.name for setting in routes}
    for setting in routes:
        if (found := present.get(setting.name)) and not found.from_policy:
            raise Invalid(
                f"Alert route “{setting.name}”: the team has a route of that name already, "
                "made on its page. Delete that one, or use another name."
            )
    gone = [one for one in present.values() if one.from_policy and one.name not in wanted]
    for route in gone:
        tell("deleted", route, by=by, before=route.setting.as_dict())
        route.delete()
    made = [_applied(team, place, one, present, by) for place, one in enumerate(routes)]
    own = Route.objects.filter(team=team, from_policy=False)
    if made and own.filter(position__lt=len(made)).exists():
        own.update(position=F("position") + len(made))
    ring("routes")
    return made


def _applied(
    team: Team, place: int, setting: RouteSetting, present: dict[str, Route], by: Recordable | str
) -> Route:
    known = present.get(setting.name)
    before = known.setting.as_dict() if known else None
    route = known or Route(team=team, from_policy=True)
    route.position = place
    _made(route, setting)
    if before is None:
        tell("created", route, by=by, after=setting.as_dict())
    elif before != setting.as_dict():
        tell("changed", route, by=by, before=before, after=setting.as_dict())
    return route


def tell(
    what: str,
    route: Route,
    *,
    by: Recordable | str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    was, now = changed(before, after)
    data = {"name": route.name}
    record(
        f"route.{what}",
        actor=by,
        about=route,
        summary=route.name,
        data=data,
        before=was,
        after=now,
    )


def check_channels(team: Team, routes: Sequence[RouteSetting]) -> None:
    """Raise Invalid for a channel that the team cannot use: what a dry run of a document asks."""
    for setting in routes:
        channels_of(team, setting)


def channels_of(team: Team | None, setting: RouteSetting) -> list[Channel]:
    """The channels it names: the team's own before the house's."""
    usable = Channel.objects.for_team(team) if team else Channel.objects.filter(team=None)
    known = {one.name: one for one in usable.living().order_by(F("team").asc(nulls_first=True))}
    for name in setting.to:
        if name not in known:
            raise Invalid(
                f"Alert route “{setting.name}”: there is no channel “{name}”. Add it first, under "
                "Settings, Alert routes."
            )
    return [known[name] for name in setting.to]


def check(team: Team | None, by: Person) -> None:
    """Strangers do not learn of it, readers are told why not."""
    if team is not None and not by.sees(team.pk):
        raise NotFound("There is no such team.")
    if not arranges(by, team.pk if team else None):
        raise PermissionDenied(NOT_YOURS if team else NOT_THE_HOUSES)


def _made(route: Route, setting: RouteSetting) -> Route:
    channels = channels_of(route.team, setting)
    route.name, route.kinds, route.severity = setting.name, list(setting.when), setting.severity
    route.agents, route.group = list(setting.agents), setting.group
    route.repeat, route.quiet = setting.repeat, setting.quiet
    try:
        with transaction.atomic():
            route.save()
    except IntegrityError as error:
        raise Conflict(f"There is a route called {setting.name} already.") from error
    route.channels.set(channels)
    return route


def _locked(pk: UUID, by: Person) -> Route:
    seen = Route.objects.visible_to(by).select_for_update(of=("self",))
    route = seen.select_related("team").filter(pk=pk).first()
    if route is None:
        raise NotFound("There is no such route.")
    check(route.team, by)
    if route.from_policy:
        raise Conflict(IN_POLICY)
    return route


def _rung(route: Route) -> Route:
    ring("routes")
    return route
