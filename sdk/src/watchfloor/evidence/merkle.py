"""The tree of RFC 6962 §2.1 with SHA-256, as a reader of proofs needs it. Written from the RFC, not from the server."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH = 32
AT_ONCE = 4096
"""Leaves that are hashed level by level rather than by descending; a power of two."""

Runs = Sequence[tuple[int, int]]
"""Indexes of leaves as runs without gaps: first and last of each, in order."""


class BadProof(Exception):
    """The proof does not have the shape that its tree asks for."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def split(n: int) -> int:
    """The largest power of two below n, for n > 1."""
    return 1 << ((n - 1).bit_length() - 1)


EMPTY = sha256(b"").digest()


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that a proof of inclusion leads to (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise BadProof(f"index {index} is not in a tree of {size}")
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("it has more hashes than its place in the tree asks for")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise BadProof("it has fewer hashes than its place in the tree asks for")
    return found


def roots_by_consistency(
    old: int, new: int, old_root: bytes, proof: Sequence[bytes]
) -> list[bytes]:
    """The two roots, of the old and of the new tree, that a proof leads to (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        raise BadProof(f"a tree of {new} cannot continue one of {old}")
    if old == new:
        if proof:
            raise BadProof("between trees of one size there is nothing to prove")
        return [old_root, old_root]
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise BadProof("it has no hashes")
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("it has more hashes than the two sizes ask for")
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise BadProof("it has fewer hashes than the two sizes ask for")
    return [older, newer]


def perfect_root(leaves: bytes) -> bytes:
    """The root over leaf hashes laid end to end; their number is a power of two."""
    level = leaves
    while len(level) > HASH:
        level = b"".join(
            [sha256(b"\1" + level[at : at + 64]).digest() for at in range(0, len(level), 64)]
        )
    return level


class Walk:
    """One proof for many leaves: the tree is descended from its root, left before right; where a subtree holds
    none of the leaves, the next hash of the proof stands for it (whole subtrees only, as large as they get)."""

    def __init__(
        self, size: int, runs: Runs, leaves: bytes | bytearray, hashes: Sequence[bytes]
    ) -> None:
        self.size, self.runs, self.hashes = size, runs, hashes
        self.leaves = memoryview(leaves)
        self.given: dict[tuple[int, int], bytes] = {}
        """What the proof said of which stretch of the tree, for trees that are part of this one."""
        self._starts: list[int] = []
        before = 0
        for first, last in runs:
            self._starts.append(before)
            before += last - first + 1
        self._run = self._taken = 0

    def root(self) -> bytes:
        """The root that leaves and proof lead to. Raises `BadProof` when too few or too many hashes are given."""
        self._run = self._taken = 0
        if self.size == 0:
            return EMPTY
        found = self._descend(0, self.size)
        if self._taken != len(self.hashes):
            raise BadProof(f"it has {len(self.hashes)} hashes where {self._taken} are asked for")
        return found

    def _descend(self, low: int, high: int) -> bytes:
        runs = self.runs
        while self._run < len(runs) and runs[self._run][1] < low:
            self._run += 1
        if self._run == len(runs) or runs[self._run][0] >= high:
            return self._next(low, high)
        width = high - low
        if width <= AT_ONCE and width & (width - 1) == 0:
            first, last = runs[self._run]
            if first <= low and high - 1 <= last:
                return self._own(low, width)
        middle = low + split(width)
        left = self._descend(low, middle)
        return node_hash(left, self._descend(middle, high))

    def _own(self, low: int, width: int) -> bytes:
        at = (self._starts[self._run] + low - self.runs[self._run][0]) * HASH
        return perfect_root(bytes(self.leaves[at : at + width * HASH]))

    def _next(self, low: int, high: int) -> bytes:
        if self._taken == len(self.hashes):
            raise BadProof(f"it ends after {self._taken} hashes, where more are asked for")
        found = self.hashes[self._taken]
        self._taken += 1
        self.given[low, high] = found
        return found

    def root_of_first(self, size: int) -> bytes | None:
        """The root that the tree had at a smaller size, where what is known here is enough to say it."""
        self._run = 0
        return EMPTY if size == 0 else self._known(0, size)

    def _known(self, low: int, high: int) -> bytes | None:
        if (low, high) in self.given:
            return self.given[low, high]
        while self._run < len(self.runs) and self.runs[self._run][1] < low:
            self._run += 1
        if self._run == len(self.runs) or self.runs[self._run][0] >= high:
            return None
        width = high - low
        first, last = self.runs[self._run]
        if width <= AT_ONCE and width & (width - 1) == 0 and first <= low and high - 1 <= last:
            return self._own(low, width)
        middle = low + split(width)
        left = self._known(low, middle)
        right = None if left is None else self._known(middle, high)
        return None if left is None or right is None else node_hash(left, right)
