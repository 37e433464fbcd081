"""firing → firing: putting messages on their way, saying it again, and saying what was silenced"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.bell import ring
from audit.errors import NotFound
from audit.record import record
from people.models import Calendar, Person, Team
from people.rules.calendar import add_working

from ..models import Alert, Notification, Route, Silence
from ..models.notification import UNSENT, Why
from ..rules.alerts import Matter, more_at


def tell(alert: Alert, routes: list[Route], why: Why, now: datetime) -> int:
    """Put a message on its way to each channel that is not about to hear of it anyway; how many."""
    found = Notification.objects.filter(alert=alert).values_list("channel_id")
    told = dict(found.annotate(Max("created_at")))
    unsent = {pk for (pk,) in found.filter(state__in=UNSENT)}
    made: list[Notification] = []
    for route in routes:
        for channel in route.channels.all():
            if not channel.is_active or channel.pk in unsent:
                continue
            unsent.add(channel.pk)
            due = now if why == Why.AGAIN else more_at(now, told.get(channel.pk), route.group)
            due = _awake(due, route, alert)
            made.append(
                Notification(alert=alert, channel=channel, route=route, why=why, next_at=due)
            )
    Notification.objects.bulk_create(made)
    _plan_repeat(alert, routes, now)
    if made:
        transaction.on_commit(hint, robust=True)
    return len(made)


def _awake(due: datetime, route: Route, alert: Alert) -> datetime:
    """A route that keeps quiet waits until its team works."""
    if not route.quiet or alert.team_id is None:
        return due
    return add_working(due, timedelta(0), Calendar.objects.hours_of(alert.team_id))


def _plan_repeat(alert: Alert, routes: list[Route], now: datetime) -> None:
    at = min((again for route in routes if (again := route.repeats_at(now))), default=None)
    if alert.repeat_at is None or at is None or at < alert.repeat_at or alert.repeat_at <= now:
        alert.repeat_at = at
        alert.save(update_fields=["repeat_at"])


@transaction.atomic
def repeat(pk: UUID) -> int:
    """Nobody acknowledged it: say it again where a route wants that. Twice is harmless."""
    now = timezone.now()
    alert = locked(pk)
    if not alert.is_firing or alert.silence_id or not alert.repeat_at or alert.repeat_at > now:
        return 0
    routes = [route for route in routes_for(alert.team, alert.matter) if route.repeat]
    due = [route for route in routes if _was_told(alert, route, now)]
    alert.repeat_at = None
    sent = tell(alert, due, Why.AGAIN, now)
    _plan_repeat(alert, routes, now)
    if sent:
        record("alert.repeated", actor="clock", about=alert, summary=alert.title)
    return sent


def _was_told(alert: Alert, route: Route, now: datetime) -> bool:
    """Long enough ago."""
    last = Notification.objects.filter(alert=alert, route=route).aggregate(at=Max("created_at"))
    again = route.repeats_at(last["at"] or alert.opened_at)
    return again is not None and again <= now


@transaction.atomic
def unsilence(pk: UUID) -> int:
    """What silenced it is over, and it still fires: now people are told. Twice is harmless."""
    now = timezone.now()
    alert = locked(pk)
    if not alert.is_firing or alert.silence is None or alert.silence.is_on(now):
        return 0
    alert.silence = silence_for(alert.team, alert.matter, now)
    alert.save(update_fields=["silence"])
    if alert.silence is not None:
        return 0
    record("alert.heard", actor="clock", about=alert, summary=alert.title)
    ring_alert(alert)
    return tell(alert, routes_for(alert.team, alert.matter), Why.NEW, now)


def routes_for(team: Team | None, matter: Matter) -> list[Route]:
    """Those that fit, the team's before the house's."""
    rows = Route.objects.for_team(team) if team else Route.objects.filter(team=None)
    rows = rows.prefetch_related("channels").order_by("team", "position", "id")  # null comes last
    return [route for route in rows if route.fits(matter)]


def silence_for(team: Team | None, matter: Matter, now: datetime) -> Silence | None:
    rows = Silence.objects.for_team(team) if team else Silence.objects.filter(team=None)
    return next((one for one in rows.current(now).order_by("id") if one.fits(matter)), None)


def locked(pk: UUID, by: Person | None = None) -> Alert:
    seen = Alert.objects.visible_to(by) if by else Alert.objects.all()
    found = (
        seen.select_for_update(of=("self",), no_key=True)
        .select_related("team", "agent", "silence")
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise NotFound("There is no such alert.")
    return found


def ring_alert(alert: Alert) -> None:
    ring("alerts", f"alerts.{alert.team_id}", f"alert.{alert.pk}")


def hint() -> None:
    """Tell a worker that something is to be sent. It may be lost: the sweep looks every second."""
    from ..alerting.hinting import hint as now

    now()
