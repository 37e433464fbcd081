"""Makes logs and bundles for tests, by the plainest reading of RFC 6962 and the C2SP notes: slow, and shares no code
with what it tests."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "floor.example/record"


class Signer:
    def __init__(self, seed: int, name: str = ORIGIN) -> None:
        self.name = name
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        public = b"\x01" + self.private.public_key().public_bytes_raw()
        self.id = sha256(name.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64encode(public).decode()}"

    def line(self, text: str) -> str:
        signature = self.id + self.private.sign(text.encode())
        return f"— {self.name} {b64encode(signature).decode()}\n"

    def note(self, text: str, *others: Signer) -> str:
        return text + "\n" + "".join(signer.line(text) for signer in (self, *others))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def path_of(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of §2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path_of(m, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(m - k, leaves[k:]), root_of(leaves[:k])]


def proof_of(m: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) of §2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [root_of(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*proof_of(m, leaves[:k], whole), root_of(leaves[k:])]
    return [*proof_of(m - k, leaves[k:], False), root_of(leaves[:k])]


def many_of(wanted: set[int], leaves: Sequence[bytes], low: int = 0) -> list[bytes]:
    """The largest subtrees that hold none of the wanted, from left to right."""
    if not wanted & set(range(low, low + len(leaves))):
        return [root_of(leaves)] if leaves else []
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return [*many_of(wanted, leaves[:k], low), *many_of(wanted, leaves[k:], low + k)]


def runs_of(indexes: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return runs


def b64(hashes: Sequence[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]


class Log:
    """A log with entries of every shape: text of many kinds, an erased one now and then."""

    def __init__(self, size: int, *, origin: str = ORIGIN, seed: int = 1) -> None:
        self.origin, self.key = origin, Signer(seed, origin)
        self.keys: list[dict[str, Any]] = [
            {"vkey": self.key.vkey, "from_size": 0, "rotation": None}
        ]
        self.signers = [self.key]
        self.lines: list[dict[str, Any]] = []
        self.leaves: list[bytes] = []
        for _ in range(size):
            self.add()

    def add(self, *, erased: bool = False, **changed: Any) -> None:
        number = len(self.leaves)
        body = json.dumps(
            {"data": {"n": number, "é": [1.5, None]}, "summary": f"Line \u202e {number}"},
            ensure_ascii=bool(number % 2),
        )
        salt = sha256(f"salt {number}".encode()).digest()[:16]
        facts: dict[str, Any] = {
            "id": number + 5,
            "at": f"2026-11-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00.000001Z",
            "kind": "hold.approved",
            "version": 1,
            "actor": "person:018f" if number % 3 else 'clock "\\\n\x01\x7fé',
            "about": f"reviews.hold:{number}",
            "team": "",
            "agent": "",
            "run": "",
            "payload": sha256(salt + body.encode()).hexdigest(),
        } | changed
        leaf = rfc8785.dumps(facts)
        self.leaves.append(leaf)
        line: dict[str, Any] = {"index": number, "leaf": leaf.decode()}
        line |= {"erased": True} if erased else {"salt": salt.hex(), "body": body}
        self.lines.append(line)

    def rotate(self, seed: int) -> None:
        new = Signer(seed, self.origin)
        said = f"watchfloor-key-rotation/1\n{self.origin}\n{new.vkey}\n"
        size = len(self.leaves)
        self.keys.append({"vkey": new.vkey, "from_size": size, "rotation": self.key.note(said)})
        self.add()
        self.key, self.signers = new, [self.key, new]

    def checkpoint(self, size: int | None = None) -> str:
        size = len(self.leaves) if size is None else size
        root = b64encode(root_of(self.leaves[:size])).decode()
        first, *others = self.signers
        return first.note(f"{self.origin}\n{size}\n{root}\n", *others)

    def files(
        self, indexes: Sequence[int], *, old: str = "", old_size: int = 0
    ) -> dict[str, bytes]:
        """The files of a bundle of these entries, without manifest."""
        chosen = sorted(indexes)
        checkpoint = self.checkpoint()
        many = {
            "size": len(self.leaves),
            "indexes": runs_of(chosen),
            "hashes": b64(many_of(set(chosen), self.leaves)),
        }
        files = {
            "entries.jsonl": "".join(
                json.dumps(self.lines[index], ensure_ascii=False) + "\n" for index in chosen
            ),
            "proof.json": json.dumps(many),
            "checkpoint": checkpoint,
            "keys.json": json.dumps(self.keys),
            "people.json": json.dumps({"018f": "ada"}),
            "entries.csv": "index,at\n",
            "index.html": "<!doctype html>",
            "README.txt": "Read me.",
        }
        for index in chosen[:20]:
            hashes = "".join(f"{one}\n" for one in b64(path_of(index, self.leaves)))
            files[f"proofs/{index}.tlog-proof"] = (
                f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint}"
            )
        if old:
            files["consistency.json"] = json.dumps(
                {"from": old, "hashes": b64(proof_of(old_size, self.leaves))}
            )
        found = {name: text.encode() for name, text in files.items()}
        found["leaves.bin"] = b"".join(sha256(b"\0" + self.leaves[i]).digest() for i in chosen)
        return found

    def write(self, folder: Path, files: dict[str, bytes], **changed: Any) -> Path:
        """A bundle in a folder, with its manifest signed."""
        if folder.exists():
            shutil.rmtree(folder)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        lines = [json.loads(line) for line in files.get("entries.jsonl", b"").split(b"\n") if line]
        manifest = {
            "format": "watchfloor-evidence/1",
            "origin": self.origin,
            "made_at": "2026-11-21T13:00:00.000000Z",
            "made_by": "iris",
            "about": {"case": "reviews.hold:1"},
            "size": len(self.leaves),
            "count": len(lines),
            "erased": sum("erased" in line for line in lines),
            "files": {name: sha256(content).hexdigest() for name, content in files.items()},
        } | changed
        raw = json.dumps(manifest).encode()
        said = f"watchfloor-evidence/1\n{self.origin}\n{b64encode(sha256(raw).digest()).decode()}\n"
        (folder / "manifest.json").write_bytes(raw)
        (folder / "manifest.sig").write_text(self.key.note(said), "utf-8")
        return folder
