"""Taking messages out of the house: one claimed row, one POST, one verdict.

Two senders never have the same row: a claim locks it, and a lease that outlives the longest possible POST keeps
others away until the verdict. A sender that was killed leaves a lease that runs out, and the row is sent again
with the same id. At least once, therefore: receivers know a message again by its id.
"""

from __future__ import annotations

import logging
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from . import messages, outbound, outbox
from .bell import ring
from .models import Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState
from .sealed import CannotUnseal
from .transitions import endpoint as endpoints

logger = logging.getLogger(__name__)

BACKOFF = tuple(
    timedelta(seconds=s)
    for s in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)  # 23 h 43 min in all
)
"""How long to wait after the first, second, … try that failed. After the last comes one more try, then it is dead."""

AAP_TRIED_FOR = timedelta(hours=168)

GONE = 410
"""The receiver wants no more messages (Standard Webhooks asks senders to stop then)."""

AT_ONCE = 16
"""POSTs under way in one process."""
AT_ONCE_EACH = 4
"""POSTs under way to one endpoint; one while it fails."""
LONGEST_REST = 60
LEASE = timedelta(seconds=60)
LONGEST_TURN = 60
"""Seconds after which a sender takes nothing more and lets the next one go on: a task has to end."""
LOOK_AGAIN = 0.25
"""Seconds between looks for new rows while slow receivers are waited for."""

CLAIM = """
with chosen as materialized (
    select e.id
      from audit_endpoint e
     cross join lateral (
           select d.next_at from audit_delivery d
            where d.endpoint_id = e.id and d.state = 'pending' and d.next_at <= %(now)s
            order by d.next_at limit 1) due
     where e.state = 'active' and (e.rests_until is null or e.rests_until <= %(now)s)
       and (select count(*) from audit_delivery f
             where f.endpoint_id = e.id and f.leased_until > %(now)s)
           < case when e.failures > 0 then 1 else %(each)s end
     order by due.next_at limit 1
       for no key update of e skip locked),
one as (
    select d.id from audit_delivery d
     where d.endpoint_id = (select id from chosen) and d.state = 'pending' and d.next_at <= %(now)s
     order by d.next_at limit 1
       for update skip locked)
update audit_delivery d
   set attempts = d.attempts + 1, leased_until = %(until)s, next_at = %(until)s
  from one where d.id = one.id
returning d.id
"""

KEEP_BODY = """
update audit_delivery set body = case when body = '' then %s else body end where id = %s returning body
"""


@dataclass(frozen=True)
class Parcel:
    """What a sender needs to know when it no longer looks into the database."""

    delivery: int
    endpoint: Endpoint
    message_id: str
    body: str
    secret: str
    attempts: int
    token: datetime


@dataclass(frozen=True)
class Outcome:
    at: datetime
    ms: int
    status: int | None
    error: str
    answer: str = ""
    rest: timedelta = timedelta(0)
    """How long the receiver wants to be left alone."""


def send_due() -> int:
    """Send all that is due, many at once; how many were tried. The database is asked from this thread only."""
    end = time.monotonic() + LONGEST_TURN
    flying: dict[Future[Outcome], Parcel] = {}
    tried = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send") as pool:
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
    """Take one row that is due, with what is needed to send it; None when nothing is."""
    while (delivery := _claim()) is not None:
        token = delivery.leased_until
        assert token is not None
        endpoint = delivery.endpoint
        body = secret = ""
        try:
            secret = endpoint.signing_secret
            body = delivery.body or _keep_body(delivery)
        except CannotUnseal as problem:
            failure = str(problem)
        except Exception as problem:
            # A message that cannot be written must not come first in line again and again.
            logger.exception("The message %s could not be written", delivery.message_id)
            failure = f"The message could not be written: {type(problem).__name__}."
        else:
            failure = ""
        parcel = Parcel(
            delivery.pk, endpoint, delivery.message_id, body, secret, delivery.attempts, token
        )
        if not failure:
            return parcel
        conclude(parcel, Outcome(timezone.now(), 0, None, failure))
    return None


def _claim() -> Delivery | None:
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CLAIM, {"each": AT_ONCE_EACH, "now": now, "until": now + LEASE})
        found = cursor.fetchone()
    if found is None:
        return None
    return Delivery.objects.select_related("endpoint", "entry").get(pk=found[0])


def _keep_body(delivery: Delivery) -> str:
    with connection.cursor() as cursor:
        cursor.execute(KEEP_BODY, [outbox.body_of(delivery), delivery.pk])
        kept: str = cursor.fetchone()[0]
    return kept


def carry(parcel: Parcel) -> Outcome:
    """The POST. Runs in a thread of its own and never touches the database."""
    at = timezone.now()
    start = time.monotonic()
    status: int | None = None
    error = answer = ""
    rest = timedelta(0)
    try:
        headers = messages.headers(parcel.secret, parcel.message_id, parcel.body, at=at)
        answered = outbound.post(parcel.endpoint.url, parcel.body, headers)
    except (outbound.TargetRefused, outbound.NoAnswer) as problem:
        error = str(problem)
    except Exception as problem:
        logger.exception("The message %s could not be sent", parcel.message_id)
        error = f"The message could not be sent: {type(problem).__name__}."
    else:
        status, answer = answered.status, answered.excerpt
        error = "" if answered.is_good else _in_words(status)
        rest = answered.retry_after if status in (429, 503) else rest
    return Outcome(at, round((time.monotonic() - start) * 1000), status, error, answer, rest)


def _in_words(status: int) -> str:
    if 300 <= status < 400:
        return f"It answered {status}: redirects are not followed. Give the address it leads to."
    if status == GONE:
        return "It answered 410 Gone: it wants no more messages."
    return f"It answered {status}."


@transaction.atomic
def conclude(parcel: Parcel, outcome: Outcome) -> None:
    """Write down how a try went, unless the row is no longer ours: then somebody else tries."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(pk=parcel.endpoint.pk)
    ours = Delivery.objects.filter(pk=parcel.delivery, leased_until=parcel.token)
    delivery = ours.select_for_update().first()
    if delivery is None:
        return
    now = timezone.now()
    gone = outcome.status == GONE and endpoint.kind == EndpointKind.WEBHOOK
    delivery.leased_until = None
    delivery.last_status = outcome.status
    delivery.last_error = outcome.error
    delivery.last_answer = outcome.answer
    delivery.tries = [*delivery.tries[-29:], _line(outcome)]
    if not outcome.error:
        delivery.state, delivery.closed_at = DeliveryState.DELIVERED, now
    elif gone or is_given_up(delivery, now) or endpoint.state != EndpointState.ACTIVE:
        delivery.state, delivery.closed_at = DeliveryState.DEAD, now
    else:
        delivery.next_at = now + max(_patience(delivery.attempts), outcome.rest)
    delivery.save()
    _remember(endpoint, outcome, now)
    ring(f"endpoint.{endpoint.pk}")
    if gone and endpoint.is_active:
        endpoints.give_up(endpoint, reason=outcome.error)


def is_given_up(delivery: Delivery, now: datetime) -> bool:
    """Whether this was the last try: of a day's, or for an AAP instance of the seven days it is promised."""
    if delivery.endpoint.kind == EndpointKind.AAP:
        return now + BACKOFF[-1] > delivery.created_at + AAP_TRIED_FOR
    return delivery.attempts > len(BACKOFF)


def _line(outcome: Outcome) -> dict[str, object]:
    return {
        "at": messages.moment(outcome.at),
        "ms": outcome.ms,
        "status": outcome.status,
        "error": outcome.error,
    }


def _patience(attempts: int) -> timedelta:
    """Spread by a tenth to both sides, so that what failed together does not come back together."""
    return BACKOFF[min(attempts, len(BACKOFF)) - 1] * random.uniform(0.9, 1.1)


def _remember(endpoint: Endpoint, outcome: Outcome, now: datetime) -> None:
    """How the endpoint is doing: while it fails it rests, longer each time, up to a minute."""
    if outcome.error:
        endpoint.failures += 1
        rest = min(2 ** min(endpoint.failures - 1, 10), LONGEST_REST)
        endpoint.rests_until = now + timedelta(seconds=rest)
    elif endpoint.failures:
        endpoint.failures, endpoint.rests_until = 0, None
    else:
        return
    endpoint.save(update_fields=["failures", "rests_until"])
