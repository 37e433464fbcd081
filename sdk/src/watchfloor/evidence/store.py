"""The files of a bundle, from a folder or a zip, read without trusting either."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Protocol

from .problems import Unusable

MEBI = 1 << 20
MOST_FILES = 5_000
LARGEST = 64 << 30
"""Bytes of all files together, unpacked."""
TIGHTEST = 250
"""How many times smaller than its content a file of more than a mebibyte may be packed: more is a bomb."""
TORN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)


class Damaged(Exception):
    """A file that cannot be read to its end."""


class Store(Protocol):
    """Named files. `names` are relative, with `/` between the parts."""

    names: set[str]

    def length(self, name: str) -> int: ...

    def open(self, name: str) -> IO[bytes]: ...


def read(store: Store, name: str, most: int) -> bytes:
    """The whole of a small file."""
    try:
        with store.open(name) as file:
            found = file.read(most + 1)
    except TORN as problem:
        raise Damaged(f"{name} cannot be read: {problem}") from problem
    if len(found) > most:
        raise Unusable(f"{name} is larger than {most:,} bytes: no bundle needs that")
    return found


def open_bundle(path: Path) -> Store:
    """A folder, or a zip of one. Raises `Unusable` for anything else, and for what is made to do harm."""
    if path.is_dir():
        store: Store = Folder(path)
    elif not path.exists():
        raise Unusable(f"there is no {path}")
    else:
        try:
            store = Zip(path)
        except TORN as problem:
            raise Unusable(f"{path} is neither a folder nor a zip file ({problem})") from problem
    if "manifest.json" not in store.names:
        raise Unusable(f"{path} is no evidence bundle: it has no manifest.json")
    return store


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._lengths: dict[str, int] = {}
        for folder, inner, files in os.walk(root):
            for name in [*inner, *files]:
                self._add(Path(folder, name))
        self.names = set(self._lengths)
        _check_sum(self._lengths.values())

    def _add(self, path: Path) -> None:
        about = path.lstat()
        name = path.relative_to(self._root).as_posix()
        if stat.S_ISREG(about.st_mode):
            self._lengths[name] = about.st_size
        elif not stat.S_ISDIR(about.st_mode):
            raise Unusable(f"{name!r} is a link or a device, not a file")
        if len(self._lengths) > MOST_FILES:
            raise Unusable(f"it has more than {MOST_FILES:,} files")

    def length(self, name: str) -> int:
        return self._lengths[name]

    def open(self, name: str) -> IO[bytes]:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self._root / name, flags), "rb")


class Zip:
    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        listed = self._zip.infolist()
        if len(listed) > MOST_FILES:
            raise Unusable(f"it has more than {MOST_FILES:,} files")
        for info in listed:
            self._add(info)
        self._without_top()
        self.names = set(self._infos)
        _check_sum(info.file_size for info in listed)

    def _add(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise Unusable(f"a file in it wants to be unpacked elsewhere: {name[:80]!r}")
        if info.flag_bits & 1:
            raise Unusable(f"{name[:80]!r} in it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unusable(f"{name[:80]!r} in it is packed in a way bundles are not")
        if info.file_size > MEBI and info.file_size > TIGHTEST * info.compress_size:
            raise Unusable(f"{name[:80]!r} in it would unpack to {info.file_size:,} bytes: a bomb")
        if name in self._infos:
            raise Unusable(f"it has two files named {name[:80]!r}")
        if not info.is_dir():
            self._infos[name] = info

    def _without_top(self) -> None:
        """A folder that was packed as a whole: its name stands before every file's."""
        tops = {name.partition("/")[0] for name in self._infos}
        if "manifest.json" not in self._infos and len(tops) == 1:
            self._infos = {name.partition("/")[2]: info for name, info in self._infos.items()}

    def length(self, name: str) -> int:
        return self._infos[name].file_size

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._infos[name])


def _check_sum(lengths: Iterable[int]) -> None:
    if sum(lengths) > LARGEST:
        raise Unusable(f"it would unpack to more than {LARGEST:,} bytes")
