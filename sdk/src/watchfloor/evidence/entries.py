"""entries.jsonl from beginning to end, in parts, on as many processors as are given."""

from __future__ import annotations

import multiprocessing
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, pairwise
from typing import IO

from .lines import LONGEST, Part, check_part
from .merkle import Runs
from .problems import Problems, Unusable

BLOCK = 1 << 20
WORTH_MORE_PROCESSES = 16 << 20
"""Bytes of entries from which other processes are started."""


@dataclass
class Entries:
    """What all lines hold together: one after another, 32 bytes and two numbers each."""

    sha256: str = ""
    indexes: array[int] = field(default_factory=lambda: array("q"))
    ids: array[int] = field(default_factory=lambda: array("q"))
    leaves: bytearray = field(default_factory=bytearray)
    erased: int = 0
    first_at: str = ""
    last_at: str = ""

    def add(self, part: Part) -> None:
        self.indexes += part.indexes
        self.ids += part.ids
        self.leaves += part.hashes
        self.erased += part.erased
        self.first_at = min(filter(None, (self.first_at, part.first_at)), default="")
        self.last_at = max(self.last_at, part.last_at)


def read_entries(
    file: IO[bytes], length: int, problems: Problems, *, since: str, until: str, workers: int
) -> Entries:
    """Look at every line. What is wrong with single ones goes to `problems`."""
    entries, digest = Entries(), sha256()
    with _checkers(workers if length >= WORTH_MORE_PROCESSES else 1) as pool:
        waiting: deque[Future[Part]] = deque()
        first = 1
        for block in _whole_lines(file):
            digest.update(block)
            if pool is None:
                _take(check_part(block, first, since, until), entries, problems)
            else:
                waiting.append(pool.submit(check_part, block, first, since, until))
                if len(waiting) > 3 * workers:
                    _take(waiting.popleft().result(), entries, problems)
            first += block.count(b"\n")
        for future in waiting:
            _take(future.result(), entries, problems)
    entries.sha256 = digest.hexdigest()
    return entries


@contextmanager
def _checkers(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    if workers < 2:
        yield None
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _take(part: Part, entries: Entries, problems: Problems) -> None:
    entries.add(part)
    problems.add_all(part.problems)


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    held = 0
    while block := file.read(BLOCK):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*rest, block[:cut]])
            rest, held = [block[cut:]], len(block) - cut
        else:
            rest.append(block)
            held += len(block)
            if held > LONGEST + BLOCK:
                raise Unusable(f"a line of entries.jsonl is longer than {LONGEST:,} bytes")
    if held:
        yield b"".join(rest)


def check_order(entries: Entries, runs: Runs, problems: Problems) -> bool:
    """Whether the lines are those the proof is for, each once and in order. Says what is not."""
    wanted = chain.from_iterable(range(first, last + 1) for first, last in runs)
    count = sum(last - first + 1 for first, last in runs)
    if len(entries.indexes) == count and all(
        index == right
        for index, right in zip(entries.indexes, wanted)  # noqa: B905
    ):
        return _each_once(entries, problems)
    if abs(count - len(entries.indexes)) > len(entries.indexes) + 1_000_000:
        problems.add(
            "missing",
            f"the proof is for {count:,} entries, entries.jsonl has {len(entries.indexes):,}",
        )
        return False
    found = Counter(index for index in entries.indexes if index >= 0)
    unreadable = len(entries.indexes) - sum(found.values())
    for index in (index for index, times in found.items() if times > 1):
        problems.add("twice", f"entry {index:,} stands in entries.jsonl twice", index)
    asked = set(chain.from_iterable(range(first, last + 1) for first, last in runs))
    missing, foreign = sorted(asked - found.keys()), sorted(found.keys() - asked)
    if missing and len(missing) > unreadable:
        problems.add(
            "missing",
            f"entry {missing[0]:,} is missing: the proof is for {count:,} entries, "
            f"entries.jsonl has {len(entries.indexes):,}",
            missing[0],
            times=len(missing),
        )
    for index in foreign:
        problems.add("foreign", f"entry {index:,} is none of those the proof is for", index)
    if not (missing or foreign) and len(found) == len(entries.indexes):
        right = chain.from_iterable(range(first, last + 1) for first, last in runs)
        index, instead = next((a, b) for a, b in zip(entries.indexes, right) if a != b)  # noqa: B905
        problems.add(
            "order",
            f"entry {index:,} stands where entry {instead:,} belongs: the order was changed",
            index,
        )
    return False


def _each_once(entries: Entries, problems: Problems) -> bool:
    ids = Counter(id for id in entries.ids if id >= 0) if _repeats(entries.ids) else {}
    for index, id in zip(entries.indexes, entries.ids):  # noqa: B905
        if ids and ids.get(id, 0) > 1:
            problems.add(
                "twice", f"line {id:,} was put into the tree twice: entry {index:,}", index
            )
    return -1 not in entries.indexes


def _repeats(ids: array[int]) -> bool:
    """Lines are mostly numbered as they are in the tree, so that one look is enough."""
    if all(a < b for a, b in pairwise(ids)):
        return False
    return len(set(ids)) != len(ids)
