"""Signed notes, verifier keys and checkpoints, as C2SP writes them: signed-note, tlog-checkpoint, tlog-proof.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-proof
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
DASH = "\u2014"


class BadNote(Exception):
    """It is not a note, not of this key, or its signature is false."""


class Verifier(NamedTuple):
    """Who may have signed: a name and an Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        return key_hash(self.name, ED25519 + self.public)

    def __str__(self) -> str:
        """As it is published: `name+hash+key`."""
        return f"{self.name}+{self.key_hash.hex()}+{b64encode(ED25519 + self.public).decode()}"


class Signature(NamedTuple):
    name: str
    key_hash: bytes
    bytes: bytes

    def __str__(self) -> str:
        return f"{DASH} {self.name} {b64encode(self.key_hash + self.bytes).decode()}\n"


class Note(NamedTuple):
    text: str
    """What is signed: lines, each with its end."""
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))


class Body(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def key_hash(name: str, key: bytes) -> bytes:
    """`key` with its type in front."""
    return sha256(name.encode() + b"\n" + key).digest()[:4]


def is_name(name: str) -> bool:
    """May stand in a note: without spaces and plus signs."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def verifier(vkey: str) -> Verifier:
    """Read `name+hash+key`. Raises BadNote."""
    name, _, rest = vkey.strip().partition("+")
    hashed, _, encoded = rest.partition("+")
    try:
        key = b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        key = b""
    if not is_name(name) or len(key) != 33 or key[:1] != ED25519:
        raise BadNote("This is no Ed25519 verifier key (name+hash+key).")
    found = Verifier(name, key[1:])
    if found.key_hash.hex() != hashed:
        raise BadNote("The verifier key's hash does not fit its key: it was mistyped or changed.")
    return found


def verifier_of(name: str, private: Ed25519PrivateKey) -> Verifier:
    return Verifier(name, private.public_key().public_bytes_raw())


def sign(text: str, name: str, private: Ed25519PrivateKey) -> Signature:
    """A line below the note; `text` ends with a newline."""
    return Signature(name, verifier_of(name, private).key_hash, private.sign(text.encode()))


def parse(note: str) -> Note:
    """Text and signatures, not verified. Raises BadNote."""
    text, blank, below = note.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise BadNote("A signed note ends in a blank line and signatures.")
    signatures = []
    for line in below[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        try:
            signed = b64decode(encoded, validate=True)
        except (NotBase64, ValueError):
            signed = b""
        if dash != DASH or not is_name(name) or len(signed) < 5:
            raise BadNote("A signature is not written as one.")
        signatures.append(Signature(name, signed[:4], signed[4:]))
    return Note(text + "\n", tuple(signatures))


def is_signed_by(note: Note, key: Verifier) -> bool:
    """Raises BadNote when there is a signature of this key, and it is false."""
    found = False
    for signature in note.signatures:
        if (signature.name, signature.key_hash) != (key.name, key.key_hash):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(
                signature.bytes, note.text.encode()
            )
        except (InvalidSignature, ValueError):  # the latter when the key has not the length of one
            raise BadNote(f"The signature of {key.name} is false.") from None
        found = True
    return found


def opened(note: str, *keys: Verifier) -> Note:
    """The note, when one of the keys signed it and none falsely. Raises BadNote."""
    read = parse(note)
    signed = [is_signed_by(read, key) for key in keys]
    if not any(signed):
        raise BadNote("None of the keys signed this.")
    return read


# -- checkpoints ------------------------------------------------------------------------------------


def checkpoint(body: Body) -> str:
    """The text that is signed."""
    return f"{body.origin}\n{body.size}\n{b64encode(body.root).decode()}\n"


def parse_checkpoint(text: str) -> Body:
    """Origin, size and root; further lines are extensions and may be anything. Raises BadNote."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise BadNote("A checkpoint has three lines.")
    origin, size, encoded = lines[:3]
    try:
        hashed = b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        hashed = b""
    is_number = size.isascii() and size.isdigit() and (size == "0" or size[0] != "0")
    if not origin or not is_number or len(size) > 18 or len(hashed) != 32:
        raise BadNote("A checkpoint says origin, size and root.")
    return Body(origin, int(size), hashed)


def rotation(origin: str, new: Verifier) -> str:
    """What a key says of the one that follows it."""
    return f"watchfloor-key-rotation/1\n{origin}\n{new}\n"


def proof(index: int, path: Sequence[bytes], checkpoint_note: str) -> str:
    """A `.tlog-proof`: all that an outsider needs beside the leaf."""
    hashes = "".join(f"{b64encode(step).decode()}\n" for step in path)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint_note}"
