"""The wire: what each request looks like and what each answer means. No I/O (docs/api.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from watchfloor import errors
from watchfloor.models import (
    Action,
    Admission,
    Control,
    Json,
    PermitInfo,
    Review,
    RunInfo,
    Version,
    read,
)

T = TypeVar("T")

LONG_POLL = 25.0
"""Seconds the server may hold an answer back."""


CONFLICTS: dict[str, type[errors.ApiError]] = {
    "run_finished": errors.RunFinished,
    "version_conflict": errors.VersionConflict,
    "policy_changed": errors.PolicyChanged,
}


class Lost(Exception):
    """No answer came: refused, reset, timed out."""


class Passing(Exception):
    """An answer that asks to try again: 429, 502, 503, 504. `after` is in seconds."""

    def __init__(self, status: int, after: float | None):
        super().__init__(f"the server answered {status}")
        self.after = after


@dataclass(frozen=True)
class Request(Generic[T]):
    """`path` is relative to /api/v1; `wait` are seconds the server may take on purpose."""

    method: str
    path: str
    decode: Callable[[Any], T]
    body: Json = None
    params: Mapping[str, str] | None = None
    wait: float = 0.0


@dataclass(frozen=True)
class Reply:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def understand(request: Request[T], reply: Reply) -> T:
    """The noun in the answer, or the error it stands for."""
    if reply.status in (429, 502, 503, 504):
        raise Passing(reply.status, _retry_after(reply))
    body = _json(reply)
    if 200 <= reply.status < 300 and body is not None:
        return request.decode(body)
    raise refusal(reply)


def refusal(reply: Reply) -> errors.WatchfloorError:
    """RFC 9457 problem → exception."""
    body = _json(reply)
    problem = body if isinstance(body, dict) else {}
    code = str(problem.get("code") or f"http_{reply.status}")
    detail = str(problem.get("detail") or problem.get("title") or "")
    if code in ("terminated", "retired"):
        return errors.Terminated(detail)
    kind = {401: errors.Unauthorized, 409: errors.Conflict}.get(reply.status, errors.ApiError)
    return CONFLICTS.get(code, kind)(reply.status, code, detail, problem)


def open_run(body: Mapping[str, Json]) -> Request[RunInfo]:
    return Request("POST", "/runs", partial(read, RunInfo), _given(body))


def finish(run_id: str, body: Mapping[str, Json]) -> Request[RunInfo]:
    return Request("POST", f"/runs/{run_id}/finish", partial(read, RunInfo), _given(body))


def control(run_id: str, *, seen: str = "", wait: float = 0.0) -> Request[Control]:
    params = {"wait": _number(wait), "seen": seen} if wait and seen else None
    path = f"/runs/{run_id}/control"
    return Request("GET", path, partial(read, Control), params=params, wait=wait)


def heartbeat(run_id: str) -> Request[Control]:
    def decode(body: Any) -> Control:
        return read(Control, body["control"])

    return Request("POST", f"/runs/{run_id}/heartbeat", decode, {})


def stream(run_id: str) -> Request[None]:
    return Request("GET", f"/runs/{run_id}/stream", lambda _: None)


def ack(run_id: str, ids: list[str]) -> Request[Json]:
    return Request("POST", f"/runs/{run_id}/directives/ack", _as_is, {"ids": ids})


def propose(run_id: str, body: Mapping[str, Json]) -> Request[Admission]:
    return Request("POST", f"/runs/{run_id}/actions", partial(read, Admission), _given(body))


def action(action_id: str, *, wait: float = 0.0) -> Request[Action]:
    params = {"wait": _number(wait)} if wait else None
    path = f"/actions/{quote(action_id, safe='')}"
    return Request("GET", path, partial(read, Action), params=params, wait=wait)


def claim(action_id: str, claim_id: str, lease_s: int | None) -> Request[Action]:
    body = _given({"claim_id": claim_id, "lease_s": lease_s})
    return Request("POST", f"/actions/{action_id}/claim", partial(read, Action), body)


def settle(action_id: str, body: Mapping[str, Json]) -> Request[Json]:
    return Request("POST", f"/actions/{action_id}/settle", _as_is, _given(body))


def cancel(action_id: str, reason: str | None) -> Request[Json]:
    return Request("POST", f"/actions/{action_id}/cancel", _as_is, _given({"reason": reason}))


def observe(run_id: str, observations: list[Json]) -> Request[Json]:
    body = {"observations": observations}
    return Request("POST", f"/runs/{run_id}/observations", _as_is, body)


def hand_over(run_id: str, body: Mapping[str, Json]) -> Request[Review]:
    return Request("POST", f"/runs/{run_id}/reviews", partial(read, Review), _given(body))


def review(review_id: str) -> Request[Review]:
    return Request("GET", f"/reviews/{quote(review_id, safe='')}", partial(read, Review))


def save(run_id: str, name: str, body: Mapping[str, Json]) -> Request[Json]:
    return Request("PUT", f"/runs/{run_id}/checkpoints/{quote(name, safe='')}", _as_is, dict(body))


def load(run_id: str, name: str) -> Request[Json]:
    return Request("GET", f"/runs/{run_id}/checkpoints/{quote(name, safe='')}", _as_is)


def register_version(body: Mapping[str, Json]) -> Request[Version]:
    return Request("POST", "/versions", partial(read, Version), _given(body))


def permit(body: Mapping[str, Json], *, wait: float = 0.0) -> Request[PermitInfo]:
    return Request("POST", "/permits", partial(read, PermitInfo), _given(body), wait=wait)


def renew_lease(lease_id: str, lease_s: int | None) -> Request[PermitInfo]:
    def decode(body: Any) -> PermitInfo:
        return PermitInfo(lease_id, True, lease_id=lease_id, lease_until=body["lease_until"])

    path = f"/permits/{quote(lease_id, safe='')}/renew"
    return Request("POST", path, decode, _given({"lease_s": lease_s}))


def give_back(lease_id: str) -> Request[Json]:
    return Request("DELETE", f"/permits/{quote(lease_id, safe='')}", _as_is)


def agent() -> Request[Json]:
    return Request("GET", "/agent", _as_is)


def _given(body: Mapping[str, Json]) -> dict[str, Json]:
    """Absent rather than null: the server refuses what it does not expect."""
    return {name: value for name, value in body.items() if value is not None}


def _as_is(body: Any) -> Any:
    return body


def _number(value: float) -> str:
    return f"{value:g}"


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.content)
    except ValueError:
        return None


def _retry_after(reply: Reply) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3)."""
    text = reply.headers.get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None
