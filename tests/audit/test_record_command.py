"""`manage.py record …`"""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import log
from audit.models import Entry

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("record", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def written() -> None:
    Entry.objects.bulk_create(Entry(kind="test.line", actor="clock", about="x") for _ in range(3))


def test_it_sequences_and_says_how_the_log_stands(written: None) -> None:
    assert "size     0\n" in run("status")
    assert run("sequence") == "3 sequenced.\n"

    told = run("status")
    assert "size     3\n" in told
    assert "waiting  0\n" in told
    assert "halted   no\n" in told
    assert log.vkey() in told


def test_it_checks(written: None) -> None:
    run("sequence")
    assert run("check") == "Nothing is wrong with 3 leaves.\n"

    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update audit_line set kind = 'x.y'")
        cursor.execute("set local session_replication_role = origin")

    with pytest.raises(CommandError, match="Problems: 3"):
        run("check")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("record", "check", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert [problem["kind"] for problem in told["problems"]] == ["line_changed"] * 3


def test_it_rotates_the_key(written: None) -> None:
    before = log.vkey()

    assert run("rotate-key").strip() == log.vkey() != before
    entry = Entry.objects.get(kind="log.key_rotated")
    assert (entry.actor, entry.source["channel"]) == ("command", "command")
    with pytest.raises(CommandError, match="next checkpoint"):
        run("rotate-key")
