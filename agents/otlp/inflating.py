"""gzip (RFC 1952), with an end: what grows beyond the limit is left at the limit."""

from __future__ import annotations

import zlib

GZIP = 31
"""zlib's `wbits` for a gzip header and 32 KiB of window."""
AT_ONCE = 256 * 1024


class TooLarge(Exception):
    """It is more than the limit once inflated."""


class NotGzip(Exception):
    """It is not gzip, or not all of it."""


def inflated(body: bytes, most: int) -> bytes:
    """The content of all members. Raises TooLarge or NotGzip."""
    parts: list[bytes] = []
    size = 0
    while body:
        member = zlib.decompressobj(GZIP)
        while not member.eof:
            try:
                part = member.decompress(body, AT_ONCE)
            except zlib.error as error:
                raise NotGzip(str(error)) from error
            size += len(part)
            if size > most:
                raise TooLarge
            if not part and not member.unconsumed_tail and not member.eof:
                raise NotGzip("It ends too early.")
            parts.append(part)
            body = member.unconsumed_tail
        body = member.unused_data
    return b"".join(parts)
