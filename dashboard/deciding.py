"""A yes by the shortest way: it is written before the page is made that tells the person so

An agent waits for it. Django's request handling costs more than the decision itself, so where one yes is enough
this door reads session and hold in one trip and writes in a second, over the hot doors' connections; the ordinary
view then finds it done, and answers. Who it is and whether they meant it is for Django's own code to say, here
as there. Whatever is not plain, or refused, is left to the view, which tries it again and says why.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation, SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from psycopg_pool import PoolTimeout

from agents.hot import wait
from agents.hot.actions import READ
from agents.hot.pipeline import Pipeline
from agents.hot.pool import connection
from audit.bell import hub
from audit.errors import Refused
from reviews.transitions import locking, voting
from reviews.transitions.voting import NotPlain, Yes

from .middleware import source_of
from .sessions import SessionStore, kept, reading
from .views.asked import DONE
from .views.holds import note_of, revision_of

if TYPE_CHECKING:
    from .site import Scope, Site

logger = logging.getLogger(__name__)

ROUTE = re.compile(r"/holds/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/approve/")
FORM = b"application/x-www-form-urlencoded"
LARGEST = 64 * 1024
"""Bytes of a form that is read here: other agents wait meanwhile."""

TURNS = 5
"""Of the event loop, until a waiting agent's answer is on its way."""

SIGNED_IN = """%(hold)s and exists (
    select 1 from dashboard_session d
     where d.session_key = %(key)s and d.person_id is not null and d.expire_date > now())"""
LOCK_AGENT, LOCKED = (
    statement.replace("%(hold)s", SIGNED_IN)
    for statement in (locking.LOCK_AGENT_AT_ONCE, locking.reading(locking.PLAIN))
)
"""Whose session it is turns out on the same trip: who has none locks nothing."""

LEFT_TO_THE_PAGE = (
    *(NotPlain, Refused, PermissionDenied, SuspiciousOperation),
    SynchronousOnlyOperation,  # something asks the database after all
    *(psycopg.errors.LockNotAvailable, PoolTimeout),
)


async def beforehand(site: Site, scope: Scope, body: IO[bytes]) -> None:
    """Write the yes that this request brings, if it is a plain one; `views.asked.is_done` tells the page."""
    found = ROUTE.fullmatch(scope["path"])
    if found is None or not is_small_form(scope, body):
        return
    try:
        request, _ = site.create_request(
            scope, BytesIO(body.read())
        )  # reading it to the end closes it
        if request is not None:
            await approve(request, UUID(found[1]))
            scope[DONE] = True
    except LEFT_TO_THE_PAGE:
        pass
    except Exception:
        logger.exception("A decision could not be written at once")
    finally:
        body.seek(0)


def is_small_form(scope: Scope, body: IO[bytes]) -> bool:
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    kind = dict(scope["headers"]).get(b"content-type", b"")
    return scope["method"] == "POST" and kind.startswith(FORM) and size <= LARGEST


async def approve(request: Any, pk: UUID) -> None:
    """Write it, and tell who waits. Raises whatever keeps it from being plain."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        raise NotPlain
    topics: tuple[str, ...] = ()
    with source_of(request):
        async with connection() as its:  # which others get once the agent has its answer
            try:
                async with Pipeline(its) as conn:
                    yes = await meant(conn, request, key, pk)
                    topics = tuple(dict.fromkeys(yes.topics))
                    for statement in yes.statements:
                        await conn.execute(*statement)
                    asked = {"action": yes.action.pk, "agent": yes.action.agent_id}
                    read = await conn.execute(READ, asked)
                wait.bring(yes.action.pk, await read.fetchone())
            finally:
                if (
                    topics
                ):  # also where nobody knows whether it was committed: a ring is only a hint
                    await tell(topics)


async def meant(conn: Pipeline, request: Any, key: str, pk: UUID) -> Yes:
    """Lock the hold, and say what this request writes of it. Raises whatever keeps it from being plain."""
    signed_in = await conn.execute(*reading(key))
    await conn.go()
    # What can be found out without the database is, while it answers.
    note, revision = note_of(request), revision_of(request)
    check_is_meant(request)
    wanted = {"hold": pk, "key": key}
    locked = await conn.execute(LOCK_AGENT, wanted)
    held = await conn.execute(LOCKED, wanted)
    await conn.go()
    request.session = SessionStore.of(key, await signed_in.fetchone())
    person = kept(request)
    await locked.fetchone()
    hold = locking.found(await held.fetchone(), locking.PLAIN)
    if person is None:
        raise NotPlain
    return voting.plain_yes(hold, by=person, note=note, revision=revision)


async def tell(topics: tuple[str, ...]) -> None:
    hub.deliver(topics)
    for _ in range(TURNS):  # all that follows would compete with the agent's answer
        await asyncio.sleep(0)
    hub.tell_others(topics)


def check_is_meant(request: HttpRequest) -> None:
    """It comes from a page of ours, as Django's own middleware sees it. Raises NotPlain or SuspiciousOperation."""
    request.get_host()
    _csrf.process_request(request)
    _csrf.process_view(request, _page, (), {})


class Meant(CsrfViewMiddleware):
    """Django's own, that leaves it to the page to say what is wrong."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        raise NotPlain


def _page(request: HttpRequest) -> HttpResponse:
    """What the middleware believes it guards."""
    return HttpResponse()


_csrf = Meant(_page)
