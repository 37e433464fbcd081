"""Somebody is called when the record stands still, or when nobody outside keeps it."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from audit import sequencing
from audit.transitions import anchoring
from reviews.alerting import due
from reviews.models import Alert
from tests.audit.test_anchors import cut_to, signed

pytestmark = pytest.mark.django_db


def test_a_place_that_fails_calls_somebody_until_it_is_well(
    settings: Settings, tmp_path: Path
) -> None:
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "nowhere" / "anchors")
    signed(1)
    due.watch()
    assert not Alert.objects.exists()
    for minutes in (0, 2, 4):
        anchoring.publish(timezone.now() + timedelta(minutes=minutes))

    due.watch()
    due.watch()

    alert = Alert.objects.get(kind="record")
    assert (alert.state, alert.severity, alert.count) == ("firing", "critical", 1)
    assert "No such file" in alert.text
    assert alert.link == "/record/proof/"
    (tmp_path / "nowhere").mkdir()
    anchoring.publish(timezone.now() + timedelta(minutes=6))
    due.watch()
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_a_log_that_halts_calls_somebody(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "anchors")
    signed(2)
    signed(3)
    anchoring.publish(timezone.now())
    cut_to(2)
    with caplog.at_level(logging.CRITICAL):
        signed(1)

    due.watch()

    alert = Alert.objects.get(kind="record")
    assert alert.title == "The record’s log stands still"
    assert "here are only 2" in alert.text
    anchoring.resume(by="command", reason="An older backup was restored.")
    sequencing.sequence_all()
    due.watch()
    alert.refresh_from_db()
    assert alert.state == "resolved"
