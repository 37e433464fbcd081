"""What was said and given back, as JSON that PostgreSQL takes, capped."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec

from ..rules.digest import canonical
from ..shapes import EXPONENT, NUL, is_too_deep

LONGEST = 16 * 1024
"""Bytes of arguments, and of a result, that are kept of a span; the rest stays with the tracing back end."""

NOT_PLAIN = re.compile(rb"[^\x00-\x7f]|\\u|\d[.eE]|\d{16}|-0")
"""Where sorted JSON may differ from RFC 8785: keys beyond ASCII, floats, large integers, minus zero."""

encode = msgspec.json.Encoder().encode
"""Of a text it is its RFC 8785 form."""
encode_sorted = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder().decode


class Unstorable(Exception):
    """PostgreSQL has no U+0000 in text."""


def as_json(content: Any) -> tuple[str, Any]:
    """Content as JSON text, and as a value where it is JSON within the cap (else None).

    Text that holds an object or a list is taken as that; whatever is too long or strange stays text.
    """
    if isinstance(content, str):
        if "\0" in content:
            raise Unstorable
        raw = encoded(content)
        if content[:1] in ("{", "[") and len(raw) <= LONGEST:
            value = parsed(raw)
            if value is not None:
                return content, value
        return encode(cut(content, raw)).decode(), None
    raw = encode(content)
    if NUL.search(raw):
        raise Unstorable
    if len(raw) > LONGEST or is_too_deep(raw, content):
        return encode(cut(raw.decode(), raw)).decode(), None
    return raw.decode(), content


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def parsed(raw: bytes) -> Any:
    """The object or list, or None where PostgreSQL or people could not take it."""
    if b"u0000" in raw and NUL.search(raw):
        raise Unstorable
    if EXPONENT.search(raw):
        return None
    try:
        value = decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return None if is_too_deep(raw, value) else value


def cut(text: str, raw: bytes) -> str:
    """At most LONGEST bytes, and an ellipsis where something is missing."""
    if len(raw) <= LONGEST:
        return text
    return raw[:LONGEST].decode("utf-8", "ignore") + "…"


def digest_of(tool: str, subject: str, arguments_json: str, arguments: dict[str, Any]) -> bytes:
    """The digest that a proposal of the same call has, so that both count as the same item."""
    raw = arguments_json.encode()
    try:
        plain = NOT_PLAIN.search(raw) is None
        form = encode_sorted(arguments) if plain else canonical(arguments)
        rest = encode(subject), encode(tool)
    except ValueError:
        return digest_of_text(tool, subject, arguments_json)
    return sha256(b'{"arguments":%s,"subject":%s,"tool":%s}' % (form, *rest)).digest()


def digest_of_text(*parts: str) -> bytes:
    """For what has no canonical form, or needs none."""
    return sha256("\0".join(parts).encode("utf-8", "replace")).digest()
