"""The clock: what is due goes out, what is old goes away. Twice is harmless, missed is found next time."""

from __future__ import annotations

import contextlib
import threading

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

from . import checking, keys, sequencing, source
from .constants import Constant
from .models import Delivery, DeliveryState, Endpoint, EndpointState
from .models.outbox import DEAD_KEPT_FOR, KEPT_FOR
from .sealed import CannotUnseal
from .sending import send_due
from .text import index_all
from .transitions import anchoring, expiry
from .transitions.endpoint import bury

AT_ONCE = 1000
PENDING = Constant(DeliveryState.PENDING)

_sending = threading.Lock()


@shared_task
def send() -> None:
    """Send what is due. One sender a process: it has threads of its own, and other tasks need the rest."""
    if _sending.acquire(blocking=False):
        try:
            send_due()
        finally:
            _sending.release()


@shared_task
def sequence() -> None:
    """Give waiting lines their place in the log, until none waits."""
    sequencing.sequence_all()
    index_all()


@shared_task
def anchor() -> None:
    """Have the newest checkpoint kept outside, where it is due, and say so when that fails."""
    with source.of("clock"):
        anchoring.take_turn()


@shared_task
def check() -> None:
    """Compute everything in the record again."""
    with source.of("clock"):
        checking.take_turn()


@shared_task
def expire() -> None:
    """Room for the months to come; what is older than it must be kept goes away."""
    with source.of("clock"):
        expiry.take_turn(timezone.now())


@shared_task
def forget() -> None:
    """Remove what is old and what belongs to deleted endpoints; renew seals of a former SECRET_KEY."""
    now = timezone.now()
    over = Delivery.objects.exclude(state=PENDING)
    _clear(over.filter(state=DeliveryState.DELIVERED, closed_at__lt=now - KEPT_FOR))
    _clear(over.filter(closed_at__lt=now - DEAD_KEPT_FOR))
    for endpoint in Endpoint.objects.exclude(state=EndpointState.ACTIVE):
        bury(endpoint)
        if endpoint.state == EndpointState.DELETED:
            _clear(endpoint.deliveries.filter(leased_until=None))
    for endpoint in Endpoint.objects.filter(state=EndpointState.DELETED, deliveries=None):
        endpoint.delete()
    for endpoint in Endpoint.objects.iterator():
        _renew_seal(endpoint)
    with contextlib.suppress(CannotUnseal):  # sequencing says so
        keys.renew_seals()


def _clear(old: QuerySet[Delivery]) -> None:
    while some := list(old.values_list("pk", flat=True)[:AT_ONCE]):
        Delivery.objects.filter(pk__in=some).delete()


def _renew_seal(endpoint: Endpoint) -> None:
    before = endpoint.secret
    with contextlib.suppress(CannotUnseal):  # sending says so where people see it
        if endpoint.renew_seal():
            same = Endpoint.objects.filter(pk=endpoint.pk, secret=before)
            same.update(secret=endpoint.secret)
