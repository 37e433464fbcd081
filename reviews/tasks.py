"""The clock: holds whose time is over. Twice is harmless, missed is found next time."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from .models import Hold
from .transitions import hold as holds

AT_ONCE = 200


@shared_task
def sweep() -> None:
    """Remind of what waits long, expire or escalate what nobody answered in time."""
    now = timezone.now()
    for hold in Hold.objects.to_remind(now).order_by("remind_at")[:AT_ONCE]:
        holds.remind(hold)
    for hold in Hold.objects.due(now).order_by("expires_at")[:AT_ONCE]:
        holds.expire(hold)
