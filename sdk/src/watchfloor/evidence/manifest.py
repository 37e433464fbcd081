"""The manifest: what a bundle says it is, and the fingerprint of each of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .problems import Problems
from .store import TORN, Store
from .strict import Malformed, is_count, loads_bytes

FORMAT = "watchfloor-evidence/1"
NAMES = {"format", "origin", "made_at", "made_by", "about", "size", "count", "erased", "files"}
OWN = {"manifest.json", "manifest.sig"}
NEEDED = {"entries.jsonl", "proof.json", "checkpoint", "keys.json", "people.json"}
_HEX = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    origin: str
    made_at: str
    made_by: str
    about: dict[str, Any]
    size: int
    count: int
    erased: int
    files: dict[str, str]
    sha256: bytes

    @property
    def period(self) -> tuple[str, str]:
        """From and to, as leaves write time; empty where it is of no period."""
        found = self.about.get("period")
        if type(found) is not dict:
            return "", ""
        return str(found.get("from") or ""), str(found.get("to") or "")


def parse_manifest(raw: bytes) -> Manifest:
    """Raises `Malformed`."""
    found = loads_bytes(raw)
    if type(found) is not dict or found.get("format") != FORMAT:
        raise Malformed(f"it is of another format than {FORMAT}")
    if found.keys() != NAMES:
        raise Malformed(f"it has other parts than {', '.join(sorted(NAMES))}")
    files, about = found["files"], found["about"]
    if not all(type(found[name]) is str for name in ("origin", "made_at", "made_by")):
        raise Malformed("origin, made_at or made_by is no text")
    if not all(is_count(found[name]) for name in ("size", "count", "erased")):
        raise Malformed("size, count or erased is no whole number")
    if type(about) is not dict or type(files) is not dict:
        raise Malformed("about or files is no object")
    if not all(type(one) is str and _HEX.fullmatch(one) for one in files.values()):
        raise Malformed("what it says of a file is no SHA-256")
    return Manifest(
        **{name: found[name] for name in NAMES - {"format"}}, sha256=sha256(raw).digest()
    )


def check_names(manifest: Manifest, store: Store, problems: Problems) -> None:
    """Whether the files are those the manifest names, none more, none less."""
    named = set(manifest.files)
    for name in sorted((named | NEEDED | OWN) - store.names):
        problems.add("file missing", f"{name!r} is missing")
    for name in sorted(store.names - named - OWN):
        problems.add("file added", f"{name!r} is not in the manifest")


def check_file(manifest: Manifest, name: str, found: str, problems: Problems) -> None:
    if manifest.files.get(name, found) != found:
        problems.add("file changed", f"{name!r} is not the file that the manifest names")


def check_rest(manifest: Manifest, store: Store, seen: set[str], problems: Problems) -> None:
    """Fingerprints of the files nothing else has read."""
    for name in sorted(set(manifest.files) & store.names - seen - OWN):
        digest = sha256()
        try:
            with store.open(name) as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        except TORN as why:
            problems.add("file changed", f"{name!r} is damaged: {why}")
        else:
            check_file(manifest, name, digest.hexdigest(), problems)
