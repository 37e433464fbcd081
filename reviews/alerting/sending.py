"""Taking messages to their channels: one claimed row, one sending, one verdict.

As the outbox does it (`audit.sending`): a claim locks the row and takes a lease, the sending happens in no
transaction, the verdict counts only with the lease's own moment. Two workers never have the same row, and
a channel that fails or dawdles takes no turn from another.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit.errors import Refused
from audit.record import record
from audit.sealed import CannotUnseal

from ..models import Channel, ChannelState, Notification, NotificationState
from ..models.notification import Why
from ..rules.alerts import patience, rest
from ..transitions.channel import ring_channel
from ..transitions.telling import ring_alert
from . import services
from .guard import Attempt, guarded
from .wording import Message, message

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Sendings under way in one process."""
AT_ONCE_EACH = 2
"""To one channel; one while it fails."""
LEASE = timedelta(seconds=120)
SECONDS = 10.0
LONGEST_TURN = 60
LOOK_AGAIN = 0.25

CLAIM = """
with chosen as materialized (
    select c.id
      from reviews_channel c
     cross join lateral (
           select n.next_at from reviews_notification n
            where n.channel_id = c.id and n.state in ('pending', 'failed') and n.next_at <= %(now)s
            order by n.next_at limit 1) due
     where c.state = 'active' and (c.rests_until is null or c.rests_until <= %(now)s)
       and (select count(*) from reviews_notification f
             where f.channel_id = c.id and f.leased_until > %(now)s)
           < case when c.failures > 0 then 1 else %(each)s end
     order by due.next_at limit 1
       for no key update of c skip locked),
one as (
    select n.id from reviews_notification n
     where n.channel_id = (select id from chosen) and n.state in ('pending', 'failed')
       and n.next_at <= %(now)s
     order by n.next_at limit 1
       for update skip locked)
update reviews_notification n
   set attempts = n.attempts + 1, leased_until = %(until)s, next_at = %(until)s
  from one where n.id = one.id
returning n.id
"""


@dataclass(frozen=True)
class Parcel:
    """What a sender needs to know when it no longer looks into the database."""

    notification: int
    channel: Channel
    message: Message
    address: str
    trusted: str
    dedup: str
    token: datetime


@dataclass(frozen=True)
class Outcome:
    at: datetime
    ms: int
    error: str
    status: int | None = None
    answer: str = ""
    rest: timedelta = timedelta(0)


def send_due() -> int:
    """Send all that is due, several at once; how many were tried. The database is asked from this thread only."""
    end = time.monotonic() + LONGEST_TURN
    flying: dict[Future[Outcome], Parcel] = {}
    tried = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="alert") as pool:
        while True:
            while len(flying) < AT_ONCE and time.monotonic() < end and (parcel := claim()):
                flying[pool.submit(carry, parcel)] = parcel
                tried += 1
            if not flying:
                return tried
            landed, _ = wait(flying, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
            for future in landed:
                conclude(flying.pop(future), future.result())


def claim() -> Parcel | None:
    """Take one message that is due and still needed, with what is needed to send it; None when nothing is."""
    while (found := _claim()) is not None:
        token = found.leased_until
        assert token is not None
        if reason := _not_needed(found):
            _drop(found, token, reason)
            continue
        try:
            return _parcel(found, token)
        except (CannotUnseal, Refused) as problem:
            failure = str(problem)
        except Exception as problem:
            # A message that cannot be written must not come first in line again and again.
            logger.exception("Notification %s could not be written", found.pk)
            failure = f"The message could not be written: {type(problem).__name__}."
        empty = Message("", "", "info")
        parcel = Parcel(found.pk, found.channel, empty, "", "", "", token)
        conclude(parcel, Outcome(timezone.now(), 0, failure))
    return None


def _claim() -> Notification | None:
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CLAIM, {"each": AT_ONCE_EACH, "now": now, "until": now + LEASE})
        found = cursor.fetchone()
    if found is None:
        return None
    rows = Notification.objects.select_related("channel__person", "alert__team", "alert__agent")
    return rows.get(pk=found[0])


def _not_needed(notification: Notification) -> str:
    """Why nobody needs to hear of it any more; empty when somebody does."""
    alert, person = notification.alert, notification.channel.person
    if alert is not None and not alert.is_firing:
        return f"The alert was {alert.state} before this could be sent."
    if alert is not None and alert.silence_id:
        return "The alert was silenced before this could be sent."
    team = alert.team_id if alert else notification.channel.team_id
    if person is not None and not person.is_active:
        return f"{person} is switched off."
    if person is not None and not (person.sees(team) if team else person.watches_everything):
        return f"{person} may no longer know of this."
    return ""


def _drop(notification: Notification, token: datetime, reason: str) -> None:
    Notification.objects.filter(pk=notification.pk, leased_until=token).update(
        state=NotificationState.DROPPED,
        closed_at=timezone.now(),
        leased_until=None,
        last_error=reason,
    )
    _ring(notification)


def _parcel(found: Notification, token: datetime) -> Parcel:
    told = message(found)
    Notification.objects.filter(pk=found.pk).update(title=told.title, text=told.text)
    person = found.channel.person
    address = services.mail_address(person) if person else found.channel.address
    trusted = str(settings.WATCHFLOOR_MAIL["host"]).lower() if person else ""
    dedup = f"watchfloor-{found.alert_id}" if found.alert_id else ""
    return Parcel(found.pk, found.channel, told, address, trusted, dedup, token)


def carry(parcel: Parcel) -> Outcome:
    """The sending. Runs in a thread of its own and never touches the database."""
    at = timezone.now()
    start = time.monotonic()
    attempt = Attempt(trusted=parcel.trusted, seconds=SECONDS)
    try:
        plugin = services.service(parcel.address)
        attempt.is_plain = not services.is_encrypted(plugin)
        with guarded(attempt):
            was_sent = _notify(plugin, parcel)
        error = "" if was_sent else _why_not(attempt)
    except Refused as problem:
        error = problem.detail
    except Exception as problem:
        logger.warning("A notification could not be sent: %s", type(problem).__name__)
        error = attempt.refused or f"The message could not be sent: {type(problem).__name__}."
    ms = round((time.monotonic() - start) * 1000)
    hidden = _secrets(parcel.address)
    return Outcome(
        at,
        ms,
        _without(hidden, error),
        attempt.status,
        _without(hidden, attempt.answer)[:4096],
        attempt.rest if attempt.status in (429, 503) else timedelta(0),
    )


def _notify(plugin: Any, parcel: Parcel) -> bool:
    from apprise import NotifyFormat, NotifyType

    if hasattr(plugin, "dedup") and not plugin.dedup:
        plugin.dedup = (
            parcel.dedup or None
        )  # PagerDuty: one incident an alert, however often it is told
    kind = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING}
    return bool(
        plugin.notify(
            title=parcel.message.title,
            body=parcel.message.text,
            notify_type=kind.get(parcel.message.severity, NotifyType.INFO),
            body_format=NotifyFormat.TEXT,
        )
    )


def _why_not(attempt: Attempt) -> str:
    if attempt.refused:
        return attempt.refused
    if attempt.error:
        return attempt.error
    status = attempt.status
    if status is not None and 300 <= status < 400:
        return f"It answered {status}: redirects are not followed. Give the address it leads to."
    return f"It answered {status}." if status is not None else "It could not be sent."


def _secrets(address: str) -> list[str]:
    """What stands in an address and may come back in an answer."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(address)
    host = parts.hostname or ""
    words = {*parts.path.split("/"), *parts.query.split("&"), parts.username, parts.password, host}
    known = {unquote(word) for word in words if word and len(word) >= 8}
    return sorted(known - ({host} if "." in host else set()), key=len, reverse=True)


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


@transaction.atomic
def conclude(parcel: Parcel, outcome: Outcome) -> None:
    """Write down how a try went, unless the row is no longer ours: then somebody else tries."""
    channel = Channel.objects.select_for_update(of=("self",), no_key=True).get(pk=parcel.channel.pk)
    ours = Notification.objects.filter(pk=parcel.notification, leased_until=parcel.token)
    found = ours.select_for_update().first()
    if found is None:
        return
    now = timezone.now()
    found.leased_until = None
    found.last_status, found.last_error = outcome.status, outcome.error
    found.last_answer = outcome.answer
    found.tries = [*found.tries[-29:], _line(outcome)]
    wait_for = patience(found.attempts)
    if not outcome.error:
        found.state, found.closed_at = NotificationState.SENT, now
    elif wait_for is None or found.why == Why.TEST or channel.state != ChannelState.ACTIVE:
        found.state, found.closed_at = NotificationState.DEAD, now
    else:
        found.state = NotificationState.FAILED
        found.next_at = now + max(wait_for, outcome.rest)
    found.save()
    _remember(channel, outcome, now)
    _ring(found)


def _line(outcome: Outcome) -> dict[str, Any]:
    return {
        "at": outcome.at.isoformat(),
        "ms": outcome.ms,
        "status": outcome.status,
        "error": outcome.error,
    }


def _remember(channel: Channel, outcome: Outcome, now: datetime) -> None:
    """How the channel is doing; people read in the record when it began to fail, and when it was well again."""
    was_failing = channel.failing_since is not None
    if outcome.error:
        channel.failures += 1
        channel.failing_since = channel.failing_since or now
        channel.last_error = outcome.error
        channel.rests_until = now + max(rest(channel.failures), outcome.rest)
    else:
        channel.failures, channel.last_error = 0, ""
        channel.failing_since = channel.rests_until = None
        channel.sent_at = now
    channel.save(
        update_fields=["failures", "failing_since", "last_error", "rests_until", "sent_at"]
    )
    if bool(outcome.error) != was_failing:
        kind = "channel.failing" if outcome.error else "channel.recovered"
        record(
            kind,
            actor="clock",
            about=channel,
            summary=outcome.error or str(channel),
            data={"name": channel.name},
        )


def _ring(notification: Notification) -> None:
    ring_channel(notification.channel)
    if notification.alert is not None:
        ring_alert(notification.alert)
