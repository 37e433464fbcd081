"""What a web process says to a child, and what it is answered: msgpack, each behind its length in four bytes."""

from __future__ import annotations

from uuid import UUID

import msgspec

LARGEST = 20 * 2**20
"""Bytes a request may have, inflated or not."""
READY = 0
"""The id of a child's first answer, which answers nothing: from now on it may be asked."""
LENGTH = 4


class Request(msgspec.Struct, array_like=True, gc=False):
    """One request of an agent, as it came."""

    id: int
    agent: UUID
    key: bytes
    """SHA-256 of the key it came with."""
    kind: str
    """`application/x-protobuf` or `application/json`."""
    is_gzip: bool
    body: bytes

    @property
    def weight(self) -> int:
        """Its bytes; those of gzip will be more."""
        return len(self.body) * (4 if self.is_gzip else 1)


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What became of one request: stored, but for `rejected` spans; or, with a code, refused as a whole."""

    id: int
    rejected: int = 0
    code: str = ""
    why: str = ""
    rung: tuple[str, ...] = ()
    """Topics that are to be rung now, of whichever requests."""


def framed(message: Request | Answer) -> bytes:
    text = bytearray(LENGTH)
    _encoder.encode_into(message, text, LENGTH)
    text[:LENGTH] = (len(text) - LENGTH).to_bytes(LENGTH)
    return bytes(text)


_encoder = msgspec.msgpack.Encoder()


class Frames[T: (Request, Answer)]:
    """Puts together again what came in pieces."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[T]:
        """The messages that this piece completes."""
        self._held += piece
        found, start = [], 0
        while (text := start + LENGTH) <= len(self._held):
            end = text + int.from_bytes(self._held[start:text])
            if end > len(self._held):
                break
            found.append(self._decoder.decode(memoryview(self._held)[text:end]))
            start = end
        del self._held[:start]
        return found
