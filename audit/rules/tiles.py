"""Tiles (C2SP tlog-tiles): the tree's hashes, 256 side by side, in levels of eight of the tree's own.

https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .merkle import EMPTY, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH = 32

type Changed = dict[tuple[int, int], bytes]
"""Tiles by level and index."""


class Place(NamedTuple):
    """Where the leaves below a node stand in a tile."""

    level: int
    tile: int
    first: int
    width: int


def place(level: int, index: int) -> Place:
    """The tile that the hash of a full subtree is made from."""
    beyond = level % HEIGHT
    first = index << beyond
    return Place(level // HEIGHT, first >> HEIGHT, first % WIDTH, 1 << beyond)


def hash_of(place: Place, part: bytes) -> bytes:
    """The hash of the subtree, from its part of the tile. Raises LookupError when the tile was too short."""
    if len(part) != place.width * HASH:
        raise LookupError(f"Tile {place.level}/{place.tile} is too short.")
    return root_of(hashes_of(part))


def hashes_of(tile: bytes) -> list[bytes]:
    return [tile[i : i + HASH] for i in range(0, len(tile), HASH)]


def partial(size: int) -> list[tuple[int, int, int]]:
    """The tiles at the right edge that are begun and not full: level, index, width."""
    found = []
    level, count = 0, size
    while count:
        if count % WIDTH:
            found.append((level, count // WIDTH, count % WIDTH))
        level, count = level + 1, count // WIDTH
    return found


class Edge:
    """The right edge of a tree: all that is needed to let it grow, and its root."""

    def __init__(self, size: int, begun: dict[int, bytes]) -> None:
        """`begun` are the tiles of `partial(size)`, by level."""
        self.size = size
        self._rows: dict[int, list[bytes]] = {
            level: hashes_of(tile) for level, tile in begun.items()
        }

    def append(self, leaves: Sequence[bytes]) -> Changed:
        """Let it grow; returns what every tile that changed holds now."""
        changed: Changed = {}
        level, count, new = 0, self.size, list(leaves)
        self.size += len(new)
        while new:
            row = self._rows.get(level, []) + new
            index, new = count // WIDTH, []
            for start in range(0, len(row) - WIDTH + 1, WIDTH):
                full = row[start : start + WIDTH]
                changed[level, index] = b"".join(full)
                new.append(root_of(full))
                index += 1
            rest = row[len(row) - len(row) % WIDTH :]
            self._rows[level] = rest
            if rest:
                changed[level, index] = b"".join(rest)
            level, count = level + 1, count // WIDTH
        return changed

    @property
    def root(self) -> bytes:
        below: list[bytes] = []
        for level in sorted(self._rows):
            row = self._rows[level] + below
            below = [root_of(row)] if row else []
        return below[0] if below else EMPTY


# -- addresses --------------------------------------------------------------------------------------

_NUMBER = r"(?:x[0-9]{3}/)*[0-9]{3}"
ADDRESS = re.compile(
    rf"(?P<level>[0-9]{{1,2}}|entries)/(?P<index>{_NUMBER})(?:\.p/(?P<width>[0-9]{{1,3}}))?"
)


class Address(NamedTuple):
    level: int | None
    """None: the entries themselves."""
    tile: int
    width: int


def address(path: str) -> Address | None:
    """`0/x001/x234/067.p/112` and the like; None when it is no address of a tile."""
    found = ADDRESS.fullmatch(path)
    if found is None:
        return None
    number = int(found["index"].replace("x", "").replace("/", ""))
    width = int(found["width"] or WIDTH)
    level = None if found["level"] == "entries" else int(found["level"])
    is_canonical = level is None or str(level) == found["level"]
    is_canonical &= spelt(number) == found["index"]
    is_canonical &= found["width"] is None or (0 < width < WIDTH and str(width) == found["width"])
    return Address(level, number, width) if is_canonical and (level or 0) < 64 else None


def spelt(number: int) -> str:
    """1234067 is `x001/x234/067`."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03}")
    return "/".join(reversed(parts))
