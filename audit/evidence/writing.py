"""A bundle as a folder of files: entries as they are now, one proof for all of them, and a signed manifest."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from audit import keys, log
from audit.errors import Conflict, Invalid
from audit.models import Checkpoint, LogKey
from audit.names import names_of
from audit.rules import notes
from audit.rules.lines import moment

from .finding import namers
from .page import Page
from .readme import README
from .rows import Row, read
from .scope import Scope
from .table import Table

FORMAT = "watchfloor-evidence/1"
MOST_PROOFS = 1_000
"""Of a case: entries beyond have no file of their own."""
BLOCK = 1 << 20
WHO_ELSE = ("on_behalf_of", "seat")
"""Fields of contents that name a person by id."""


@dataclass(frozen=True)
class Written:
    """What a bundle holds."""

    count: int
    erased: int
    size: int
    fingerprint: str
    """SHA-256 of its manifest."""


def write(scope: Scope, folder: Path, *, by: str, at: datetime, older: str = "") -> Written:
    """Write the bundle; `by` is who it is for, in words, `older` a checkpoint that it shall be shown to continue.

    Raises Conflict while nothing was signed, Invalid for a checkpoint that is none of this log.
    """
    last = log.latest()
    if last is None:
        raise Conflict("The log has signed nothing yet: there is nothing to prove.")
    gone = scope.gone(last.size)
    if gone is not None:
        raise Conflict(
            f"Entry {gone:,} of the log is gone from the database: what is left of it cannot be proved. "
            "`manage.py record check` says more."
        )
    continued = _consistency(older, last) if older else None
    rows = _Rows(folder, scope, last)
    rows.write()
    _write_proofs(folder, scope, rows.indexes, last)
    if continued is not None:
        _json(folder / "consistency.json", continued)
    (folder / "checkpoint").write_text(last.note, "utf-8")
    _json(folder / "keys.json", _keys(last.size))
    _json(folder / "people.json", rows.people)
    count = len(rows.indexes)
    said = {"origin": log.origin(), "made_at": moment(at), "made_by": by}
    counted = {"size": last.size, "count": count, "erased": rows.erased}
    readme = README.format(title=scope.title, **said, **counted)
    (folder / "README.txt").write_text(readme, "utf-8")
    manifest = {"format": FORMAT, **said, "about": scope.about, **counted}
    fingerprint = _sign(folder, manifest, last.size)
    return Written(count, rows.erased, last.size, fingerprint)


class _Rows:
    """Everything that is written entry by entry."""

    def __init__(self, folder: Path, scope: Scope, last: Checkpoint) -> None:
        self._folder, self._scope, self._last = folder, scope, last
        self.indexes: list[int] = []
        self.people: dict[str, str] = {}
        self.erased = 0

    def write(self) -> None:
        with ExitStack() as files:
            open_ = self._opener(files)
            lines, leaves = (
                open_("entries.jsonl"),
                files.enter_context((self._folder / "leaves.bin").open("wb")),
            )
            facts = {"Log": log.origin(), "Entries in the log": f"{self._last.size:,}"}
            page, table = (
                Page(open_("index.html"), self._scope.title, facts),
                Table(open_("entries.csv")),
            )
            for rows in read(self._scope, self._last.size):
                names = _known(_named(rows))
                self.people |= {
                    name.removeprefix("person:"): known
                    for name, known in names.items()
                    if name.startswith("person:")
                }
                for row in rows:
                    self.indexes.append(row.index)
                    self.erased += row.body is None
                    lines.write(json.dumps(row.as_json(), ensure_ascii=False) + "\n")
                    leaves.write(row.hash)
                    page.add(row, names)
                    table.add(row, names)
            page.end()

    def _opener(self, files: ExitStack) -> Any:
        def open_(name: str) -> IO[str]:
            path = self._folder / name
            return files.enter_context(path.open("w", encoding="utf-8", newline=""))

        return open_


def _known(named: set[str]) -> dict[str, str]:
    found = names_of(named)
    for namer in namers:
        found |= namer(named)
    return found


def _named(rows: Iterable[Row]) -> set[str]:
    """Everybody and everything whose name helps to read these entries."""
    found: set[str] = set()
    for row in rows:
        found |= {row.line.actor, row.line.about, f"agent:{row.line.agent}"}
        data = row.content.get("data")
        if isinstance(data, dict):
            found |= {f"person:{data[name]}" for name in WHO_ELSE if data.get(name)}
    return found


def _write_proofs(folder: Path, scope: Scope, indexes: list[int], last: Checkpoint) -> None:
    runs, hashes = log.multi_proof(indexes, last.size)
    many = {"size": last.size, "indexes": [list(run) for run in runs], "hashes": _b64(hashes)}
    _json(folder / "proof.json", many)
    if scope.case and len(indexes) <= MOST_PROOFS:
        (folder / "proofs").mkdir()
        for index in indexes:
            text = notes.proof(index, log.proof(index, last.size), last.note)
            (folder / "proofs" / f"{index}.tlog-proof").write_text(text, "utf-8")


def check_older(older: str) -> None:
    """Raises Invalid when this checkpoint is none that the log can be shown to continue."""
    last = log.latest()
    if older and last is not None:
        _older(older, last)


def _older(older: str, last: Checkpoint) -> tuple[str, int]:
    """The checkpoint as it was signed, and its size."""
    text = older.replace("\r\n", "\n").strip("\n ") + "\n"
    try:
        body = notes.parse_checkpoint(notes.parse(text).text)
    except notes.BadNote as problem:
        raise Invalid(f"This is no checkpoint. {problem}") from problem
    if body.origin != log.origin():
        raise Invalid(f"This checkpoint is of another log, {body.origin[:200]}.")
    if body.size > last.size:
        raise Invalid(
            f"This checkpoint knows {body.size:,} entries, but the log has only {last.size:,}: "
            "its end was cut off. Keep the checkpoint, and tell whoever answers for this record."
        )
    return text, body.size


def _consistency(older: str, last: Checkpoint) -> dict[str, Any]:
    """That the log continues this checkpoint; if it does not, whoever kept it will see that."""
    text, size = _older(older, last)
    return {"from": text, "hashes": _b64(log.consistency(size, last.size))}


def _keys(size: int) -> list[dict[str, Any]]:
    """The keys that have signed a tree of this size or a smaller one."""
    return [
        {"vkey": key.vkey, "from_size": key.from_size, "rotation": key.rotation or None}
        for number, key in enumerate(log.keys())
        if number == 0 or key.from_size < size
    ]


def _sign(folder: Path, manifest: dict[str, Any], size: int) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): _sha256(path) for path in files}
    raw = json.dumps({**manifest, "files": named}, ensure_ascii=False, indent=1).encode()
    fingerprint = sha256(raw)
    said = f"{FORMAT}\n{log.origin()}\n{b64encode(fingerprint.digest()).decode()}\n"
    in_force = LogKey.objects.filter(retired_at=None, from_size__lt=max(size, 1)).latest("id")
    (folder / "manifest.json").write_bytes(raw)
    (folder / "manifest.sig").write_text(str(keys.sign(said, by=in_force)), "utf-8")
    return fingerprint.hexdigest()


def _sha256(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def _b64(hashes: Iterable[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]
