"""The clock: holds whose time is over. Twice is harmless, missed is found next time."""

from __future__ import annotations

import threading

from celery import shared_task
from django.utils import timezone

from .alerting import due, sending
from .models import Hold
from .transitions import hold as holds

AT_ONCE = 200

_sending = threading.Lock()
_watching = threading.Lock()


@shared_task
def sweep() -> None:
    """Remind of what waits long, expire or escalate what nobody answered in time."""
    now = timezone.now()
    for hold in Hold.objects.to_remind(now).order_by("remind_at")[:AT_ONCE]:
        holds.remind(hold)
    for hold in Hold.objects.due(now).order_by("expires_at")[:AT_ONCE]:
        holds.expire(hold)


@shared_task
def notify() -> None:
    """Send what is due. One sender a process: it has threads of its own, and other tasks need the rest."""
    if _sending.acquire(blocking=False):
        try:
            sending.send_due()
        finally:
            _sending.release()


@shared_task
def watch() -> None:
    """Say again what nobody acknowledged, and find what no signal tells of."""
    if _watching.acquire(blocking=False):
        try:
            due.watch()
        finally:
            _watching.release()


@shared_task
def forget() -> None:
    """Remove messages that are old; renew seals of a former SECRET_KEY."""
    due.forget()
