"""A receiver that asks to be left alone for a while is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest
from django.utils import timezone

from audit import outbox, sending
from audit.models import Delivery, Endpoint
from audit.outbound import wanted_rest

from .receiver import Receiver


@pytest.mark.parametrize(("status", "rests"), [(503, True), (429, True), (500, False)])
def test_retry_after_is_respected(
    hook: Endpoint, receiver: Receiver, status: int, rests: bool
) -> None:
    def busy(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Retry-After", "900")
        request.end_headers()

    receiver.reply = busy
    outbox.enqueue(hook, "hold.opened", {})

    sending.send_due()

    next_at = Delivery.objects.get().next_at
    assert next_at is not None
    assert (next_at - timezone.now() > timedelta(minutes=14)) is rests


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("5", 5), ("-5", 0), ("soon", 0), ("99999999999", 0), ("999999", 86400)],
)
def test_what_cannot_be_meant_is_no_rest(text: str, seconds: int) -> None:
    assert wanted_rest(text) == timedelta(seconds=seconds)


def test_a_date_is_a_rest_too() -> None:
    later = datetime.now(UTC) + timedelta(minutes=5)

    assert (
        timedelta(minutes=4)
        < wanted_rest(format_datetime(later, usegmt=True))
        <= timedelta(minutes=5)
    )
