"""Requests that wait are read and stored in one transaction, and nobody pays for somebody else's.

Hundreds of small requests so cost few commits. Where one spoils it, the halves are tried by themselves.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

import django.db
import psycopg
from msgspec.structs import replace
from psycopg_pool import PoolTimeout

from audit import source

from ..otlp.inflating import NotGzip, TooLarge, inflated
from ..otlp.reading import Export, read
from ..otlp.spans import Malformed
from ..transitions import telemetry
from ..transitions.telemetry import Told
from ..transitions.together import WholeTeam
from ..transitions.tracing import Revoked
from .messages import LARGEST, Answer, Request

logger = logging.getLogger(__name__)

MOST_TOGETHER = 4_000
"""Spans of a transaction from which on no further request is added."""

OUTAGE = (
    django.db.OperationalError,
    django.db.InterfaceError,
    psycopg.OperationalError,
    PoolTimeout,
)
UNFIT = (
    *(django.db.DataError, django.db.IntegrityError, psycopg.DataError, psycopg.IntegrityError),
    UnicodeEncodeError,
)

type Part = tuple[Answer, Told]
"""A request's answer, which is written on, and what of the request is to be stored."""


def store_next(waiting: deque[Request]) -> list[Answer]:
    """Take from the left as many as belong into one transaction, and store them; an answer for each."""
    answers: list[Answer] = []
    parts: list[Part] = []
    spans = 0
    while waiting and spans < MOST_TOGETHER:
        request = waiting.popleft()
        answer = Answer(request.id)
        answers.append(answer)
        export = opened(request, answer)
        if export is not None:
            spans += export.spans
            parts.append((answer, Told(request.agent, export, request.key)))
    if parts:
        write(parts)
    return answers


def opened(request: Request, answer: Answer) -> Export | None:
    """Read it; None when it cannot be read, and the answer says why."""
    try:
        body = inflated(request.body, LARGEST) if request.is_gzip else request.body
        export = read(body, request.kind, now_ns=time.time_ns())
    except TooLarge:
        refuse(answer, "too_large", f"A request may have {LARGEST // 2**20} MiB.")
    except NotGzip as error:
        refuse(answer, "malformed", f"The body is not gzip: {error}")
    except Malformed as error:
        refuse(answer, "malformed", str(error))
    except Exception as error:
        fail([answer], error)
    else:
        answer.rejected, answer.why = export.rejected, export.why
        return export
    return None


def write(parts: Sequence[Part]) -> None:
    """Store these together; where one spoils it, the halves by themselves, down to the one."""
    try:
        store([told for _, told in parts])
    except UNFIT as error:
        halves = split(parts)
        if not halves:
            reject(*parts[0], error)
        for half in halves:
            write(half)
    except Revoked as refusal:
        for answer, told in parts:
            if told.key in refusal.keys:
                refuse(answer, refusal.code, refusal.detail)
        if rest := [part for part in parts if part[1].key not in refusal.keys]:
            write(rest)
    except Exception as error:
        is_stuck = isinstance(error.__cause__ or error, psycopg.errors.LockNotAvailable)
        if len(parts) > 1 and (is_stuck or not isinstance(error, OUTAGE)):
            for half in split(parts):
                write(half)
        else:
            fail([answer for answer, _ in parts], error)


def store(told: Sequence[Told]) -> None:
    """In one transaction; where a whole team has to be stopped, request by request."""
    django.db.close_old_connections()
    try:
        # Requests of many agents travel together: what is one's address would stand with another's entry.
        with source.of("agent"):
            store_together(told)
    finally:
        django.db.close_old_connections()


def store_together(told: Sequence[Told]) -> None:
    try:
        telemetry.store(told)
    except WholeTeam:
        for one in told:
            telemetry.store_alone([one])


def reject(answer: Answer, told: Told, error: Exception) -> None:
    """The one span that is left does not fit."""
    logger.info("A span does not fit the database: %s", error)
    answer.rejected += sum(len(trace.done) for trace in told.export.traces)
    answer.why = answer.why or "A span does not fit the database."


def refuse(answer: Answer, code: str, why: str) -> None:
    answer.code, answer.why = code, why


def fail(answers: Sequence[Answer], error: Exception) -> None:
    """Answer these with what happened."""
    if isinstance(error, OUTAGE):
        logger.warning("Spans were not stored: %s", error)
        code, why = "unavailable", "The database does not answer. Try again."
    else:
        logger.error("Spans were not stored", exc_info=error)
        code, why = "internal", "Something failed here; nothing was stored."
    for answer in answers:
        refuse(answer, code, why)


def split(parts: Sequence[Part]) -> list[list[Part]]:
    """Two halves: of the requests, of one request's traces, or of one trace's spans. Empty: there is but one."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return [list(parts[:middle]), list(parts[middle:])]
    answer, told = parts[0]
    traces = told.export.traces
    if len(traces) > 1:
        pieces = [traces[: len(traces) // 2], traces[len(traces) // 2 :]]
    elif traces and len(done := traces[0].done) > 1:
        middle = len(done) // 2
        pieces = [[replace(traces[0], done=half)] for half in (done[:middle], done[middle:])]
    else:
        return []
    return [
        [(answer, Told(told.agent, Export(traces=piece, spans=0), told.key))] for piece in pieces
    ]
