"""What a witness says about a checkpoint: keys, lines and what they sign (C2SP tlog-cosignature v1, Ed25519).

A cosignature says that, at a time, this was the largest tree the witness had seen of the log, and that it continues
every smaller one it had seen before.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COSIGNATURE = 0x04
_DASH = "\u2014 "
_KEY_ID = 4
_TIME = 8
_SIGNATURE = 64


class BadKey(ValueError):
    """Not a verifier key of a witness. The text is a sentence."""


class BadCosignature(ValueError):
    """No line of the answer is the witness's signature of this checkpoint. The text is a sentence."""


@dataclass(frozen=True)
class WitnessKey:
    """Whose cosignatures count: `name+hex key id+base64(0x04 ‖ public key)`."""

    name: str
    key_id: bytes
    public: bytes


@dataclass(frozen=True)
class Cosignature:
    line: str
    """As it stands below a checkpoint, without its newline."""
    time: int
    """Seconds since 1970 by the witness's clock."""


def key_id(name: str, public: bytes) -> bytes:
    """First four bytes of SHA-256 over name, newline, type and key."""
    return sha256(name.encode() + b"\n" + bytes([COSIGNATURE]) + public).digest()[:_KEY_ID]


def parse_key(vkey: str) -> WitnessKey:
    """Read a verifier key. Raises BadKey."""
    name, _plus, rest = vkey.strip().partition("+")
    id_, _plus, encoded = rest.partition("+")
    try:
        given, material = bytes.fromhex(id_), b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        given, material = b"", b""
    if not name or any(c.isspace() for c in name) or len(material) != 33:
        raise BadKey("A witness's key reads name+key id+base64, as it publishes it.")
    if material[0] != COSIGNATURE:
        raise BadKey(f"The key of {name} is of type {material[0]:#04x}: only Ed25519 cosignatures.")
    if key_id(name, material[1:]) != given:
        raise BadKey(f"The key of {name} does not fit its key id: it was copied wrongly.")
    return WitnessKey(name, given, material[1:])


def signed_message(body: str, time: int) -> bytes:
    """What a witness signs: `body` is the checkpoint up to the blank line, its last newline included."""
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def find(key: WitnessKey, body: str, answer: str) -> Cosignature:
    """The witness's line among those of an answer, verified; lines of unknown keys are ignored. Raises BadCosignature."""
    for line in answer.split("\n"):
        blob = _signature_of(key, line)
        if blob is None:
            continue
        time = int.from_bytes(blob[:_TIME])
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(
                blob[_TIME:], signed_message(body, time)
            )
        except InvalidSignature:
            raise BadCosignature(f"What {key.name} signed is not our checkpoint.") from None
        return Cosignature(line, time)
    raise BadCosignature(f"The answer has no cosignature of {key.name} by the key we know.")


def _signature_of(key: WitnessKey, line: str) -> bytes | None:
    """Time and signature of a line that says to be of this key; None for every other line."""
    name, _space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or name != key.name:
        return None
    try:
        blob = b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    if blob[:_KEY_ID] != key.key_id or len(blob) != _KEY_ID + _TIME + _SIGNATURE:
        return None
    return blob[_KEY_ID:]
