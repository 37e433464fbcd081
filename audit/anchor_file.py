"""A file that only grows: one signed checkpoint after another, each on disk before anybody is told so.

What is rewritten or cut off in the database later does not fit this file any more. It proves the more, the less
whoever could change the database can change the file: another machine's disk, a folder that only takes additions.
"""

from __future__ import annotations

import fcntl
import os
import re
from base64 import b64decode
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

_TAIL = 64 * 1024
"""Bytes from the end in which the last whole note is looked for first: one is a few hundred."""
_DASH = "\u2014 "
_SIZE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Kept:
    """A checkpoint as it stands in the file."""

    origin: str
    size: int
    root: bytes
    note: str


def append(path: Path, note: str) -> None:
    """Add a signed note. Returns when the disk has it. Raises OSError."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        torn = end > 0 and os.pread(descriptor, 2, max(0, end - 2)) != b"\n\n"
        text = f"{'\n\n' if torn else ''}{note.rstrip('\n')}\n\n".encode()
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(path.parent)


def last(path: Path) -> Kept | None:
    """The newest whole note; what a crash or somebody else left behind it is passed over. None without any. Raises OSError."""
    try:
        with path.open("rb") as file:
            size, tail = file.seek(0, os.SEEK_END), _TAIL
            while (found := _last_of(file, max(0, size - tail))) is None and tail < size:
                tail *= 16
    except FileNotFoundError:
        return None
    return found


def _last_of(file: IO[bytes], start: int) -> Kept | None:
    file.seek(start)
    paragraphs = file.read().decode(errors="replace").split("\n\n")
    if start:
        paragraphs = paragraphs[1:]
    for body, signatures in reversed(list(pairwise(paragraphs))):
        if found := _read(body.lstrip("\n"), signatures):
            return found
    return None


def _read(body: str, signatures: str) -> Kept | None:
    lines = body.split("\n")
    signed = signatures.split("\n")
    if len(lines) < 3 or not _SIZE.fullmatch(lines[1]):
        return None
    if not all(line.startswith(_DASH) for line in signed):
        return None
    try:
        root = b64decode(lines[2], validate=True)
        for line in signed:
            b64decode(line.rpartition(" ")[2], validate=True)
    except ValueError:
        return None
    if len(root) != 32:
        return None
    return Kept(lines[0], int(lines[1]), root, f"{body}\n\n{signatures}\n")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
