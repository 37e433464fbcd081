"""`manage.py record grant`, `anchor` and `continue`: what somebody at the machine can do."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from dashboard.embedded.postgres import APPLICATION
from tests.audit.test_anchors import signed
from tests.audit.test_roles import as_application as as_application

pytestmark = pytest.mark.django_db


def record(*words: str) -> str:
    said = StringIO()
    call_command("record", *words, stdout=said)
    return said.getvalue()


def test_grant_prints_what_it_would_do() -> None:
    said = record("grant", "--role", APPLICATION, "--print")

    assert f'grant select, insert on table public."audit_line" to "{APPLICATION}";' in said
    assert f'revoke all on table public."audit_line" from "{APPLICATION}";' in said


def test_grant_lets_another_role_run_watchfloor() -> None:
    with connection.cursor() as cursor:
        cursor.execute("create role another_app")

        assert "another_app can run Watchfloor now" in record("grant", "--role", "another_app")

        cursor.execute("select has_table_privilege('another_app', 'audit_line', 'insert, delete')")
        assert cursor.fetchone() == (True,)
        cursor.execute("select has_table_privilege('another_app', 'audit_line', 'delete')")
        assert cursor.fetchone() == (False,)


def test_only_the_owner_grants(as_application: None) -> None:
    with pytest.raises(CommandError, match="Only the owner"):
        record("grant", "--role", "anybody")


def test_an_unknown_role_gives_a_sentence() -> None:
    with pytest.raises(CommandError, match="nobody_here could not be granted this"):
        record("grant", "--role", "nobody_here")


def test_anchor_says_how_every_place_stands(settings: Settings, tmp_path: Path) -> None:
    signed(2)
    assert "Nobody outside keeps checkpoints" in record("anchor")
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "anchors")

    assert f"fresh        File {tmp_path / 'anchors'}: 2 entries" in record("anchor")
    assert "it could rewrite the record" in record("status")


def test_continue_asks_for_a_halt() -> None:
    signed(1)

    with pytest.raises(CommandError, match="does not stand still"):
        record("continue", "--reason", "so")
