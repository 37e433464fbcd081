"""The clock: find what is due and call a verb. Twice is harmless, missed is found next time."""

from __future__ import annotations

from celery import shared_task
from django.db import connection
from django.utils import timezone

from .models import Action, Breaker, BreakerState
from .transitions import aap, instance, probation
from .transitions import action as actions

AT_ONCE = 200
KEEP_NARROW_S = 2 * 24 * 3600
KEEP_WIDE_S = 400 * 24 * 3600


@shared_task
def sweep() -> None:
    """Outcomes that never came, probation that is over, AAP requests that are due, what nobody needs any more."""
    for action in Action.objects.overdue().order_by("lease_until")[:AT_ONCE]:
        actions.lose(action)
    due = Breaker.objects.filter(state=BreakerState.HALF_OPEN, probation_until__lte=timezone.now())
    for breaker in due.order_by("probation_until")[:AT_ONCE]:
        probation.end(breaker)
    aap.sweep(AT_ONCE)
    instance.forget_credentials()
    forget_buckets()


def forget_buckets() -> None:
    with connection.cursor() as cursor:
        for width, keep in ((10, KEEP_NARROW_S), (3600, KEEP_WIDE_S)):
            cursor.execute(
                """delete from agents_bucket where (owner, width, slot) in (
                     select owner, width, slot from agents_bucket
                      where width = %s and slot < floor(extract(epoch from now()) - %s) / %s
                      limit 1000)""",
                [width, keep, width],
            )
