"""Whether a log continues what it said before: nothing of an older checkpoint was changed, and its end not cut off."""

from __future__ import annotations

from dataclasses import dataclass

from .merkle import BadProof, Walk, roots_by_consistency
from .notes import Checkpoint
from .problems import Problems


@dataclass(frozen=True)
class Older:
    size: int
    by: str
    """How it was seen: by a proof, or by the entries themselves."""


Proof = tuple[Checkpoint, list[bytes]]
"""A consistency.json: the checkpoint it begins at, and its hashes."""


def check_older(
    older: Checkpoint,
    newer: Checkpoint,
    name: str,
    problems: Problems,
    *,
    proof: Proof | None,
    walk: Walk | None = None,
) -> Older | None:
    """Whether `newer` continues `older`. Says what is wrong when it does not, or when nothing here can tell."""
    if older.origin != newer.origin:
        problems.add("older", f"{name} is of another log, {older.origin}")
        return None
    if older.size > newer.size:
        problems.add(
            "older",
            f"{name} is longer than this log of {newer.size:,}: the end was cut off "
            "(or the bundle is older than the checkpoint)",
        )
        return None
    if older.size == newer.size:
        return _same(older.root == newer.root, older, "of the same size", name, problems)
    if proof is not None and proof[0].size == older.size:
        try:
            roots = roots_by_consistency(older.size, newer.size, older.root, proof[1])
        except BadProof as why:
            problems.add("older", f"consistency.json: {why}")
            return None
        return _same(roots == [older.root, newer.root], older, "by its proof", name, problems)
    root = walk.root_of_first(older.size) if walk is not None else None
    if root is None:
        problems.add(
            "older unknown",
            f"nothing in the bundle connects it with {name}: ask for one made with that checkpoint",
        )
        return None
    return _same(root == older.root, older, "by the entries themselves", name, problems)


def _same(same: bool, older: Checkpoint, by: str, name: str, problems: Problems) -> Older | None:
    if same:
        return Older(older.size, by)
    problems.add("older", f"this log does not continue {name}: what it held then was changed since")
    return None
