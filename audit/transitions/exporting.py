"""Evidence leaves the house: a bundle is made, and the record says who has it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import sequencing
from audit.errors import Conflict, Refused
from audit.evidence import writing
from audit.evidence.scope import Scope
from audit.evidence.writing import Written
from audit.ids import new_id
from audit.models import Export, ExportState
from audit.models.export import KEPT_FOR
from audit.record import record

if TYPE_CHECKING:
    from people.models import Person

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a bundle waits for lines to get their place in the log."""
MOST_WAITING = 3
GIVEN_UP_AFTER = timedelta(hours=1)
MAKING = "watchfloor-evidence-"
"""How folders begin in which bundles are made, among other programs' temporary files."""


@dataclass(frozen=True)
class Bundle:
    """The subject of the entry that tells of it."""

    teams: Sequence[str] | None
    pk: UUID = field(default_factory=new_id)

    @property
    def record_name(self) -> str:
        return f"audit.export:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": self.teams[0]} if self.teams and len(self.teams) == 1 else {}


def export(scope: Scope, target: Path, *, by: Person | str, name: str, older: str = "") -> Written:
    """Make a bundle as a zip at `target`, and record that `by` has it. Nobody gets what was not recorded.

    Raises Conflict while nothing was signed, Invalid for an `older` checkpoint that is none of this log.
    """
    sequencing.sequence_all(within=PATIENCE)
    with tempfile.TemporaryDirectory(prefix=MAKING) as made:
        folder = Path(made)
        written = writing.write(scope, folder, by=name, at=timezone.now(), older=older)
        _pack(folder, target)
    _record(scope, written, by)
    return written


@transaction.atomic
def _record(scope: Scope, written: Written, by: Person | str) -> None:
    record(
        "record.exported",
        actor=by,
        about=Bundle(scope.teams),
        summary=scope.title,
        data={
            "scope": scope.about,
            "count": written.count,
            "erased": written.erased,
            "size": written.size,
            "fingerprint": written.fingerprint,
        },
    )


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())


# -- in the background ------------------------------------------------------------------------------


@transaction.atomic
def ask(scope: Scope, *, by: Person, older: str = "") -> Export:
    """Have a large bundle made. Raises Conflict when enough wait already."""
    writing.check_older(older)
    waiting = Q(state=ExportState.WAITING) | Q(state=ExportState.MAKING)
    if Export.objects.filter(waiting, by=by.record_name).count() >= MOST_WAITING:
        raise Conflict("Your earlier exports are still being made. Wait for one of them.")
    asked = Export.objects.create(
        by=by.record_name, name=by.name, title=scope.title, about=scope.about, older=older
    )
    transaction.on_commit(hint, robust=True)
    return asked


def hint() -> None:
    """Tell a worker. It may be lost: the clock looks every minute."""
    from audit.evidence.tasks import make_exports

    try:
        make_exports.apply_async(expires=60, ignore_result=True, retry=False)
    except Exception as problem:  # each broker has errors of its own, and none of them matters here
        logger.warning("A worker could not be told of an export: %s", problem)


def make_waiting() -> int:
    """Make what waits, one after another. Returns how many."""
    made = 0
    while asked := _taken():
        _make(asked)
        made += 1
    return made


@transaction.atomic
def _taken() -> Export | None:
    now = timezone.now()
    forgotten = Q(state=ExportState.MAKING, begun_at__lt=now - GIVEN_UP_AFTER)
    waiting = Export.objects.filter(Q(state=ExportState.WAITING) | forgotten)
    asked = waiting.select_for_update(skip_locked=True).order_by("id").first()
    if asked is not None:
        asked.state, asked.begun_at = ExportState.MAKING, now
        asked.save(update_fields=["state", "begun_at"])
    return asked


def _make(asked: Export) -> None:
    """Make one. When something of it was erased meanwhile, it waits again: then nobody gets what was made."""
    scope = Scope.from_about(asked.about)
    asked.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = asked.path.with_suffix(f".{os.getpid()}")
    try:
        made = export(scope, part, by=asked.by, name=asked.name, older=asked.older)
    except (Refused, OSError) as problem:
        _end(asked, state=ExportState.FAILED, error=str(problem))
    else:
        size = part.stat().st_size
        with transaction.atomic():
            if _end(asked, state=ExportState.MADE, count=made.count, bytes=size):
                part.replace(asked.path)
    finally:
        part.unlink(missing_ok=True)


def _end(asked: Export, **fields: Any) -> bool:
    """Whether it was still ours to end."""
    ours = Export.objects.filter(pk=asked.pk, state=ExportState.MAKING, begun_at=asked.begun_at)
    return bool(ours.update(made_at=timezone.now(), **fields))


def forget_old() -> None:
    """Bundles are copies: a week later, whoever wanted one has it."""
    for old in Export.objects.filter(created_at__lt=timezone.now() - KEPT_FOR):
        old.path.unlink(missing_ok=True)
        old.delete()
    _forget_half_made()


def _forget_half_made() -> None:
    """What killed processes left: copies that nobody would otherwise take what is erased from."""
    parts = (Path(settings.DATA) / "evidence").glob("*.[0-9]*")
    folders = Path(tempfile.gettempdir()).glob(f"{MAKING}*")
    since = (timezone.now() - GIVEN_UP_AFTER).timestamp()
    for path in [*parts, *folders]:
        with suppress(OSError):  # another's, or gone meanwhile
            if max(one.stat().st_mtime for one in (path, *path.glob("*"))) > since:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
