"""Signed notes, verifier keys and checkpoints, as C2SP writes them. Ed25519 comes from `cryptography`."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import sha256

ED25519 = b"\x01"
LONGEST = 1_000_000
MOST_SIGNATURES = 100
_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\Z")
_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")


class BadNote(Exception):
    """Text that is no signed note, checkpoint or key, or carries a signature that does not hold."""


class NoCryptography(Exception):
    """The package that checks Ed25519 signatures is not installed."""

    def __str__(self) -> str:
        return (
            "Signatures are checked by the package “cryptography”: pip install 'watchfloor[verify]'"
        )


@dataclass(frozen=True)
class Key:
    """A public key as people pass it on: `name+key id+base64`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    def signed(self, text: str, signature: bytes) -> bool:
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError as missing:
            raise NoCryptography from missing
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_key(vkey: str) -> Key:
    parts = vkey.strip().split("+", 2)
    if len(parts) != 3:
        raise BadNote(f"“{vkey[:80]}” is no verifier key: it reads name+id+base64")
    name, id, public = parts[0], parts[1], base64(parts[2])
    if not name or public is None or len(public) != 33 or public[:1] != ED25519:
        raise BadNote(f"“{vkey[:80]}” is no verifier key for Ed25519")
    if any(c.isspace() or not c.isprintable() for c in name):
        raise BadNote("the name of a verifier key has no spaces")
    key = Key(name, public[1:])
    if key.id.hex() != id:
        raise BadNote(f"the key “{name}” has another id than it says: it was copied wrongly")
    return key


@dataclass(frozen=True)
class Note:
    """A text, and who is said to have signed it: name, key id, signature."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signers(self, keys: list[Key]) -> list[Key]:
        """Which of these keys signed. Raises `BadNote` when one of them is named and its signature does not hold."""
        found = []
        known = {(key.name, key.id): key for key in keys}
        for name, id, signature in self.signatures:
            key = known.get((name, id))
            if key is None or key in found:
                continue  # somebody else's, a witness's for example
            if not key.signed(self.text, signature):
                raise BadNote(f"the signature of {name} ({id.hex()}) is forged")
            found.append(key)
        return found


def parse_note(raw: str) -> Note:
    if len(raw) > LONGEST:
        raise BadNote("it is too long for a signed note")
    if any(c < " " and c != "\n" for c in raw) or "\x7f" in raw:
        raise BadNote("it contains control characters")
    text, blank, rest = raw.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise BadNote("it is no signed note")
    lines = rest[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadNote("it has too many signatures")
    signatures = []
    for line in lines:
        found = _LINE.match(line)
        signature = base64(found[2]) if found else None
        if found is None or signature is None or len(signature) < 5:
            raise BadNote("one of its signatures is no signature")
        signatures.append((found[1], signature[:4], signature[4:]))
    return Note(text + "\n", tuple(signatures))


@dataclass(frozen=True)
class Checkpoint:
    """What a log says it was at a moment: so many entries, this root."""

    origin: str
    size: int
    root: bytes
    note: Note


def parse_checkpoint(raw: str) -> Checkpoint:
    note = parse_note(raw)
    lines = note.text.split("\n")
    root = base64(lines[2]) if len(lines) >= 4 else None
    if root is None or len(root) != 32 or not lines[0] or not _COUNT.fullmatch(lines[1]):
        raise BadNote("it is no checkpoint: origin, size and root, a line each")
    if len(lines) > 4 and "" in lines[3:-1]:
        raise BadNote("it is no checkpoint: it has an empty line")
    return Checkpoint(lines[0], int(lines[1]), root, note)


def base64(text: str) -> bytes | None:
    """The bytes; None when the text is not the one way to write them."""
    try:
        found = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return found if b64encode(found).decode() == text else None
