"""The Merkle tree of RFC 6962 §2.1 over SHA-256: roots, proofs that something is in it, and that it only grew.

A full subtree is named by `(level, index)`: the `index`th of `2**level` leaves. Whoever asks for a proof brings
`get_node(level, index)`; it is only asked for full subtrees that lie within the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

type GetNode = Callable[[int, int], bytes]
type Run = tuple[int, int]
"""Contiguous indexes, first and last included."""

EMPTY = sha256().digest()


class NotProved(Exception):
    """The hashes do not lead to the root."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size` (which is at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over these leaves' hashes, or over full subtrees of one size of which the last may be smaller."""
    if not hashes:
        return EMPTY
    row = list(hashes)
    while len(row) > 1:
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = paired + row[-1:] if len(row) % 2 else paired
    return row[0]


def subtree(first: int, end: int, get_node: GetNode) -> bytes:
    """The hash over the leaves from `first` up to, not including, `end`, as one subtree of the tree."""
    size = end - first
    if size == 1 << size.bit_length() - 1 and first % size == 0:
        return get_node(size.bit_length() - 1, first // size)
    middle = first + split(size)
    return node_hash(subtree(first, middle, get_node), subtree(middle, end, get_node))


def root(size: int, get_node: GetNode) -> bytes:
    return subtree(0, size, get_node) if size else EMPTY


# -- one leaf ---------------------------------------------------------------------------------------


def inclusion(size: int, index: int, get_node: GetNode) -> list[bytes]:
    """The audit path of a leaf, from its sibling up (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} has no leaf {index}.")
    path = []
    first, end = 0, size
    while end - first > 1:
        middle = first + split(end - first)
        if index < middle:
            path.append(subtree(middle, end, get_node))
            end = middle
        else:
            path.append(subtree(first, middle, get_node))
            first = middle
    return path[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that this path leads to (RFC 9162 §2.1.3.2). Raises NotProved when it cannot lead anywhere."""
    if not 0 <= index < size:
        raise NotProved(f"A tree of {size} has no leaf {index}.")
    at, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise NotProved("The proof is too long.")
        if at % 2 or at == last:
            found = node_hash(step, found)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last:
        raise NotProved("The proof is too short.")
    return found


# -- two sizes --------------------------------------------------------------------------------------


def consistency(old: int, new: int, get_node: GetNode) -> list[bytes]:
    """What shows that the tree of `new` leaves continues that of `old` (RFC 6962 §2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {new} does not continue one of {old}.")
    if old in (0, new):
        return []
    path = []
    first, end, whole = 0, new, True
    while old != end:
        middle = first + split(end - first)
        if old <= middle:
            path.append(subtree(middle, end, get_node))
            end = middle
        else:
            path.append(subtree(first, middle, get_node))
            first, whole = middle, False
    if not whole:
        path.append(subtree(first, end, get_node))
    return path[::-1]


def check_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raises NotProved unless the path shows that the one continues the other (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= new:
        raise NotProved(f"A tree of {new} does not continue one of {old}.")
    if old in (0, new):
        expected = EMPTY if old == 0 else new_root
        if path or old_root != expected:
            raise NotProved("The roots differ.")
        return
    steps = list(path) if old & (old - 1) else [old_root, *path]
    if not steps:
        raise NotProved("The proof is too short.")
    at, last = old - 1, new - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise NotProved("The proof is too long.")
        if at % 2 or at == last:
            was, now = node_hash(step, was), node_hash(step, now)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, step)
        at, last = at >> 1, last >> 1
    if last or was != old_root or now != new_root:
        raise NotProved("The newer tree does not continue the older one.")


# -- many leaves ------------------------------------------------------------------------------------


def runs_of(indexes: Sequence[int]) -> list[Run]:
    """Sorted indexes without doubles, as runs."""
    runs: list[Run] = []
    for index in indexes:
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs


def multi(size: int, runs: Sequence[Run], get_node: GetNode) -> list[bytes]:
    """The subtrees that hold none of the runs' leaves, in the order in which a descent from the root meets them."""
    return [subtree(first, end, get_node) for first, end in _outside(0, size, list(runs))]


def _outside(first: int, end: int, runs: list[Run]) -> Iterator[tuple[int, int]]:
    if not runs:
        if end > first:
            yield first, end
        return
    if runs[0][0] <= first and runs[0][1] >= end - 1:
        return
    middle = first + split(end - first)
    yield from _outside(first, middle, [run for run in runs if run[0] < middle])
    yield from _outside(middle, end, [run for run in runs if run[1] >= middle])


def root_from_multi(
    size: int, runs: Sequence[Run], leaves: Sequence[bytes], hashes: Sequence[bytes]
) -> bytes:
    """The root that the leaves of the runs, in their order, and the hashes beside them lead to."""
    inside, outside = iter(leaves), iter(hashes)

    def descend(first: int, end: int, within: list[Run]) -> bytes:
        if not within:
            return next(outside)
        if end - first == 1:
            return next(inside)
        middle = first + split(end - first)
        left = descend(first, middle, [run for run in within if run[0] < middle])
        right = descend(middle, end, [run for run in within if run[1] >= middle])
        return node_hash(left, right)

    try:
        found = descend(0, size, list(runs)) if size else EMPTY
    except StopIteration:
        raise NotProved("Hashes or leaves are missing.") from None
    if next(inside, None) is not None or next(outside, None) is not None:
        raise NotProved("There are more hashes or leaves than belong.")
    return found
