"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness): they keep the largest tree they saw of us.

A witness signs only what continues what it saw before. So a record that was rewritten, or restored from an older
backup, is refused there, whatever this machine says.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from . import outbound
from .rules.cosignatures import BadCosignature, BadKey, Cosignature, WitnessKey, find, parse_key
from .targets import TargetRefused

MOST_LINES = 63
"""Hashes a consistency proof may have (tlog-witness)."""

type Prove = Callable[[int, int], Sequence[bytes]]
"""The consistency proof from a smaller tree of ours to a larger one."""


@dataclass(frozen=True)
class Witness:
    key: WitnessKey
    url: str
    """Its submission prefix."""

    @property
    def name(self) -> str:
        return self.key.name


class Refused(Exception):
    """It did not sign, and that says nothing about the record. The text is a sentence."""


class Contradicted(Exception):
    """It knows a tree of ours that this one does not continue."""

    def __init__(self, detail: str, size: int) -> None:
        super().__init__(detail)
        self.size = size


def witnesses() -> tuple[Witness, ...]:
    """Those that WATCHFLOOR_WITNESSES names."""
    return read(settings.WATCHFLOOR_WITNESSES)


@cache
def read(text: str) -> tuple[Witness, ...]:
    """`vkey url`, separated by commas or lines. Raises BadKey."""
    found = []
    for one in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        vkey, _space, url = one.partition(" ")
        if not url.strip().startswith(("https://", "http://")):
            raise BadKey("A witness is named by its verifier key, a space and its address.")
        found.append(Witness(parse_key(vkey), url.strip().rstrip("/")))
    return tuple(found)


def add_checkpoint(
    witness: Witness, note: str, *, size: int, old: int, prove: Prove
) -> Cosignature:
    """Have a signed checkpoint of `size` cosigned; `old` is the last one it signed, as far as we know.

    Raises Refused, Contradicted, `NoAnswer`, `TargetRefused`. It is asked twice at most: it may know better
    than we do which one it signed last.
    """
    answer = _ask(witness, note, size, old, prove)
    if answer.status == 409:
        known = _size_in(answer.excerpt)
        if known is None and old == size:
            known = size  # it may say no more than that its tree of this size is another
        if known is None:
            raise Refused(f"{witness.name} answered 409 without the size it knows.")
        if known > size:
            raise Contradicted(
                f"{witness.name} has seen {known:,} entries of this record; here are only {size:,}.",
                known,
            )
        if known == old:  # it signed another tree of this very size
            raise Contradicted(
                f"{witness.name} has seen another record of {known:,} entries.", known
            )
        old = known
        answer = _ask(witness, note, size, old, prove)
    return _signed(witness, answer, note, old)


def _signed(witness: Witness, answer: outbound.Answer, note: str, old: int) -> Cosignature:
    match answer.status:
        case 200:
            body = note.partition("\n\n")[0] + "\n"
            try:
                return find(witness.key, body, answer.excerpt)
            except BadCosignature as problem:
                raise Refused(str(problem)) from problem
        case 422 | 409:
            raise Contradicted(
                f"{witness.name} has seen {old:,} entries of a record that this one does not continue.",
                old,
            )
        case 403:
            raise Refused(f"{witness.name} does not know the key that signs this record.")
        case 404:
            raise Refused(f"{witness.name} does not know this record.")
        case status:
            raise Refused(f"{witness.name} answered {status}.")


def _ask(witness: Witness, note: str, size: int, old: int, prove: Prove) -> outbound.Answer:
    proof = list(prove(old, size)) if 0 < old < size else []
    if len(proof) > MOST_LINES:
        raise Refused(f"The proof for {witness.name} would be too long.")
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof), "", note]
    return outbound.post(
        f"{witness.url}/add-checkpoint", "\n".join(lines), {"Content-Type": "text/plain"}
    )


def _size_in(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


__all__ = ["Contradicted", "Refused", "TargetRefused", "Witness", "add_checkpoint", "read"]
