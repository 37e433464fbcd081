"""Checkpoints go out, and what comes of it is kept; a log that halted goes on when an admin says so."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils import timezone

from audit import allowing, anchors, keys, log, sequencing
from audit.anchors import FAILING, Outcome, Place
from audit.bell import ring
from audit.errors import Conflict
from audit.models import Anchor, AnchorState, Checkpoint, Entry, Log
from audit.record import record
from audit.rules.merkle import EMPTY
from audit.signals import HOUSE

if TYPE_CHECKING:
    from people.models import Person

LOCK = (0x7761_7463, 0x616E_6368)


@transaction.atomic
def publish(now: datetime) -> int:
    """Send the newest checkpoint to every place that is due; to how many. One at a time; twice is harmless."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", LOCK)
        if not cursor.fetchone()[0]:
            return 0
    latest = log.latest()
    if latest is None:
        return 0
    due = [place for place in anchors.places() if _is_due(place, latest, now)]
    for place in due:
        outcome = anchors.keep(place, latest)
        _write_down(place, outcome)
    if due:
        ring("record")
    return len(due)


def _is_due(place: Place, latest: Checkpoint, now: datetime) -> bool:
    last = place.last()
    if last is None:
        return True
    if last.state == AnchorState.KEPT and (last.size, bytes(last.root)) == (
        latest.size,
        bytes(latest.root),
    ):
        return False
    before = max(last.at, place.asked_at or last.at)
    return now - before >= place.every


def _write_down(place: Place, outcome: Outcome) -> None:
    before = place.last()
    failed = anchors.failures(place)
    is_accepted = before is not None and before.state == AnchorState.ACCEPTED
    if outcome.state == AnchorState.INCONSISTENT and is_accepted:
        return  # somebody has said so openly already
    Anchor.objects.create(
        kind=place.kind,
        where=place.where,
        state=outcome.state,
        size=outcome.size,
        root=outcome.root,
        cosignature=outcome.cosignature,
        error=outcome.error,
    )
    was_inconsistent = before is not None and before.state == AnchorState.INCONSISTENT
    if outcome.state == AnchorState.INCONSISTENT:
        sequencing.halt(outcome.error)
        if not was_inconsistent:
            _tell("anchor.failed", place, outcome)
    elif outcome.state == AnchorState.FAILED and failed + 1 == FAILING:
        _tell("anchor.failed", place, outcome)
    elif outcome.state == AnchorState.KEPT and (was_inconsistent or failed >= FAILING):
        _tell("anchor.recovered", place, outcome)


def _tell(kind: str, place: Place, outcome: Outcome) -> None:
    facts = {"kind": place.kind.value, "where": place.where, "size": outcome.size}
    record(kind, actor="clock", about=HOUSE, summary=outcome.error, data=facts)


@transaction.atomic
def tell_of_halt() -> bool:
    """Write down once that the log stands still. Twice is harmless."""
    halted = Log.objects.exclude(halted_at=None).select_for_update().first()
    if halted is None or halted.halted_at is None:
        return False
    if Entry.objects.filter(kind="log.halted", at__gte=halted.halted_at).exists():
        return False
    record(
        "log.halted",
        actor="clock",
        about=HOUSE,
        summary=halted.halted_reason,
        data={"size": log.size()},
    )
    ring("record")
    return True


@transaction.atomic
def resume(*, by: Person | str, reason: str) -> list[anchors.Contradiction]:
    """Let the log go on although somebody outside keeps another one; the entry says openly which.

    Their checkpoints are accepted as what is not continued: they halt it no more, but stay visible.
    """
    allowing.check("retention", by, "")
    reason = allowing.said(reason)
    keys.lock()
    halted = Log.objects.select_for_update().first()
    if halted is None or halted.halted_at is None:
        raise Conflict("The log does not stand still.")
    last = log.latest()
    size, root = (last.size, bytes(last.root)) if last else (0, EMPTY)
    found = anchors.contradictions(size, root)
    for one in found:
        Anchor.objects.create(
            kind=one.place.kind,
            where=one.place.where,
            state=AnchorState.ACCEPTED,
            size=one.size,
            root=one.root,
            error=one.sentence,
        )
    record(
        "log.continued",
        actor=by,
        about=HOUSE,
        summary=halted.halted_reason,
        data={
            "reason": reason,
            "size": size,
            "not_continued": [
                {"where": one.place.where, "size": one.size, "root": one.root.hex()}
                for one in found
            ],
        },
        before={"halted_at": halted.halted_at.isoformat()},
    )
    Log.objects.update(halted_at=None, halted_reason="")
    return found


def take_turn(now: datetime | None = None) -> None:
    """All of it. Twice is harmless, missed is found next time."""
    publish(now or timezone.now())
    tell_of_halt()
