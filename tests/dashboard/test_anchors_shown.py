"""The proof page says what is kept outside, how fresh it is, and raises the alarm where it is old or another."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import anchors
from audit.transitions import anchoring
from people.models import Person
from tests.audit.test_anchors import cut_to, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    anchors.forget_what_was_asked()
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "anchors")
    return tmp_path / "anchors"


def look(client: Client, iris: Person, address: str = "/record/proof/") -> str:
    client.force_login(iris)
    return " ".join(client.get(address).content.decode().split())


def test_nothing_kept_outside_is_said(client: Client, iris: Person) -> None:
    signed(1)

    assert "No checkpoint is kept outside" in look(client, iris)


def test_a_fresh_anchor_is_told_with_its_size(client: Client, iris: Person, file: Path) -> None:
    size = signed(3)
    anchoring.publish(timezone.now())

    page = look(client, iris)

    assert str(file) in page
    assert f"at {size}</span>" in page
    assert 'class="state runs">fresh' in page


def test_an_old_anchor_is_an_alarm_here_and_on_the_record(
    client: Client, iris: Person, file: Path, settings: Settings
) -> None:
    signed(1)
    anchoring.publish(timezone.now())
    settings.WATCHFLOOR_ANCHOR_OLD = timedelta(0)
    signed(1)

    for address in ("/record/proof/", "/record/"):
        assert "has kept no new checkpoint for too long" in look(client, iris, address)
    assert 'class="state stopped">old' in look(client, iris)


def test_an_anchor_that_knows_more_is_an_alarm(client: Client, iris: Person, file: Path) -> None:
    signed(2)
    older = signed(1)
    signed(4)
    anchoring.publish(timezone.now())
    cut_to(older)
    anchors.forget_what_was_asked()
    signed(1)  # refused: the log halts instead

    page = look(client, iris)

    assert "The log stands still" in page
    assert str(file) in page
