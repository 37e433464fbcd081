"""The little HTTP the hot doors need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import msgspec

from audit.errors import Invalid, Refused

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 1024 * 1024
LONGEST_WAIT_S = 60.0

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
NO_STORE = (b"cache-control", b"no-store")

STATUS = {
    "malformed_json": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "step_up": 403,
    "not_found": 404,
    "no_such_limit": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "invalid": 422,
    "over_burst": 422,
    "internal": 500,
    "unavailable": 503,
}
"""HTTP status by code; every other refusal is a conflict."""

TITLES = {
    400: "Malformed JSON",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Invalid",
    500: "Internal error",
    503: "Unavailable",
}


class Gone(Exception):
    """The client hung up."""


class Problem(Refused):
    """A refusal with its code, and headers that go with it."""

    def __init__(self, code: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail, code=code)
        self.headers = headers


async def read_body(receive: Receive, largest: int = LARGEST_BODY) -> bytes:
    """The whole body. Raises Problem (too_large) or Gone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > largest:
            raise Problem("too_large", f"A request may have {largest // 2**20} MiB.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def key_hash(scope: Scope) -> bytes:
    """SHA-256 of the bearer key. Raises Problem (unauthorized)."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"bearer" and key:
                return sha256(key.strip()).digest()
    raise Problem("unauthorized", "Send the agent's key as 'Authorization: Bearer wf_…'.")


def address_of(scope: Scope) -> str:
    """Who calls, as the server saw it; behind a proxy, whom uvicorn was told to believe."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def program_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return str(value[:200].decode("latin-1"))
    return ""


def query(scope: Scope) -> dict[str, str]:
    return {k: v[-1] for k, v in parse_qs(scope["query_string"].decode("latin-1")).items()}


def wait_of(params: dict[str, str]) -> float:
    """The `wait` parameter in seconds. Raises Invalid."""
    text = params.get("wait", "0")
    try:
        wait = float(text.removesuffix("s"))
    except ValueError:
        wait = -1.0
    if not 0 <= wait <= LONGEST_WAIT_S:
        raise Invalid(f"wait must be a number of seconds from 0 to {LONGEST_WAIT_S:g}.")
    return wait


async def answer(
    send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes], kind: Any = JSON
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [kind, NO_STORE, (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def answer_problem(send: Send, code: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
    """RFC 9457 problem details."""
    status = STATUS.get(code, 409)
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": TITLES[status],
            "status": status,
            "detail": detail,
            "code": code,
        }
    )
    if status == 401:
        headers = (*headers, (b"www-authenticate", b"Bearer"))
    if status == 503:
        headers = (*headers, (b"retry-after", b"1"))
    await answer(send, status, body, *headers, kind=PROBLEM)
