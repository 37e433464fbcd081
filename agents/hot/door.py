"""Routing of the hot doors, and the translation of every refusal into problem details."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, MutableMapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from audit import source
from audit.errors import Invalid, Refused

from ..shapes import Malformed, Proposed, claim_decoder, decoded, propose_decoder, settle_decoder
from . import actions, permits, wait
from .http import (
    Gone,
    Problem,
    Receive,
    Scope,
    Send,
    address_of,
    answer,
    answer_problem,
    key_hash,
    program_of,
    query,
    read_body,
    wait_of,
)
from .permit_judging import ask_decoder, renew_decoder
from .refusing import told_of

logger = logging.getLogger(__name__)

HEX = "[0-9a-fA-F]"
UUID_PATTERN = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"
ROUTE = re.compile(
    rf"/api/v1/(?:runs/(?P<run>{UUID_PATTERN})/(?P<of_run>actions|control|stream|heartbeat)"
    rf"|actions/(?P<action>{UUID_PATTERN})(?:/(?P<of_action>claim|settle))?"
    rf"|(?P<permits>permits)(?:/(?P<permit>{UUID_PATTERN})(?P<renew>/renew)?)?)/?"
)

METHODS = {
    "actions": "POST",
    "control": "GET",
    "stream": "GET",
    "heartbeat": "POST",
    "claim": "POST",
    "settle": "POST",
    "read": "GET",
    "permits": "POST",
    "renew": "POST",
    "give back": "DELETE",
}


def matches(scope: Scope) -> bool:
    """Whether this request is for the hot doors."""
    return scope["type"] == "http" and ROUTE.fullmatch(scope["path"]) is not None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """One request. Every refusal is an `application/problem+json` answer."""
    begun = False

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal begun
        begun = True
        await send(message)

    with source.of("agent", address=address_of(scope), program=program_of(scope)):
        await answered(scope, receive, sending, lambda: begun, send)


async def answered(
    scope: Scope, receive: Receive, sending: Send, begun: Callable[[], bool], send: Send
) -> None:
    headers: tuple[tuple[bytes, bytes], ...] = ()
    try:
        await route(scope, receive, sending)
        return
    except Gone:
        return
    except Malformed as error:
        code, detail = "malformed_json", f"The body is not JSON: {error}"
    except Refused as refusal:
        code, detail = refusal.code, refusal.detail
        headers = refusal.headers if isinstance(refusal, Problem) else ()
    except psycopg.errors.DataError as error:
        code, detail = "invalid", str(error).split("\n")[0]
    except (psycopg.OperationalError, PoolTimeout) as error:
        logger.warning("The database did not answer: %s", error)
        code, detail = "unavailable", "The database does not answer. Try again."
    except Exception:
        logger.exception("A hot door failed at %s", scope["path"])
        code, detail = "internal", "Something failed here; nothing was changed."
    if begun():  # a stream: its end tells the agent to come again
        await send({"type": "http.response.body", "body": b""})
    else:
        await answer_problem(send, code, detail, *headers)
    await told_of(scope, code, detail)


async def route(scope: Scope, receive: Receive, send: Send) -> None:
    found = ROUTE.fullmatch(scope["path"])
    assert found is not None
    door = door_of(found)
    if scope["method"] != METHODS[door]:
        method = METHODS[door]
        raise Problem("method_not_allowed", f"Use {method}.", (b"allow", method.encode()))
    key = key_hash(scope)
    body = await read_body(receive)
    try:
        await enter(door, found, scope, receive, send, key, body)
    except (Malformed, Invalid):
        await actions.known(key)  # a stranger is told that first
        raise


async def enter(
    door: str,
    found: re.Match[str],
    scope: Scope,
    receive: Receive,
    send: Send,
    key: bytes,
    body: bytes,
) -> None:
    if door == "actions":
        await propose(send, key, UUID(found["run"]), body)
    elif door == "heartbeat":
        await answer(send, 200, await actions.heartbeat(key, UUID(found["run"])))
    elif door == "claim":
        request = decoded(claim_decoder, body)
        await answer(send, 200, await actions.claim(key, UUID(found["action"]), request))
    elif door == "settle":
        report = decoded(settle_decoder, body)
        await answer(send, 200, await actions.settle(key, UUID(found["action"]), report))
    elif door in ("permits", "renew", "give back"):
        await permit(door, receive, send, key, found["permit"], body)
    else:
        await look(door, scope, receive, send, key, UUID(found["run"] or found["action"]))


def door_of(found: re.Match[str]) -> str:
    if found["permits"]:
        return "renew" if found["renew"] else "give back" if found["permit"] else "permits"
    return found["of_run"] or found["of_action"] or "read"


async def propose(send: Send, key: bytes, run: UUID, body: bytes) -> None:
    proposed = Proposed.of(decoded(propose_decoder, body))
    judgement, told = await actions.propose(key, run, proposed)
    headers = []
    if judgement.retry_after_s:
        headers.append((b"retry-after", b"%d" % judgement.retry_after_s))
    await answer(send, 202 if judgement.admission == "held" else 200, told, *headers)


async def permit(
    door: str, receive: Receive, send: Send, key: bytes, lease: str | None, body: bytes
) -> None:
    """Leave to use a shared resource: asked for, kept for longer, given back."""
    if door == "permits":
        asked = decoded(ask_decoder, body)
        retry_after, told = await permits.ask(key, asked, receive)
        after = [(b"retry-after", b"%d" % math.ceil(retry_after))] if retry_after else []
        await answer(send, 200, told, *after)
    elif door == "renew":
        wanted = decoded(renew_decoder, body or b"{}")
        await answer(send, 200, await permits.renew(key, UUID(lease), wanted))
    else:
        await answer(send, 200, await permits.give_back(key, UUID(lease)))


async def look(
    door: str, scope: Scope, receive: Receive, send: Send, key: bytes, subject: UUID
) -> None:
    """Read, wait or stream: nothing is locked."""
    agent = await actions.known(key)
    if door == "stream":
        await wait.stream(receive, send, key, agent.id, subject)
        return
    params = query(scope)
    seconds = wait_of(params)
    if door == "control":
        work = wait.wait_for_control(
            agent.id, key, subject, wait=seconds, seen=params.get("seen", "")
        )
    else:
        work = wait.wait_for_action(agent.id, key, subject, seconds)
    await answer(send, 200, await wait.unless_gone(receive, work))
