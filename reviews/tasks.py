"""The clock: holds whose time is over. Twice is harmless, missed is found next time."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from .models import Hold
from .transitions import hold as holds

AT_ONCE = 200


@shared_task
def sweep() -> None:
    """Expire what nobody answered in time."""
    for hold in Hold.objects.due(timezone.now()).order_by("expires_at")[:AT_ONCE]:
        holds.expire(hold)
