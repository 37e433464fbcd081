"""proof.json, consistency.json and .tlog-proof files: from bytes to what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .merkle import BadProof
from .notes import Checkpoint, base64, parse_checkpoint
from .strict import Malformed, is_count, loads_bytes

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
FIRST = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Multi:
    """One proof for many entries of a tree of `size`."""

    size: int
    runs: list[tuple[int, int]]
    hashes: list[bytes]

    @property
    def count(self) -> int:
        return sum(last - first + 1 for first, last in self.runs)


def parse_multi(raw: bytes) -> Multi:
    found = _object(raw, {"size", "indexes", "hashes"})
    size, runs = found["size"], found["indexes"]
    if not is_count(size) or type(runs) is not list:
        raise BadProof("its size or its indexes are of another type")
    before = -2
    for run in runs:
        if type(run) is not list or len(run) != 2 or not (is_count(run[0]) and is_count(run[1])):
            raise BadProof("its indexes are not given as [first, last]")
        if not before + 1 < run[0] <= run[1] < size:
            raise BadProof("its indexes overlap, touch, or lie outside the tree")
        before = run[1]
    return Multi(size, [(first, last) for first, last in runs], hashes(found["hashes"]))


def parse_consistency(raw: bytes) -> tuple[Checkpoint, list[bytes]]:
    found = _object(raw, {"from", "hashes"})
    if type(found["from"]) is not str:
        raise BadProof("its older checkpoint is no text")
    return parse_checkpoint(found["from"]), hashes(found["hashes"])


@dataclass(frozen=True)
class Single:
    """What a .tlog-proof file holds."""

    index: int
    hashes: list[bytes]
    checkpoint: Checkpoint
    extra: bytes | None = None


def parse_single(raw: bytes) -> Single:
    """C2SP tlog-proof: a line each for format, index and hashes, a blank one, the checkpoint."""
    try:
        head, blank, note = raw.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise BadProof("it is not UTF-8") from None
    lines = head.split("\n")
    extra = None
    if lines[0] != FIRST or not blank:
        raise BadProof(f"it does not begin with {FIRST}")
    if len(lines) > 1 and lines[1].startswith("extra "):
        extra = base64(lines.pop(1)[6:])
        if extra is None:
            raise BadProof("its extra data is no base64")
    found = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if found is None:
        raise BadProof("it says no index")
    return Single(int(found[1]), hashes(lines[2:]), parse_checkpoint(note), extra)


def hashes(texts: Any) -> list[bytes]:
    if type(texts) is not list:
        raise BadProof("its hashes are no list")
    found = []
    for text in texts:
        one = base64(text) if type(text) is str else None
        if one is None or len(one) != 32:
            raise BadProof("one of its hashes is no hash")
        found.append(one)
    return found


def _object(raw: bytes, names: set[str]) -> dict[str, Any]:
    try:
        found = loads_bytes(raw)
    except Malformed as why:
        raise BadProof(str(why)) from None
    if type(found) is not dict or found.keys() != names:
        raise BadProof(f"it has other parts than {', '.join(sorted(names))}")
    return found
