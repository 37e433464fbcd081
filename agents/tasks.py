"""The clock: find what is due and call a verb. Twice is harmless, missed is found next time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery import shared_task
from django.db import connection
from django.utils import timezone

from .models import Action, Breaker, BreakerState, Repricing
from .transitions import aap, habits, instance, lapsing, probation, schedule
from .transitions import action as actions
from .transitions import breaker as breakers
from .transitions import price as prices

logger = logging.getLogger(__name__)

AT_ONCE = 200
REPRICING_S = 10.0
KEEP_NARROW_S = 2 * 24 * 3600
KEEP_WIDE_S = 400 * 24 * 3600


@shared_task
def sweep() -> None:
    """Outcomes that never came, probation that is over, AAP requests that are due, what nobody needs any more."""
    for action in Action.objects.overdue().order_by("lease_until")[:AT_ONCE]:
        survived(actions.lose, action)
    for action in Action.objects.lapsed().order_by("expires_at")[:AT_ONCE]:
        survived(lapsing.lapse, action)
    for repricing in Repricing.objects.filter(finished_at=None).order_by("pk")[:AT_ONCE]:
        reprice.delay(repricing.pk)
    due = Breaker.objects.filter(state=BreakerState.HALF_OPEN, probation_until__lte=timezone.now())
    for breaker in due.order_by("probation_until")[:AT_ONCE]:
        survived(probation.end, breaker)
    rested = Breaker.objects.filter(disabled_until__lte=timezone.now())
    for breaker in rested.order_by("disabled_until")[:AT_ONCE]:
        survived(breakers.wake, breaker)
    for step in (schedule.sweep, habits.sweep, aap.sweep):
        survived(step, AT_ONCE)
    for forget in (instance.forget_credentials, forget_buckets, forget_permits):
        survived(forget)


def survived(step: Callable[..., Any], *of: Any) -> None:
    """What fails is logged, and tried again by the next sweep; everything after it goes on."""
    try:
        step(*of)
    except Exception:
        logger.exception("The sweep's %s failed for %s", step.__qualname__, of)


@shared_task
def reprice(pk: int) -> None:
    """Compute anew what a corrected price concerns, for a while; the next sweep goes on."""
    end = monotonic() + REPRICING_S
    while monotonic() < end and prices.step(pk):
        pass


def forget_buckets() -> None:
    with connection.cursor() as cursor:
        for width, keep in ((10, KEEP_NARROW_S), (3600, KEEP_WIDE_S)):
            cursor.execute(
                f"""delete from agents_bucket where (owner, width, slot) in (
                     select owner, width, slot from agents_bucket
                      where width = {width} and slot < floor(extract(epoch from now()) - %s) / {width}
                      limit 1000)""",
                [keep],
            )


def forget_permits() -> None:
    """Those that ended an hour ago, and how limits were used two days ago: no page looks so far back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """delete from agents_permit where id in (
                 select id from agents_permit where until < now() - interval '1 hour' limit 10000)"""
        )
        cursor.execute(
            """delete from agents_limituse where (limit_id, minute, agent_id) in (
                 select limit_id, minute, agent_id from agents_limituse
                  where minute < extract(epoch from now() - interval '2 days')::int / 60
                  limit 10000)"""
        )
