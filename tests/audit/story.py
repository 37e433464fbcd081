"""One entry of every kind that anybody declared, in a log: for tests of exports and of what they prove."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from audit import kinds, log, sequencing, source
from audit.evidence.scope import Scope
from audit.record import Note, record_all
from audit.transitions import exporting
from watchfloor.evidence import Report, verify_bundle

TEAM = "018f2b6e-7c1d-7a30-9d5c-000000000001"
OTHER = "018f2b6e-7c1d-7a30-9d5c-000000000002"
WHO = "person:018f2b6e-7c1d-7a30-9d5c-0123456789ab"
VALUES: dict[str, Any] = {
    "text": "=1+1 <b>\u202eodd</b>",
    "int": 3,
    "decimal": "12.50",
    "bool": True,
    "list": ["one", "é\x7f\u2028"],
    "dict": {"a": {"b": [None, 1.5]}},
    "id": str(UUID(int=7)),
    "moment": "2026-11-21T13:00:00Z",
    "any": "anything",
}
GONE = {"ids": [1 << 50], "month": "1999-01"}
"""Of entries that say what was erased: of nothing here."""
EVER = Scope.of_period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def tell(team: str = TEAM, only: str = "") -> int:
    """Write one entry of every kind, and sequence them. Returns how many."""
    notes = [
        Note(
            kind.name,
            WHO if number % 2 else "clock",
            f"agents.action:{UUID(int=number)}",
            team,
            str(UUID(int=number)),
            str(UUID(int=number + 1)),
            "Said <i>so</i>",
            {name: GONE.get(name, VALUES[type_]) for name, (type_, _) in kind.declared().items()},
        )
        for number, kind in enumerate(kinds.every())
        if kind.name.startswith(only)
    ]
    with source.of("page", address="10.0.0.7", program="=cmd"):
        record_all(notes)
    sequencing.sequence_all()
    return len(notes)


def exported(folder: Path, scope: Scope = EVER, **more: Any) -> Path:
    """A bundle of it, as people get it."""
    path = folder / f"{len(list(folder.iterdir()))}.zip"
    exporting.export(scope, path, by="command", name="the court", **more)
    return path


def looked_at(path: Path, **more: Any) -> Report:
    return verify_bundle(path, keys=[log.vkey()], **more)


def file(path: Path, name: str) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()
