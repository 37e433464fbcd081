"""firing → firing: putting messages on their way, saying it again, and saying what was silenced"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.bell import ring
from audit.errors import NotFound
from audit.record import record
from audit.written import Statement, send
from people.models import Person

from ..models import Alert, Notification
from ..models.notification import UNSENT, Why
from ..rules.alerts import more_at
from .routing import Leading, Standing, standing

ADD = """
insert into reviews_notification (alert_id, channel_id, route_id, why, state, attempts, next_at, title, text,
                                  last_error, last_answer, tries, created_at)
select %(alert)s, one.channel, one.route, %(why)s, 'pending', 0, one.due, '', '', '', '', '[]', %(now)s
  from unnest(%(channels)s::uuid[], %(routes)s::uuid[], %(due)s::timestamptz[]) as one (channel, route, due)
"""

type Message = tuple[UUID, UUID, datetime]
"""To which channel, by which route, and when."""


def tell(alert: Alert, routes: Sequence[Leading], why: Why, now: datetime) -> int:
    """Put a message on its way to each channel that is not about to hear of it anyway; how many."""
    found = Notification.objects.filter(alert=alert).values_list("channel_id").order_by()
    told: dict[UUID, datetime] = dict(found.annotate(Max("created_at")))
    unsent = {pk for (pk,) in found.filter(state__in=UNSENT)}
    made: list[Message] = []
    for route in routes:
        for channel in route.channels:
            if channel in unsent:
                continue
            unsent.add(channel)
            due = now if why == Why.AGAIN else more_at(now, told.get(channel), route.group)
            made.append((channel, route.id, route.awake(due, alert.team_id)))
    if made:
        send(addition(alert, made, why, now))
        transaction.on_commit(hint, robust=True)
    return len(made)


def first_of(alert: Alert, routes: Sequence[Leading], now: datetime) -> list[Message]:
    """The first messages of an alert: nobody has heard of it."""
    made: dict[UUID, Message] = {}
    for route in routes:
        for channel in route.channels:
            if channel not in made:
                made[channel] = (channel, route.id, route.awake(now, alert.team_id))
    return list(made.values())


def addition(alert: Alert, made: Sequence[Message], why: Why, now: datetime) -> Statement:
    channels, routes, due = (list(column) for column in zip(*made, strict=True))
    return ADD, {
        "alert": alert.pk,
        "why": str(why),
        "now": now,
        "channels": channels,
        "routes": routes,
        "due": due,
    }


@transaction.atomic
def repeat(pk: UUID) -> int:
    """Nobody acknowledged it: say it again where a route wants that. Twice is harmless."""
    now = timezone.now()
    alert = locked(pk)
    if not alert.is_firing or alert.silence_id or not alert.repeat_at or alert.repeat_at > now:
        return 0
    here = standing(alert.matter, alert.team_id, now)
    sent = tell(
        alert, [route for route in here.routes if is_due(alert, route, now)], Why.AGAIN, now
    )
    plan(alert, here, now)
    if sent:
        record("alert.repeated", actor="clock", about=alert, summary=alert.title)
    return sent


def is_due(alert: Alert, route: Leading, now: datetime) -> bool:
    """It wants to be told again, and was told long enough ago."""
    if route.repeat is None:
        return False
    last = Notification.objects.filter(alert=alert, route=route.id).aggregate(at=Max("created_at"))
    return (last["at"] or alert.opened_at) + route.repeat <= now


def plan(alert: Alert, here: Standing, now: datetime) -> None:
    """When it is said again: no later than it was to be."""
    at = here.repeat_at(now)
    if at and alert.repeat_at and alert.repeat_at > now:
        at = min(at, alert.repeat_at)
    if at != alert.repeat_at:
        alert.repeat_at = at
        alert.save(update_fields=["repeat_at"])


@transaction.atomic
def unsilence(pk: UUID) -> int:
    """What silenced it is over, and it still fires: now people are told. Twice is harmless."""
    now = timezone.now()
    alert = locked(pk)
    if not alert.is_firing or alert.silence is None or alert.silence.is_on(now):
        return 0
    here = standing(alert.matter, alert.team_id, now)
    Alert.objects.filter(pk=alert.pk).update(silence=here.silence)
    if here.silence is not None:
        return 0
    record("alert.heard", actor="clock", about=alert, summary=alert.title)
    plan(alert, here, now)
    ring_alert(alert)
    return tell(alert, here.routes, Why.MORE, now)


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
    ring(*alert_topics(alert))


def alert_topics(alert: Alert) -> list[str]:
    return ["alerts", f"alerts.{alert.team_id}", f"alert.{alert.pk}"]


def hint() -> None:
    """Tell a worker that something is to be sent. It may be lost: the sweep looks every second."""
    from ..alerting.hinting import hint as now

    now()
