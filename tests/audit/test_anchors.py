"""Checkpoints kept outside: a file, webhooks and a witness; and what happens when one of them knows better."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import Settings

from audit import anchor_file, anchors, check, keys, log, sending, sequencing
from audit.errors import Conflict, Invalid
from audit.models import Anchor, Delivery, Entry, Log
from audit.rules import notes
from audit.transitions import anchoring
from audit.transitions import endpoint as endpoints
from people.models import Person, Role
from people.transitions import person as people
from tests.audit.receiver import Receiver
from tests.audit.test_sequencing import rewritten, write
from tests.audit.witnessing import Witness, witnessing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def begun_anew() -> None:
    anchors.forget_what_was_asked()


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "anchors")
    return tmp_path / "anchors"


@pytest.fixture
def witness(home: Settings) -> Iterator[Witness]:
    with witnessing() as found:
        found.log_keys = [notes.verifier(log.vkey())]
        home.WATCHFLOOR_WITNESSES = found.setting
        yield found


@pytest.fixture
def root(db: None) -> Person:
    return people.create("root", role=Role.ADMIN, by="test")


def publish(after: timedelta = timedelta(0)) -> int:
    return anchoring.publish(timezone.now() + after)


def signed(count: int) -> int:
    """So many more entries, and a checkpoint over all."""
    write(count)
    sequencing.sequence_all()
    return log.size()


LATER = timedelta(minutes=2)


def cut_to(size: int) -> None:
    """The database becomes what it was at `size` entries, as when an older backup is restored."""
    from audit.sequencing import edge_of

    rewritten(f"delete from audit_checkpoint where size > {size}")
    rewritten("delete from audit_pending")
    rewritten(
        "delete from audit_payload where id >"
        f" (select line from audit_leaf where index = {size} - 1)"
    )
    rewritten(
        f"delete from audit_line where id > (select line from audit_leaf where index = {size} - 1)"
    )
    rewritten(f"delete from audit_leaf where index >= {size}")
    rewritten(
        f"update audit_tile set hashes = substr(hashes, 1, 32 * least(256, {size} - index * 256)::int)"
        " where level = 0"
    )
    rewritten(f"delete from audit_anchor where size > {size}")
    assert edge_of(size).root == bytes(log.latest().root)  # type: ignore[union-attr]


# -- the file ----------------------------------------------------------------------------------------


def test_every_checkpoint_that_is_due_is_added_to_the_file(file: Path) -> None:
    signed(3)
    assert publish() == 1
    assert publish(LATER) == 0, "nothing new"
    size = signed(2)
    assert publish() == 0, "not yet"

    assert publish(LATER) == 1

    kept = anchor_file.last(file)
    assert kept is not None
    assert kept.size == size
    assert kept.note == log.latest().note  # type: ignore[union-attr]
    assert file.read_text().count(log.origin() + "\n") == 2
    assert file.stat().st_mode & 0o077 == 0
    notes.opened(kept.note, notes.verifier(log.vkey()))


def test_a_note_torn_by_a_crash_is_passed_over(file: Path) -> None:
    signed(1)
    publish()
    whole = anchor_file.last(file)
    with file.open("a") as torn:
        torn.write("example.org/record\n7\nAAAA")

    assert anchor_file.last(file) == whole
    signed(1)
    publish(LATER)

    assert anchor_file.last(file).size == log.size()  # type: ignore[union-attr]


@pytest.mark.parametrize("size", ["²", "٣", "9" * 5_000, "-1"])
def test_a_note_of_no_size_is_passed_over(file: Path, size: str) -> None:
    signed(5)
    publish()
    whole = anchor_file.last(file)
    assert whole is not None
    with file.open("a") as tampered:
        tampered.write(whole.note.replace("\n5\n", f"\n{size}\n") + "\n")

    assert anchor_file.last(file) == whole
    assert signed(1) == 6


def test_what_is_added_behind_the_last_note_does_not_hide_it(file: Path) -> None:
    signed(5)
    publish()
    whole = anchor_file.last(file)
    with file.open("a") as tampered:
        tampered.write("nothing\n\n" * 20_000)

    assert whole is not None
    assert anchor_file.last(file) == whole


def test_tiles_that_are_gone_halt_the_log_where_the_file_asks_for_them(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signed(257)
    publish()
    signed(300)
    rewritten("update audit_tile set hashes = '' where level = 0 and index = 1")

    assert signed(1) == 557
    assert "does not continue" in Log.objects.get().halted_reason


def test_the_newest_note_of_a_long_file_is_found_at_its_end(file: Path) -> None:
    signed(1)
    note = log.latest().note  # type: ignore[union-attr]
    file.write_text(f"{note}\n" * 1000)

    assert anchor_file.last(file).note == note  # type: ignore[union-attr]


def test_a_file_that_cannot_be_written_calls_somebody_after_three_tries(
    settings: Settings, tmp_path: Path
) -> None:
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "nowhere" / "anchors")
    signed(1)

    for minutes in (0, 2, 4):
        assert not Entry.objects.filter(kind="anchor.failed").exists()
        publish(timedelta(minutes=minutes))

    (entry,) = Entry.objects.filter(kind="anchor.failed")
    assert "No such file or directory" in entry.summary
    (place,) = anchors.standing().places
    assert place.state == "failing"
    assert not place.is_well
    (tmp_path / "nowhere").mkdir()
    publish(timedelta(minutes=9))
    assert Entry.objects.filter(kind="anchor.recovered").count() == 1
    assert anchors.standing().is_well


def test_an_older_backup_halts_the_log_before_anything_is_signed(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signed(4)
    signed(6)
    publish()
    before = log.size()
    cut_to(4)
    write(1)

    with caplog.at_level(logging.CRITICAL):
        assert sequencing.sequence() == 0

    assert log.size() == 4
    assert f"keeps a checkpoint of {before} entries; here are only 4" in halted()
    assert sequencing.sequence() == 0, "it stays so"


def test_another_history_of_the_same_length_halts_it_too(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signed(4)
    signed(2)
    publish()
    cut_to(4)
    file_was = file.read_bytes()
    file.unlink()
    signed(5)
    file.write_bytes(file_was)
    write(1)

    with caplog.at_level(logging.CRITICAL):
        sequencing.sequence()

    assert "keeps 6 entries of a record that this one does not continue" in halted()


def test_another_records_file_halts_it(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    signed(1)
    publish()
    file.write_text(file.read_text().replace(log.origin(), "elsewhere.example/record"))
    write(1)

    with caplog.at_level(logging.CRITICAL):
        sequencing.sequence()

    assert "keeps another record, elsewhere.example/record" in halted()


def halted() -> str:
    return Log.objects.get().halted_reason


# -- going on ----------------------------------------------------------------------------------------


@pytest.fixture
def fork(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file knows 10 entries, the database has 4, and the log halts."""
    signed(4)
    signed(6)
    publish()
    cut_to(4)
    write(1)
    with caplog.at_level(logging.CRITICAL):
        sequencing.sequence()
    anchoring.take_turn()


def test_a_halt_is_written_down_once_and_shown(fork: None) -> None:
    anchoring.take_turn()

    (entry,) = Entry.objects.filter(kind="log.halted")
    assert "here are only 4" in entry.summary
    assert anchors.standing().halted_at is not None
    assert not anchors.standing().is_well


def test_an_admin_lets_it_go_on_and_the_record_says_what_it_does_not_continue(
    fork: None, file: Path, root: Person
) -> None:
    anchoring.resume(by=root, reason="Restored the backup of Friday; Saturday is lost.")
    sequencing.sequence_all()

    entry = Entry.objects.get(kind="log.continued")
    (lost,) = entry.data["not_continued"]
    assert (lost["where"], lost["size"]) == (str(file), 10)
    assert len(lost["root"]) == 64
    assert entry.data["reason"].startswith("Restored")
    assert log.size() > 4
    assert Log.objects.get().halted_at is None
    publish(LATER)
    assert anchor_file.last(file).size == log.size()  # type: ignore[union-attr]
    assert signed(1) > 4
    assert check.check() == []


def test_going_on_takes_an_admin_a_reason_and_a_halt(
    fork: None, root: Person, otto: Person, iris: Person
) -> None:
    for person in (otto, iris):
        with pytest.raises(PermissionDenied):
            anchoring.resume(by=person, reason="so")
    with pytest.raises(Invalid, match="Say why"):
        anchoring.resume(by=root, reason=" ")
    anchoring.resume(by=root, reason="so")
    with pytest.raises(Conflict, match="does not stand still"):
        anchoring.resume(by=root, reason="so")


# -- webhooks ----------------------------------------------------------------------------------------


def test_webhooks_of_the_house_are_told_of_checkpoints_now_and_then(
    receiver: Receiver, otto: Person
) -> None:
    endpoint, secret = endpoints.create(
        url=receiver.url, team="", events=["checkpoint.published"], by=otto
    )
    signed(2)
    publish()
    signed(2)
    publish(LATER)
    assert Delivery.objects.filter(endpoint=endpoint).count() == 1, "one in ten minutes"
    publish(timedelta(minutes=11))

    sending.send_due()

    first, second = receiver.verified(secret)
    assert first["type"] == "checkpoint.published"
    assert second["data"]["size"] == log.size()
    opened = notes.opened(second["data"]["note"], notes.verifier(second["data"]["vkey"]))
    assert notes.parse_checkpoint(opened.text).size == log.size()


# -- a witness ---------------------------------------------------------------------------------------


def test_a_witness_cosigns_what_continues_what_it_saw(witness: Witness) -> None:
    signed(3)
    publish()
    size = signed(600)

    publish(LATER)

    assert witness.size == size
    assert witness.answers == [200, 200]
    kept = Anchor.objects.first()
    assert kept is not None
    assert (kept.state, kept.size) == ("kept", size)
    assert kept.cosignature.startswith(f"\u2014 {witness.name} ")
    assert anchors.standing().is_well


def test_it_may_know_better_what_it_signed_last(witness: Witness) -> None:
    signed(3)
    publish()
    signed(3)
    publish(LATER)
    rewritten("delete from audit_anchor where size > 5 or size < 5")
    signed(3)

    publish(2 * LATER)

    assert witness.answers == [200, 200, 409, 200]
    assert witness.size == log.size()


@pytest.mark.parametrize("size", [4, 12])
def test_a_witness_that_saw_another_record_halts_the_log(
    witness: Witness, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    signed(4)
    publish()
    witness.size = size
    witness.root = b"r" * 32
    signed(4)

    with caplog.at_level(logging.CRITICAL):
        publish(LATER)

    assert "has seen" in halted()
    (place,) = anchors.standing().places
    assert place.state == "inconsistent"
    assert Entry.objects.filter(kind="anchor.failed").count() == 1
    write(1)
    assert sequencing.sequence() == 0


def test_after_an_older_backup_the_witness_is_asked_before_anything_is_signed(
    witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    signed(4)
    publish()
    signed(4)
    publish(LATER)
    cut_to(4)
    anchors.forget_what_was_asked()  # as a process that has just begun
    write(2)

    with caplog.at_level(logging.CRITICAL):
        assert sequencing.sequence() == 0

    assert "has seen 8 entries of this record; here are only 4" in halted()
    assert log.size() == 4


def test_what_a_witness_knows_is_accepted_by_an_admin_and_halts_no_more(
    witness: Witness, root: Person, caplog: pytest.LogCaptureFixture
) -> None:
    signed(4)
    publish()
    witness.size, witness.root = 50, b"r" * 32
    signed(1)
    with caplog.at_level(logging.CRITICAL):
        publish(LATER)

        anchoring.resume(by=root, reason="We know")

    assert signed(2) > 5
    publish(2 * LATER)
    assert Log.objects.get().halted_at is None
    assert anchors.standing().places[0].state == "accepted"
    assert Entry.objects.get(kind="log.continued").data["not_continued"][0]["size"] == 50


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "does not know the key"),
        (404, "does not know this record"),
        (500, "answered 500"),
        (200, "has no cosignature of"),
        (409, "without the size it knows"),
    ],
)
def test_an_answer_that_is_no_cosignature_is_a_failure_and_no_fork(
    witness: Witness, status: int, sentence: str
) -> None:
    witness.broken = (status, "nothing of use")
    signed(1)

    publish()

    found = Anchor.objects.get()
    assert found.state == "failed"
    assert sentence in found.error
    assert Log.objects.get().halted_at is None


def test_a_forged_cosignature_is_not_kept(witness: Witness) -> None:
    signed(1)
    forged = witness.cosign("another\n1\nrecord\n")
    witness.broken = (200, forged)

    publish()

    found = Anchor.objects.get()
    assert (found.state, found.cosignature) == ("failed", "")
    assert "is not our checkpoint" in found.error


def test_a_witness_that_is_away_is_said_so_and_stops_nothing(
    home: Settings, tmp_path: Path
) -> None:
    with witnessing() as gone:
        home.WATCHFLOOR_WITNESSES = gone.setting
    signed(1)

    publish()

    assert Anchor.objects.get().state == "failed"
    assert signed(1) == 2


def test_after_a_new_key_the_witness_still_knows_the_old_one(witness: Witness) -> None:
    signed(2)
    publish()
    keys.rotate(by="test")
    signed(1)

    publish(LATER)

    assert witness.answers == [200, 200], "the next checkpoint is signed by both"


def test_an_anchor_grows_old(file: Path, settings: Settings) -> None:
    signed(1)
    publish()
    signed(1)
    settings.WATCHFLOOR_ANCHOR_OLD = timedelta(minutes=30)

    assert anchors.standing().is_well
    (place,) = anchors.standing(timezone.now() + timedelta(minutes=31)).places
    assert (place.state, place.behind) == ("old", 1)


def test_without_any_place_the_record_is_not_anchored() -> None:
    assert not anchors.standing().is_anchored
    assert anchors.standing().is_well
