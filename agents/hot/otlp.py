"""OTLP/HTTP: `POST /v1/traces` takes spans from any instrumented agent; answered when they are stored and judged."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from audit.errors import Refused

from ..otlp import answers
from ..otlp.inflating import NotGzip, TooLarge, inflated
from ..otlp.reading import DECODERS, Export, read
from ..otlp.spans import Malformed
from ..transitions.telemetry import Revoked, Told
from . import forward
from .actions import agent_of
from .http import Gone, Problem, Receive, Scope, Send, answer, key_hash, read_body
from .ingest import Full, Ingest, Unavailable
from .refusing import told_of

logger = logging.getLogger(__name__)

ROUTE = re.compile(r"(?:/api/v1/otlp)?/v1/traces/?")
LARGEST = 20 * 2**20
MOST_HELD = 128 * 2**20
"""Bytes of bodies that are read or waiting, of all requests together."""

STATUS = {
    "malformed": (400, answers.INVALID_ARGUMENT),
    "unauthorized": (401, answers.UNAUTHENTICATED),
    "method_not_allowed": (405, answers.INVALID_ARGUMENT),
    "too_large": (413, answers.INVALID_ARGUMENT),
    "unsupported": (415, answers.INVALID_ARGUMENT),
    "busy": (429, answers.RESOURCE_EXHAUSTED),
    "internal": (500, answers.INTERNAL),
    "unavailable": (503, answers.UNAVAILABLE),
}
RETRY_AFTER = {"busy": (b"retry-after", b"1"), "unavailable": (b"retry-after", b"2")}

ingest = Ingest()
_reading = ThreadPoolExecutor(1, "otlp")
"""Waiting agents are answered meanwhile. One thread: reading is Python's work, which more would not share."""
_held = 0
_owners: dict[bytes, UUID] = {}
MOST_OWNERS = 10_000


class Encoding(NamedTuple):
    kind: str
    """`application/x-protobuf` or `application/json`."""
    is_gzip: bool


def matches(scope: Scope) -> bool:
    """Whether this request brings spans."""
    return scope["type"] == "http" and ROUTE.fullmatch(scope["path"]) is not None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """One request. Refusals are a google.rpc.Status in the request's encoding."""
    kind = kind_of(scope)
    try:
        rejected, why = await take(scope, receive)
    except Gone:
        return
    except Refused as refusal:
        await refuse(send, kind, refusal.code, refusal.detail)
        await told_of(scope, refusal.code, refusal.detail)
    except (psycopg.OperationalError, PoolTimeout) as error:
        logger.warning("The database did not answer: %s", error)
        await refuse(send, kind, "unavailable", "The database does not answer. Try again.")
    except Exception:
        logger.exception("The OTLP door failed")
        await refuse(send, kind, "internal", "Something failed here; nothing was stored.")
    else:
        body = answers.accepted(kind, rejected=rejected, why=why)
        await answer(send, 200, body, kind=(b"content-type", kind.encode()))


async def take(scope: Scope, receive: Receive) -> tuple[int, str]:
    """Store the request's spans; how many could not be, and why. Raises Refused."""
    global _held
    if scope["method"] != "POST":
        raise Problem("method_not_allowed", "Use POST.")
    key = key_hash(scope)
    encoding = encoding_of(scope)
    if _held > MOST_HELD:
        raise Problem("busy", "More spans wait than can be stored. Try again.")
    agent = await owner_of(key)
    body = await read_body(receive, LARGEST)
    held = len(body) * (4 if encoding.is_gzip else 1)
    _held += held
    try:
        export = await unpacked(body, encoding)
        rejected = await stored(Told(agent, export, key))
    except Revoked:
        _owners.pop(key, None)
        raise
    finally:
        _held -= held
    forward.soon(body, scope)
    if rejected:
        return export.rejected + rejected, export.why or "A span does not fit the database."
    return export.rejected, export.why


async def owner_of(key: bytes) -> UUID:
    """The agent of this key, as far as known here: whether it still works is asked again when its spans are stored."""
    known = _owners.get(key)
    if known is not None:
        return known
    agent = await agent_of(key)
    if agent is None:
        raise Problem("unauthorized", "This key is not known, or it was revoked.")
    if len(_owners) >= MOST_OWNERS:
        _owners.clear()
    owner: UUID = agent.id
    _owners[key] = owner
    return owner


async def unpacked(body: bytes, encoding: Encoding) -> Export:
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(_reading, unpack, body, encoding)
    except TooLarge:
        raise Problem("too_large", f"A request may have {LARGEST // 2**20} MiB.") from None
    except NotGzip as error:
        raise Problem("malformed", f"The body is not gzip: {error}") from error
    except Malformed as error:
        raise Problem("malformed", str(error)) from error


def unpack(body: bytes, encoding: Encoding) -> Export:
    whole = inflated(body, LARGEST) if encoding.is_gzip else body
    return read(whole, encoding.kind, now_ns=time.time_ns())


async def stored(told: Told) -> int:
    try:
        return await ingest.store(told)
    except Full:
        raise Problem("busy", "More spans wait than can be stored. Try again.") from None
    except Unavailable:
        raise Problem("unavailable", "The database does not answer. Try again.") from None


def encoding_of(scope: Scope) -> Encoding:
    """How the body is written. Raises Problem (unsupported)."""
    headers = dict(scope["headers"])
    kind = media_type(headers.get(b"content-type", b""))
    if kind not in DECODERS:
        raise Problem("unsupported", f"Send {' or '.join(DECODERS)}.")
    packed = headers.get(b"content-encoding", b"").strip().lower()
    if packed not in (b"", b"identity", b"gzip"):
        raise Problem("unsupported", "Send it as it is, or with gzip.")
    return Encoding(kind, packed == b"gzip")


def kind_of(scope: Scope) -> str:
    """The encoding of the answer."""
    kind = media_type(dict(scope["headers"]).get(b"content-type", b""))
    return kind if kind in DECODERS else answers.JSON


def media_type(header: bytes) -> str:
    return header.partition(b";")[0].strip().lower().decode("latin-1")


async def refuse(send: Send, kind: str, code: str, detail: str) -> None:
    status, number = STATUS.get(code, STATUS["internal"])
    headers = [RETRY_AFTER[code]] if code in RETRY_AFTER else []
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    body = answers.refused(kind, code=number, message=detail)
    await answer(send, status, body, *headers, kind=(b"content-type", kind.encode()))


async def shutdown() -> None:
    """Write what waits."""
    await ingest.stop()
