"""One entry's own proof (.tlog-proof), and two checkpoints of one log."""

from __future__ import annotations

from collections.abc import Sequence

from .keys import Ring
from .lines import check_part
from .merkle import BadProof, leaf_hash, root_by_inclusion
from .notes import BadNote, Checkpoint, Key, parse_checkpoint
from .older import check_older
from .problems import Problems, Report, Unusable
from .proofs import Single, parse_consistency, parse_single
from .strict import Malformed, loads_bytes


def root_of(single: Single, leaf: bytes) -> bytes | None:
    """The root that a proof leads to from a leaf's hash; None when it has not the shape of its place."""
    try:
        return root_by_inclusion(single.index, single.checkpoint.size, leaf, single.hashes)
    except BadProof:
        return None


def verify_single(proof: bytes, entry: bytes, *, keys: Sequence[Key] = ()) -> Report:
    """Whether a .tlog-proof proves an entry: its line of entries.jsonl, or the leaf's own text."""
    problems = Problems()
    try:
        single = parse_single(proof)
    except (BadProof, BadNote) as why:
        raise Unusable(f"the proof: {why}") from None
    leaf = _leaf(entry, single, problems)
    checkpoint = single.checkpoint
    if root_of(single, leaf_hash(leaf)) != checkpoint.root:
        problems.add("proof", "entry and proof do not lead to the checkpoint’s root", single.index)
    signers = _signed(checkpoint, "the checkpoint", keys, problems)
    said = [
        f"entry {single.index:,} of {checkpoint.size:,} of the log {checkpoint.origin}",
        f"its line: {leaf.decode(errors='replace')}",
        *(f"signed by {key.vkey}" for key in signers),
    ]
    facts = {"index": single.index, "size": checkpoint.size, "origin": checkpoint.origin}
    return Report("entry", problems.listed(), said, facts)


def _leaf(entry: bytes, single: Single, problems: Problems) -> bytes:
    try:
        found = loads_bytes(entry)
    except Malformed as why:
        raise Unusable(f"the entry: {why}") from None
    if type(found) is not dict or "leaf" not in found:
        return entry.rstrip(b"\n")
    part = check_part(entry, 1, "", "")
    problems.add_all(part.problems)
    if part.indexes[0] != single.index:
        problems.add("proof", f"the proof is for entry {single.index:,}, not for this one")
    return str(found["leaf"]).encode(errors="replace")


def verify_consistency(older: str, newer: str, proof: bytes, *, keys: Sequence[Key] = ()) -> Report:
    """Whether the log at `newer` continues the log at `older`; `proof` is a consistency.json."""
    problems = Problems()
    try:
        before, after = parse_checkpoint(older), parse_checkpoint(newer)
        given = parse_consistency(proof)
    except (BadNote, BadProof) as why:
        raise Unusable(str(why)) from None
    if before.size > after.size:
        before, after = after, before
    name = f"the older checkpoint, of {before.size:,} entries,"
    check_older(before, after, name, problems, proof=given)
    signers = _signed(after, "the newer checkpoint", keys, problems)
    if before.origin == after.origin:
        _signed(before, name, keys, problems)
    said = [
        f"{after.size:,} entries of {after.origin} continue the {before.size:,} of the older checkpoint",
        *(f"signed by {key.vkey}" for key in signers),
    ]
    facts = {"origin": after.origin, "from_size": before.size, "size": after.size}
    return Report("consistency", problems.listed(), said, facts)


def _signed(
    checkpoint: Checkpoint, what: str, keys: Sequence[Key], problems: Problems
) -> list[Key]:
    if keys:
        ring = Ring(checkpoint.origin, [], list(keys))
        return ring.signers(checkpoint.note, checkpoint.size, what, problems)
    names = ", ".join(f"{name} ({id.hex()})" for name, id, _ in checkpoint.note.signatures)
    problems.add(
        "nobody vouched",
        f"nobody vouched for a key: give the log’s as --key; its signatures are said to be by {names}",
    )
    return []
