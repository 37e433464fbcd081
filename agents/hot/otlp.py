"""OTLP/HTTP: `POST /v1/traces` takes spans from any instrumented agent; answered when they are stored and judged."""

from __future__ import annotations

import logging
import re
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from audit.errors import Refused

from ..ingest.ingest import Ingest
from ..ingest.messages import LARGEST
from ..ingest.place import Full
from ..otlp import answers
from ..otlp.reading import DECODERS
from . import forward
from .actions import agent_of
from .http import Gone, Problem, Receive, Scope, Send, answer, key_hash, read_body
from .refusing import told_of

logger = logging.getLogger(__name__)

ROUTE = re.compile(r"(?:/api/v1/otlp)?/v1/traces/?")
MOST_HELD = 128 * 2**20
"""Bytes of bodies that wait or are being stored, of all requests together."""
BUSY = "More spans wait than can be stored. Try again."

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
        raise Problem("busy", BUSY)
    agent = await owner_of(key)
    body = await read_body(receive, LARGEST)
    held = len(body) * (4 if encoding.is_gzip else 1)
    _held += held
    try:
        answer = await ingest.store(agent, key, encoding.kind, is_gzip=encoding.is_gzip, body=body)
    except Full:
        raise Problem("busy", BUSY) from None
    finally:
        _held -= held
    if answer.code:
        if answer.code == "unauthorized":
            _owners.pop(key, None)
        raise Problem(answer.code, answer.why)
    forward.soon(body, scope)
    return answer.rejected, answer.why


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
    """Store what waits."""
    await ingest.stop()
