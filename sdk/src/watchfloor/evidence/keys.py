"""Whose signatures count: keys somebody vouched for, and those that they handed over to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .notes import BadNote, Key, Note, parse_key, parse_note
from .problems import Problems
from .strict import is_count

MOST = 1_000


@dataclass(frozen=True)
class Listed:
    """A key as the bundle names it: how large the log was when it came, and what the key before it said of it."""

    key: Key
    from_size: int
    rotation: Note | None


class Ring:
    """The log's keys, one after another, and which of them may be relied on."""

    def __init__(self, origin: str, listed: list[Listed], vouched: list[Key]) -> None:
        self.origin, self.listed = origin, listed
        self.vouched = [key for key in vouched if key.name == origin]
        self.trusted = list(self.vouched)

    @property
    def all(self) -> list[Key]:
        listed = [one.key for one in self.listed]
        return [*listed, *(key for key in self.vouched if key not in listed)]

    def follow(self, problems: Problems) -> None:
        """Go from key to key: each but the first needs a statement signed by the one before."""
        for before, one in zip([None, *self.listed], self.listed):  # noqa: B905
            if one.key.name != self.origin:
                problems.add("keys", f"keys.json names a key of another log, {one.key.name}")
            if before is None:
                continue
            said = f"watchfloor-key-rotation/1\n{self.origin}\n{one.key.vkey}\n"
            if one.from_size < before.from_size:
                problems.add("keys", "the keys of keys.json are not in the order they were used")
            if one.rotation is None or one.rotation.text != said:
                problems.add("rotation", f"nothing hands over to the key {one.key.vkey}")
                continue
            try:
                signers = one.rotation.signers([before.key])
            except BadNote as why:
                problems.add("rotation", f"the statement that hands over to {one.key.vkey}: {why}")
                continue
            if not signers:
                problems.add(
                    "rotation", f"the key before {one.key.vkey} did not sign that it hands over"
                )
            elif before.key in self.trusted and one.key not in self.trusted:
                self.trusted.append(one.key)

    def vouches(self, signers: Iterable[Key]) -> bool:
        """Whether one of them may be relied on. A bundle may list keys of anybody's: that they are listed says nothing."""
        return any(key in self.trusted for key in signers)

    def in_force(self, size: int) -> Key | None:
        """The key that signs a log of this size: each signs what is larger than the log was when it came."""
        found = [one.key for one in self.listed if one.from_size < size]
        return found[-1] if found else None

    def signers(self, note: Note, size: int, what: str, problems: Problems) -> list[Key]:
        """Who of the log signed this; says what is wrong with it."""
        try:
            found = note.signers(self.all)
        except BadNote as why:
            problems.add("signature", f"{what}: {why}")
            return []
        force = self.in_force(size)
        if not found:
            problems.add("signature", f"{what} is not signed by any key of {self.origin}")
        elif force is not None and force not in found:
            problems.add(
                "signature",
                f"{what} is signed only by {found[-1].vkey}, not by the key in force at {size:,} "
                f"entries, {force.vkey}",
            )
        return found


def parse_listed(found: Any) -> list[Listed]:
    """What keys.json says. Raises `BadNote` for what it cannot mean."""
    if type(found) is not list or not 0 < len(found) <= MOST:
        raise BadNote("keys.json is no list of keys")
    listed = []
    for one in found:
        if type(one) is not dict or one.keys() != {"vkey", "from_size", "rotation"}:
            raise BadNote("a key in keys.json has other parts than vkey, from_size and rotation")
        vkey, size, rotation = one["vkey"], one["from_size"], one["rotation"]
        if type(vkey) is not str or not is_count(size) or type(rotation) not in (str, type(None)):
            raise BadNote("a part of a key in keys.json is of another type")
        listed.append(
            Listed(parse_key(vkey), size, None if rotation is None else parse_note(rotation))
        )
    return listed
