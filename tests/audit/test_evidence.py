"""A case or a period leaves the house, and whoever has it can prove it without us."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from agents.models import Agent, Run
from agents.transitions import agent as agents
from audit import keys, log, sequencing, signals
from audit.errors import Conflict, Invalid
from audit.evidence import finding, rows, scope
from audit.evidence.redacting import make_bundles_again
from audit.evidence.scope import Scope
from audit.models import Entry, Export, ExportState, Leaf
from audit.transitions import exporting
from people.models import Person
from reviews.models import Hold

from . import story

pytestmark = pytest.mark.django_db


def test_everything_ever_told_is_proved(tmp_path: Path) -> None:
    count = story.tell()

    report = story.looked_at(story.exported(tmp_path))

    assert report.problems == []
    assert report.facts["count"] == count
    assert "without a gap" in report.as_text()


def test_the_record_says_who_has_it(tmp_path: Path) -> None:
    count = story.tell()
    bundle = story.exported(tmp_path)

    entry = Entry.objects.filter(kind="record.exported").latest("pk")

    assert (entry.actor, entry.data["count"]) == ("command", count)
    assert entry.data["scope"] == json.loads(story.file(bundle, "manifest.json"))["about"]
    assert story.looked_at(story.exported(tmp_path)).facts["count"] == count + 1


def test_a_period_of_some_teams_is_proved_with_its_gaps(tmp_path: Path) -> None:
    story.tell(only="hold.")
    middle = datetime.now(UTC)
    count = story.tell(story.OTHER, only="hold.")
    story.tell(only="run.")
    end = datetime.now(UTC) + timedelta(days=1)

    of_other = Scope.of_period(middle - timedelta(days=1), end, teams=[story.OTHER])
    some = story.looked_at(story.exported(tmp_path, of_other))
    none = Scope.of_period(middle - timedelta(days=2), middle - timedelta(days=1))
    later = story.looked_at(story.exported(tmp_path, Scope.of_period(middle, end)))

    assert (some.problems, some.facts["count"]) == ([], count)
    assert story.looked_at(story.exported(tmp_path, none)).facts["count"] == 0
    assert later.problems == []
    assert later.facts["from"] > middle.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_in_a_large_log_a_period_is_found_by_halving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell(only="hold.")
    middle = datetime.now(UTC)
    count = story.tell(only="run.")
    monkeypatch.setattr(rows, "AT_ONCE", 3)
    monkeypatch.setattr(scope, "READ_WHOLE", 0)
    monkeypatch.setattr(scope, "SLACK", timedelta(0))
    last = log.latest()
    assert last is not None

    later = Scope.of_period(middle, middle + timedelta(days=1))

    assert later.stretch(last.size) == (last.size - count, last.size)
    assert later.count(last.size) == count
    assert story.looked_at(story.exported(tmp_path, later)).facts["count"] == count


@pytest.mark.parametrize("days", [-900, 900])
def test_an_entry_of_another_time_hides_none_of_a_period(
    monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    begin = datetime.now(UTC)
    story.tell(only="run.")
    facts = {"kind": "endpoint.resent", "actor": "clock", "about": "nothing"}
    Entry.objects.bulk_create(
        Entry(at=begin + timedelta(days=days), summary="elsewhen", **facts) for _ in range(60)
    )
    story.tell(only="run.")
    sequencing.sequence_all()
    monkeypatch.setattr(scope, "SLACK", timedelta(0))
    period = Scope.of_period(begin, begin + timedelta(days=1))
    size = log.size()
    whole = period.count(size)
    monkeypatch.setattr(scope, "READ_WHOLE", 0)

    assert period.count(size) == whole


def test_a_case_has_a_proof_of_each_entry(tmp_path: Path) -> None:
    story.tell()
    lines = list(Leaf.objects.filter(index__in=[3, 4, 17]).values_list("line", flat=True))
    case = Scope.of_case("018f", lines, ["agents.action:1"])

    bundle = story.exported(tmp_path, case)

    assert story.looked_at(bundle).problems == []
    assert story.file(bundle, "proofs/17.tlog-proof").startswith(
        "c2sp.org/tlog-proof@v1\nindex 17\n"
    )


def test_what_was_erased_is_proved_without_what_it_told(tmp_path: Path) -> None:
    story.tell(only="hold.")
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("delete from audit_payload where id = (select min(id) from audit_payload)")
        cursor.execute("set local session_replication_role = origin")

    bundle = story.exported(tmp_path)

    assert story.looked_at(bundle).problems == []
    assert story.looked_at(bundle).facts["erased"] == 1
    assert "What it told was erased." in story.file(bundle, "index.html")


def test_it_continues_the_checkpoint_that_somebody_kept(tmp_path: Path) -> None:
    story.tell(only="hold.")
    first = log.latest()
    assert first is not None
    keys.rotate(by="command")
    count = story.tell(only="run.")
    newest = Leaf.objects.count() - 1
    line = Leaf.objects.get(index=newest).line

    bundle = story.exported(tmp_path, Scope.of_case("x", [line], []), older=first.note)

    report = story.looked_at(bundle, checkpoints=[first.note])
    assert (report.problems, report.facts["continues"]) == ([], [first.size])
    assert count


def test_whoever_trusts_the_first_key_trusts_the_next(tmp_path: Path) -> None:
    from watchfloor.evidence import verify_bundle

    story.tell(only="hold.")
    first = log.vkey()
    keys.rotate(by="command")

    bundle = story.exported(tmp_path)

    assert log.vkey() != first
    assert verify_bundle(bundle, keys=[first]).proved


@pytest.mark.parametrize("older", ["nonsense", "elsewhere\n3\n{root}\n\n— a AAAAAAAA\n"])
def test_checkpoints_of_nobody_or_of_others_are_refused(tmp_path: Path, older: str) -> None:
    story.tell(only="hold.")
    root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    with pytest.raises(Invalid, match="This"):
        story.exported(tmp_path, older=older.format(root=root))


def test_a_checkpoint_that_knows_more_than_we_do_is_called_by_its_name(tmp_path: Path) -> None:
    story.tell(only="hold.")
    last = log.latest()
    assert last is not None
    longer = last.note.replace(f"\n{last.size}\n", f"\n{last.size + 9}\n")

    with pytest.raises(Invalid, match="its end was cut off"):
        story.exported(tmp_path, older=longer)


def test_before_anything_was_signed_nothing_is_exported(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="signed nothing"):
        story.exported(tmp_path)
    assert not Entry.objects.filter(kind="record.exported").exists()


# -- what people read -------------------------------------------------------------------------------


def test_the_page_is_escaped_and_hides_nothing(tmp_path: Path) -> None:
    story.tell()
    page = story.file(story.exported(tmp_path), "index.html")

    assert "<b>" not in page
    assert "<i>so" not in page
    assert "\u202e" not in page
    assert "⟦U+202E⟧" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")


def test_no_cell_of_the_table_is_a_formula(tmp_path: Path) -> None:
    story.tell()
    table = csv.reader(io.StringIO(story.file(story.exported(tmp_path), "entries.csv")))

    cells = [cell for row in table for cell in row]

    assert any(cell.startswith("Said") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_people_and_agents_are_named_beside_the_entries(
    tmp_path: Path, ada: Person, scout: Agent, run: Run
) -> None:
    sequencing.sequence_all()
    bundle = story.exported(tmp_path)

    assert json.loads(story.file(bundle, "people.json"))[str(ada.pk)] == "ada"
    assert ",ada," in story.file(bundle, "entries.csv")
    assert ",scout," in story.file(bundle, "entries.csv")
    assert not re.search(r"\bada\b", Leaf.objects.get(index=0).data)


# -- the command, and large ones in the background ---------------------------------------------------


def test_the_command_writes_a_period(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.tell(only="hold.")
    target = tmp_path / "bundle.zip"

    call_command("record", "export", str(target), "--from", "2020-01-01")

    assert story.looked_at(target).proved
    assert f"watchfloor verify {target} --key {log.vkey()}" in capsys.readouterr().out


def test_a_large_one_is_made_beside_requests_and_forgotten_after_a_week(iris: Person) -> None:
    sequencing.sequence_all()
    asked = exporting.ask(story.EVER, by=iris)

    assert exporting.make_waiting() == 1
    assert exporting.make_waiting() == 0

    made = Export.objects.get()
    assert (made.state, made.pk) == (ExportState.MADE, asked.pk)
    assert made.is_ready
    assert story.looked_at(made.path).proved
    assert Entry.objects.get(kind="record.exported").actor == iris.record_name
    Export.objects.update(created_at=datetime.now(UTC) - timedelta(days=8))
    exporting.forget_old()
    assert not made.path.exists()
    assert not Export.objects.exists()


def test_what_a_killed_worker_left_half_made_goes(
    iris: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    story.tell(only="hold.")
    made = exporting.ask(story.EVER, by=iris)
    exporting.make_waiting()
    part = made.path.with_suffix(".4711")
    part.write_text("what was told")
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-evidence-"))
    entries = folder / "entries.jsonl"
    entries.write_text("what was told")
    others = Path(tempfile.mkdtemp(prefix="other-"))

    exporting.forget_old()
    assert part.exists()
    assert entries.exists()
    long_ago = (timezone.now() - timedelta(hours=2)).timestamp()
    for path in (part, entries, folder, others, made.path):
        os.utime(path, (long_ago, long_ago))
    exporting.forget_old()

    assert not part.exists()
    assert not folder.exists()
    assert others.exists()
    assert made.path.exists()


def test_what_is_erased_goes_from_bundles_that_wait_to_be_fetched(
    iris: Person, django_capture_on_commit_callbacks: Any
) -> None:
    story.tell(only="hold.")
    asked = exporting.ask(story.EVER, by=iris)
    exporting.make_waiting()
    line = Leaf.objects.get(index=3).line
    before = timezone.now() - timedelta(days=9)
    other = exporting.ask(Scope.of_period(before, before + timedelta(days=1)), by=iris)
    exporting.make_waiting()

    def redact(really: bool) -> int:
        redaction = signals.Redaction(frozenset(), (line,), really=really)
        return make_bundles_again(redaction)["bundle"]

    assert redact(really=False) == 1
    assert asked.path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert redact(really=True) == 1

    assert not asked.path.exists()
    assert other.path.exists()
    assert exporting.make_waiting() == 1
    assert story.looked_at(asked.path).proved


def test_a_bundle_made_while_something_of_it_was_erased_reaches_nobody(
    iris: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell(only="hold.")
    asked = exporting.ask(story.EVER, by=iris)
    line = Leaf.objects.get(index=3).line
    real = exporting.export

    def slow(*args: Any, **more: Any) -> Any:
        made = real(*args, **more)
        make_bundles_again(signals.Redaction(frozenset(), (line,), really=True))
        monkeypatch.setattr(exporting, "export", real)
        return made

    monkeypatch.setattr(exporting, "export", slow)

    assert exporting.make_waiting() == 2
    assert story.looked_at(asked.path).proved
    assert Entry.objects.filter(kind="record.exported", actor=iris.record_name).count() == 2


def test_nobody_asks_for_more_than_is_being_made(iris: Person) -> None:
    sequencing.sequence_all()
    for _ in range(3):
        exporting.ask(story.EVER, by=iris)

    with pytest.raises(Conflict, match="still being made"):
        exporting.ask(story.EVER, by=iris)


def test_the_command_finds_a_case_by_its_action_or_hold(
    tmp_path: Path, scout: Agent, run: Run, ada: Person
) -> None:
    trip = agents.stop(scout, by=ada, reason="Looks odd.")
    sequencing.sequence_all()
    hold = finding.case(Hold.objects.get(trip=trip).pk)

    assert hold is not None
    call_command("record", "export", str(tmp_path / "b.zip"), "--case", str(Hold.objects.get().pk))
    assert story.looked_at(tmp_path / "b.zip").facts["count"] == len(hold.lines)
