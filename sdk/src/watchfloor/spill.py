"""A file of pending reports that survives `kill -9`: one JSON line each, crossed out when sent.

Written with one `write` per line to an append-only descriptor: the kernel keeps what a killed process
has written. (It is not synced to disk: a power cut may lose the last seconds.)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core import logger
from watchfloor.jsonable import encode

if sys.platform != "win32":  # there, two processes must be given two paths
    import fcntl


class Spill:
    """`path`, or `path.1`, `path.2`… when other live processes hold those before.

    Files whose processes are gone are adopted.
    """

    def __init__(self, path: str | Path) -> None:
        self.base = Path(path)
        self.base.parent.mkdir(parents=True, exist_ok=True)
        self._fd, self._path = self._own()
        self._pending: list[dict[str, Any]] = list(_unsent(self._path))
        self._adopt()

    def pending(self) -> list[dict[str, Any]]:
        """What earlier processes could not send."""
        return self._pending

    def write(self, line: dict[str, Any]) -> None:
        try:
            os.write(self._fd, encode(line) + b"\n")
        except OSError as error:
            logger.error("cannot write %s, reports are kept in memory only: %s", self._path, error)

    def empty(self) -> None:
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        os.close(self._fd)

    def for_child(self) -> Spill:
        os.close(self._fd)
        return Spill(self.base)

    def _own(self) -> tuple[int, Path]:
        number = 0
        while True:
            path = self.base if number == 0 else self.base.with_name(f"{self.base.name}.{number}")
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if _lock(fd):
                return fd, path
            os.close(fd)
            number += 1

    def _adopt(self) -> None:
        """Take over what dead processes left: append it here first, so that a kill in between
        repeats it but never loses it. Files stay, empty: another process may be opening one."""
        for path in sorted(self.base.parent.glob(f"{self.base.name}*")):
            suffix = path.name[len(self.base.name) :]
            if path == self._path or not (suffix == "" or suffix[1:].isdigit()):
                continue
            fd = os.open(path, os.O_RDWR)
            if _lock(fd):
                left = list(_unsent(path))
                for line in left:
                    self.write(line)
                self._pending += left
                os.ftruncate(fd, 0)
            os.close(fd)


def _lock(fd: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unsent(path: Path) -> Iterator[dict[str, Any]]:
    """Items not crossed out. A half-written last line is what a kill leaves; it is skipped."""
    items: dict[str, dict[str, Any]] = {}
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "done" in line:
            items.pop(line["done"], None)
        else:
            items[line["id"]] = line
    yield from items.values()
