"""Whether a bundle proves what it says: every byte of it accounted for, up to a root that the log has signed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import told
from .entries import Entries, check_order, read_entries
from .keys import Listed, Ring, parse_listed
from .manifest import (
    FORMAT,
    Manifest,
    check_file,
    check_names,
    check_rest,
    parse_manifest,
)
from .merkle import HASH, BadProof, Walk
from .notes import BadNote, Checkpoint, Key, parse_checkpoint, parse_note
from .older import Older, check_older
from .problems import Problems, Report, Unusable
from .proofs import Multi, parse_consistency, parse_multi, parse_single
from .store import TORN, Damaged, Store, open_bundle, read
from .strict import Malformed, loads_bytes

SMALL = 1 << 20
MOST = {"manifest.json": 8 << 20, "people.json": 64 << 20, "proof.json": 1 << 30}
LEAVES = "leaves.bin"
"""Not needed for the proof: the hash the tree holds for each entry, which tells *which* of them was changed."""


def verify_bundle(
    path: Path | str,
    *,
    keys: Sequence[str] = (),
    checkpoints: Sequence[str] = (),
    workers: int = 1,
) -> Report:
    """Look at a bundle. `keys` are verifier keys somebody vouches for, `checkpoints` the text of older checkpoints.

    More `workers` are other processes that help with large bundles; give more than one only from a program whose
    main module can be imported again (as `multiprocessing` asks for). Raises `Unusable` and `NoCryptography`.
    """
    try:
        vouched = [parse_key_given(key) for key in keys]
        return Verification(open_bundle(Path(path)), vouched, checkpoints, workers).report()
    except Damaged as why:
        raise Unusable(str(why)) from why


def parse_key_given(vkey: str) -> Key:
    from .notes import parse_key

    try:
        return parse_key(vkey)
    except BadNote as why:
        raise Unusable(f"--key: {why}") from None


class Verification:
    """One bundle being looked at: what was read of it so far."""

    def __init__(
        self, store: Store, vouched: list[Key], older: Sequence[str], workers: int
    ) -> None:
        self.store, self.vouched, self.older, self.workers = store, vouched, older, workers
        self.problems = Problems()
        self.seen: set[str] = set()
        self.entries = Entries()
        self.walk: Walk | None = None
        self.signed_by: list[Key] = []
        self.continued: list[Older] = []

    def report(self) -> Report:
        raw = self._read("manifest.json")
        assert raw is not None
        try:
            manifest = parse_manifest(raw)
        except Malformed as why:
            raise Unusable(f"manifest.json: {why}") from None
        check_names(manifest, self.store, self.problems)
        ring = self._ring(manifest)
        checkpoint = self._checkpoint(manifest, ring)
        self._manifest_signature(manifest, ring)
        multi = self._multi(manifest)
        self._entries(manifest)
        if checkpoint is not None and multi is not None:
            self._prove(manifest, checkpoint, multi)
            self._singles(manifest, checkpoint)
            self._olders(manifest, ring, checkpoint)
        self._read("people.json", manifest, _people)
        check_rest(manifest, self.store, self.seen, self.problems)
        return told.report(self, manifest, ring, checkpoint)

    def _read(self, name: str, manifest: Manifest | None = None, parse: Any = None) -> Any:
        """A small file's bytes, or what `parse` makes of them; None when there is none or it means nothing."""
        if name not in self.store.names:
            return None
        self.seen.add(name)
        try:
            raw = read(self.store, name, MOST.get(name, SMALL))
        except Damaged as why:
            if manifest is None:
                raise
            self.problems.add("file changed", str(why))
            return None
        if manifest is not None:
            check_file(manifest, name, sha256(raw).hexdigest(), self.problems)
        try:
            return parse(raw) if parse else raw
        except (BadNote, BadProof, Malformed, UnicodeDecodeError) as why:
            self.problems.add(f"{name} unreadable", f"{name}: {why}")
            return None

    def _ring(self, manifest: Manifest) -> Ring:
        listed: list[Listed] | None = self._read(
            "keys.json", manifest, lambda raw: parse_listed(loads_bytes(raw))
        )
        ring = Ring(manifest.origin, listed or [], self.vouched)
        ring.follow(self.problems)
        return ring

    def _checkpoint(self, manifest: Manifest, ring: Ring) -> Checkpoint | None:
        found: Checkpoint | None = self._read(
            "checkpoint", manifest, lambda raw: parse_checkpoint(raw.decode())
        )
        if found is None:
            return None
        if found.origin != manifest.origin:
            self.problems.add(
                "origin", f"the checkpoint is of {found.origin}, the manifest of {manifest.origin}"
            )
        if found.size != manifest.size:
            self.problems.add(
                "size",
                f"the checkpoint is of {found.size:,} entries, the manifest says {manifest.size:,}",
            )
        self.signed_by = ring.signers(found.note, found.size, "the checkpoint", self.problems)
        if self.signed_by and not ring.vouches(self.signed_by):
            self.problems.add(
                "nobody vouched",
                "signed by a key nobody vouched for: compare "
                f"{self.signed_by[-1].vkey} with what the log's people publish, and give it as --key",
            )
        return found

    def _manifest_signature(self, manifest: Manifest, ring: Ring) -> None:
        note = self._read("manifest.sig", None, lambda raw: parse_note(raw.decode()))
        if note is None:
            return  # that it is missing or no note is said already
        fingerprint = b64encode(manifest.sha256).decode()
        if note.text != f"{FORMAT}\n{manifest.origin}\n{fingerprint}\n":
            self.problems.add("manifest", "manifest.json is not the one that manifest.sig signs")
            return
        signers = ring.signers(note, manifest.size, "the manifest", self.problems)
        if signers and ring.vouches(self.signed_by) and not ring.vouches(signers):
            self.problems.add(
                "manifest not vouched",
                f"the manifest is signed by {signers[-1].vkey}, which nobody vouched for: not by "
                "who signed the checkpoint",
            )

    def _multi(self, manifest: Manifest) -> Multi | None:
        multi: Multi | None = self._read("proof.json", manifest, parse_multi)
        if multi is None:
            return None
        if multi.size != manifest.size:
            self.problems.add(
                "size",
                f"the proof is for a tree of {multi.size:,}, the manifest says {manifest.size:,}",
            )
        return multi

    def _entries(self, manifest: Manifest) -> None:
        name = "entries.jsonl"
        if name not in self.store.names:
            return
        self.seen.add(name)
        since, until = manifest.period
        try:
            with self.store.open(name) as file:
                self.entries = read_entries(
                    file,
                    self.store.length(name),
                    self.problems,
                    since=since,
                    until=until,
                    workers=self.workers,
                )
        except TORN as why:
            self.problems.add("file changed", f"{name} is damaged: {why}")
            return
        check_file(manifest, name, self.entries.sha256, self.problems)
        said = {"entries": manifest.count, "erased entries": manifest.erased}
        found = {"entries": len(self.entries.indexes), "erased entries": self.entries.erased}
        for what in said:
            if said[what] != found[what]:
                self.problems.add(
                    "count", f"the manifest says {said[what]:,} {what}, there are {found[what]:,}"
                )

    def _prove(self, manifest: Manifest, checkpoint: Checkpoint, multi: Multi) -> None:
        if not check_order(self.entries, multi.runs, self.problems):
            return
        walk = Walk(checkpoint.size, multi.runs, self.entries.leaves, multi.hashes)
        try:
            if multi.size == checkpoint.size and walk.root() == checkpoint.root:
                self.walk = walk
                return
            why = "entries and proof lead to another root than the checkpoint’s"
        except BadProof as problem:
            why = f"the proof does not fit its tree: {problem}"
        self.problems.add("root", why)
        if "proof does not" not in why:
            self._which(manifest, checkpoint, multi)

    def _which(self, manifest: Manifest, checkpoint: Checkpoint, multi: Multi) -> None:
        """Which entries were changed, where the tree's own hashes are there and lead to the signed root."""
        own = self.entries.leaves
        if LEAVES not in self.store.names:
            return
        self.seen.add(LEAVES)
        leaves = read(self.store, LEAVES, len(own))
        check_file(manifest, LEAVES, sha256(leaves).hexdigest(), self.problems)
        if len(leaves) != len(own):
            return
        if Walk(checkpoint.size, multi.runs, leaves, multi.hashes).root() != checkpoint.root:
            return
        for at, index in enumerate(self.entries.indexes):
            place = slice(at * HASH, (at + 1) * HASH)
            if leaves[place] != own[place]:
                self.problems.add(
                    "line changed", f"entry {index:,}: its line is not the one the log holds", index
                )

    def _singles(self, manifest: Manifest, checkpoint: Checkpoint) -> None:
        """Each entry's own proof, where there are some."""
        from .single import root_of

        place = {index: at * HASH for at, index in enumerate(self.entries.indexes)}
        for name in sorted(self.store.names):
            if not (name.startswith("proofs/") and name in manifest.files):
                continue
            single = self._read(name, manifest, parse_single)
            if single is None:
                continue
            at = place.get(single.index)
            if at is None or name != f"proofs/{single.index}.tlog-proof":
                self.problems.add(
                    "proof", f"{name} is for entry {single.index:,}: not of this bundle"
                )
            elif (
                single.checkpoint != checkpoint
                or root_of(single, bytes(self.entries.leaves[at : at + HASH])) != checkpoint.root
            ):
                self.problems.add(
                    "proof",
                    f"entry {single.index:,}: its own proof does not lead to the checkpoint",
                    single.index,
                )

    def _olders(self, manifest: Manifest, ring: Ring, newer: Checkpoint) -> None:
        proof = self._read("consistency.json", manifest, parse_consistency)
        asked = [(_parsed(text), "the checkpoint you hold") for text in self.older]
        if proof is not None:
            asked.append((proof[0], "the checkpoint in consistency.json"))
        for older, what in asked:
            name = f"{what}, of {older.size:,} entries,"
            if older.origin == newer.origin:
                ring.signers(older.note, older.size, name, self.problems)
            found = check_older(older, newer, name, self.problems, proof=proof, walk=self.walk)
            if found is not None and found not in self.continued:
                self.continued.append(found)


def _people(raw: bytes) -> dict[str, str]:
    found = loads_bytes(raw)
    if type(found) is not dict or not all(type(name) is str for name in found.values()):
        raise Malformed("it is no table of names by id")
    return found


def _parsed(text: str) -> Checkpoint:
    try:
        return parse_checkpoint(text)
    except BadNote as why:
        raise Unusable(f"--checkpoint: {why}") from None
