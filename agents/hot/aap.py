"""`GET /api/aap/v1/requests/{id}?wait=25s`: an AAP instance waits here without a thread or a connection."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg_pool import PoolTimeout

from audit.errors import Invalid, NotFound, Refused

from ..aap.errors import Problem, envelope
from ..aap.wire import COLUMNS, request_json
from ..transitions import aap as verbs
from .actions import KEYS, agent_of, mark_delivered, still_known
from .http import JSON, NO_STORE, Gone, Receive, Scope, Send, key_hash, query, read_body
from .pool import in_django, one
from .refusing import told_of
from .wait import later, unless_gone, until

logger = logging.getLogger(__name__)

HEX = "[0-9a-fA-F]"
ROUTE = re.compile(rf"/api/aap/v1/requests/(?P<request>{HEX}{{8}}-(?:{HEX}{{4}}-){{3}}{HEX}{{12}})")
WAIT = re.compile(r"([1-9]\d{0,8})([smh])")
LONGEST_WAIT_S = 30.0

READ = f"""
select {", ".join(f"r.{name}" for name in COLUMNS)}, r.action_id,
       r.status = 'pending' and r.deadline_at <= clock_timestamp() as overdue,
       r.status <> 'pending' and x.decided_at is not null and x.delivered_at is null as undelivered, {KEYS}
  from agents_aaprequest r left join agents_action x on x.id = r.action_id
 where r.id = %(request)s and r.agent_id = %(agent)s
"""

PROVISIONS = "select 1 from agents_provisioner where hash = %(key)s and revoked_at is null"


def matches(scope: Scope) -> bool:
    """Whether this is a read of an AAP request."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and ROUTE.fullmatch(scope["path"]) is not None
    )


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """One read. Every refusal is the protocol's error."""
    exchange = str(uuid4())
    try:
        body = await look(scope, receive)
        await told(send, exchange, 200, body)
        return
    except Gone:
        return
    except Refused as error:
        refusal = error
    except (psycopg.OperationalError, PoolTimeout) as error:
        logger.warning("The database did not answer: %s", error)
        refusal = Problem("unavailable", "The database does not answer. Try again.")
    except Exception:
        logger.exception("The AAP door failed at %s", scope["path"])
        refusal = Problem("internal", "Something failed here; nothing was changed.")
    status, body, headers = envelope(refusal, exchange)
    await told(send, exchange, status, body, headers)
    await told_of(scope, refusal.code, refusal.detail)


async def look(scope: Scope, receive: Receive) -> bytes:
    found = ROUTE.fullmatch(scope["path"])
    assert found is not None
    key = key_hash(scope)
    seconds = wait_of(query(scope))
    await read_body(receive)
    agent = await agent_of(key)
    if agent is None:
        if await one(PROVISIONS, {"key": key}) is not None:
            raise Problem("forbidden", "A provisioner token reads no requests.")
        raise Problem("unauthorized", "This credential is not known, or it was revoked.")
    return await unless_gone(
        receive, wait_for_request(agent.id, key, UUID(found["request"]), seconds)
    )


async def wait_for_request(agent: UUID, key: bytes, request: UUID, wait: float) -> bytes:
    """The request once it is decided, or as it stands when the wait or its deadline is over. Raises Unauthorized."""
    row = await read(agent, request)
    if row.status == "pending" and not row.overdue and wait:
        left = (row.deadline_at - datetime.now(UTC)).total_seconds()
        row = await until(
            lambda: read(agent, request),
            lambda row: row.status != "pending" or row.overdue,
            wait=max(min(wait, left + 0.01), 0.01),
            topics=(f"aap.{request}",),
        )
    if row.overdue:
        await in_django(verbs.expire, request)
        row = await read(agent, request)
    still_known(key, row)
    if row.undelivered:
        later(mark_delivered(row.action_id))
    return request_json(row)


async def read(agent: UUID, request: UUID) -> Any:
    row = await one(READ, {"agent": agent, "request": request})
    if row is None:
        raise NotFound("This instance has no such request.")
    return row


def wait_of(params: dict[str, str]) -> float:
    """The `wait` parameter in seconds, at most 30. Raises Invalid."""
    if "wait" not in params:
        return 0.0
    found = WAIT.fullmatch(params["wait"])
    if found is None:
        raise Invalid("wait must be a whole number of s, m or h, such as 25s.")
    return min(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]], LONGEST_WAIT_S)


async def told(
    send: Send, exchange: str, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    more = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                JSON,
                NO_STORE,
                (b"x-request-id", exchange.encode()),
                (b"content-length", b"%d" % len(body)),
                *more,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
