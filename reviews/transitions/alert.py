"""firing → acknowledged → resolved

An alert is written in the transaction of what it tells of, with its notifications; they are sent afterwards
(`reviews.alerting.sending`). The trigger in `sql/alerts.sql` resolves it when nothing of it waits any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Agent
from audit.columns import columns, instance
from audit.errors import Conflict
from audit.record import Note, noted, record, record_all
from audit.trips import one_trip
from audit.written import Statement, insertion, send
from people.models import Person, Team

from ..models import Alert, AlertState, Hold
from ..models.alert import decides
from ..models.notification import Why
from ..rules.alerts import KINDS, USUAL_GROUP, Matter
from .route import apply
from .routing import STANDING, Standing, arguments, read
from .telling import (
    addition,
    first_of,
    hint,
    locked,
    plan,
    repeat,
    ring_alert,
    tell,
    unsilence,
)

__all__ = ["Happening", "acknowledge", "apply", "end", "fire", "repeat", "resolve_old", "unsilence"]

RESOLVED_AFTER = timedelta(days=1)
"""What nothing waits on any more is no news then."""
LONGEST_TEXT = 4000
TITLE = 300

LOCK_ALIKE = "select pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"
ALIKE = f"""
select {columns(Alert, "a")} from reviews_alert a
 where a.state = 'firing' and a.kind = %(kind)s and a.group_until > %(now)s
   and a.team_id is not distinct from %(team)s and a.agent_id is not distinct from %(agent)s
 order by a.id desc limit 1 for no key update
"""
HAPPENED = """
insert into reviews_occurrence (alert_id, hold_id, title, link, key, silence_id, at, over_at)
values (%(alert)s, %(hold)s, %(title)s, %(link)s, %(key)s, %(silence)s, %(at)s, %(over_at)s)
"""


@dataclass(frozen=True)
class Happening:
    """What an alert tells of. With `hold`, it lasts until that is answered; with `key`, it is told once."""

    kind: str
    title: str
    team: Team | None
    agent: Agent | None = None
    hold: Hold | None = None
    text: str = ""
    link: str = ""
    key: str = ""
    lasts: bool = False
    """Until the clock finds that it is over (`end`), though no hold waits."""

    @property
    def matter(self) -> Matter:
        name = self.agent.name if self.agent else ""
        return Matter(self.kind, KINDS[self.kind].severity, name)


@transaction.atomic(savepoint=False)
def fire(happening: Happening) -> Alert | None:
    """Write it down and whom to tell. What is like it within the window is the same alert; None: told before.

    Two trips to the database, because an agent that is stopped is told so only afterwards.
    """
    now = timezone.now()
    alert, here = _look(happening, now)
    if here.was_told:
        return None
    if alert is None:
        alert, writing, note, told = opened(happening, here, now)
        with one_trip():
            send(*writing)
            record_all([note])
        if told:
            transaction.on_commit(hint, robust=True)
    else:
        _joined(alert, happening, here, now)
    ring_alert(alert)
    return alert


def _look(happening: Happening, now: datetime) -> tuple[Alert | None, Standing]:
    """What is like it, and who is to be told. Two that are alike wait for each other: the second finds the first."""
    team = happening.team.pk if happening.team else None
    agent = happening.agent.pk if happening.agent else None
    lock, alike, standing = questions(happening.kind, team, agent, now, happening.key)
    with (
        one_trip(),
        connection.cursor() as first,
        connection.cursor() as second,
        connection.cursor() as third,
    ):
        first.execute(*lock)
        second.execute(*alike)
        third.execute(*standing)
        return answered(happening.matter, second.fetchone(), third.fetchone())


def questions(
    kind: str, team: UUID | None, agent: UUID | None, now: datetime, key: str = ""
) -> tuple[Statement, Statement, Statement]:
    """What is alike and who is to be told, once nobody else looks for the same."""
    about = {"team": team, "kind": kind, "agent": agent, "now": now}
    lock = LOCK_ALIKE, {"name": f"alert {team} {kind} {agent}"}
    return lock, (ALIKE, about), (STANDING, arguments(team, now, key))


def answered(matter: Matter, alike: Any, standing: Any) -> tuple[Alert | None, Standing]:
    return (instance(Alert, alike) if alike else None), read(matter, standing)


def opened(
    happening: Happening, here: Standing, now: datetime
) -> tuple[Alert, list[Statement], Note, bool]:
    """A new alert, what writes it and its notifications, its entry, and whether there are any to be sent."""
    alert = Alert(
        team=happening.team,
        agent=happening.agent,
        kind=happening.kind,
        severity=KINDS[happening.kind].severity,
        title=happening.title[:TITLE],
        text=happening.text[:LONGEST_TEXT],
        link=happening.link,
        silence_id=here.silence,
        opened_at=now,
        last_at=now,
        group_until=now + window_of(here),
        repeat_at=None if here.silence else here.repeat_at(now),
    )
    facts = {"kind": alert.kind, "severity": alert.severity}
    if here.silence is not None:
        facts["silence"] = str(here.silence)
    note = noted("alert.fired", actor="clock", about=alert, summary=alert.title, data=facts)
    writing = [insertion(alert), _occurrence(alert, happening, here, now)]
    told = here.silence is None and (first := first_of(alert, here.routes, now))
    if told:
        writing.append(addition(alert, first, Why.NEW, now))
    return alert, writing, note, bool(told)


def window_of(here: Standing) -> timedelta:
    return max((route.group for route in here.routes), default=USUAL_GROUP)


def _joined(alert: Alert, happening: Happening, here: Standing, now: datetime) -> None:
    """It happened again: the page and the next message speak of the newest, and say how many."""
    alert.count += 1
    alert.title, alert.text = happening.title[:TITLE], happening.text[:LONGEST_TEXT]
    alert.link, alert.last_at, alert.group_until = happening.link, now, now + window_of(here)
    if here.silence is None:
        alert.silence = None
    alert.save(
        update_fields=["count", "title", "text", "link", "last_at", "group_until", "silence"]
    )
    send(_occurrence(alert, happening, here, now))
    if here.silence is None:
        tell(alert, here.routes, Why.MORE, now)
        plan(alert, here, now)


def _occurrence(alert: Alert, happening: Happening, here: Standing, now: datetime) -> Statement:
    waits = happening.lasts or (happening.hold is not None and happening.hold.is_open)
    return HAPPENED, {
        "alert": alert.pk,
        "hold": happening.hold.pk if happening.hold else None,
        "title": alert.title,
        "link": happening.link,
        "key": happening.key,
        "silence": here.silence,
        "at": now,
        "over_at": None if waits else now,
    }


@transaction.atomic
def acknowledge(pk: UUID, *, by: Person) -> Alert:
    """Somebody is at it: nobody is told again. Where nothing waits any more, it is over."""
    alert = locked(pk, by=by)
    if not decides(by, alert.team_id):
        raise PermissionDenied("Your role reads here; leads, ops and admins acknowledge.")
    if not alert.is_firing:
        who = (alert.acknowledged_by or alert.resolved_by).partition(":")[2] or "the clock"
        raise Conflict(f"This is {alert.state} already, by {who}.")
    now = timezone.now()
    alert.state = AlertState.ACKNOWLEDGED
    alert.acknowledged_by, alert.acknowledged_at, alert.repeat_at = by.signature, now, None
    alert.save(update_fields=["state", "acknowledged_by", "acknowledged_at", "repeat_at"])
    was, is_now = {"state": AlertState.FIRING}, {"state": alert.state}
    record(
        "alert.acknowledged",
        actor=by,
        about=alert,
        summary=alert.title,
        before=was,
        after=is_now,
    )
    if not alert.occurrences.filter(over_at=None).exists():
        _resolve(alert, by.signature, now)
    ring_alert(alert)
    return alert


@transaction.atomic
def end(pk: UUID, keys: list[str]) -> Alert:
    """These of it are over, the clock found; with the last one the alert is. Twice is harmless."""
    alert = locked(pk)
    now = timezone.now()
    ended = alert.occurrences.filter(key__in=keys, over_at=None).update(over_at=now)
    if ended and not alert.is_over and not alert.occurrences.filter(over_at=None).exists():
        _resolve(alert, "clock", now)
        ring_alert(alert)
    return alert


@transaction.atomic
def resolve_old(pk: UUID) -> Alert:
    """Nothing of it has waited for a day: it is no news any more. Twice is harmless."""
    alert = locked(pk)
    now = timezone.now()
    waits = alert.occurrences.filter(over_at=None).exists()
    if alert.is_over or waits or alert.last_at > now - RESOLVED_AFTER:
        return alert
    _resolve(alert, "clock", now)
    ring_alert(alert)
    return alert


def _resolve(alert: Alert, by: str, now: datetime) -> None:
    before = alert.state
    alert.state = AlertState.RESOLVED
    alert.resolved_by, alert.resolved_at, alert.repeat_at = by, now, None
    alert.save(update_fields=["state", "resolved_by", "resolved_at", "repeat_at"])
    record(
        "alert.resolved",
        actor=by,
        about=alert,
        summary=alert.title,
        before={"state": before},
        after={"state": alert.state},
    )
