"""Evidence: a case or a period of the record, for outsiders who prove it without us."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from audit import log
from audit.errors import Invalid
from audit.evidence.scope import Scope
from audit.models import Export, ExportState
from audit.transitions import exporting
from dashboard.pages import case as case_pages
from dashboard.pages.record import teams_read_by
from reviews import evidence as evidence_of

from .asked import Asked
from .refusals import attempt

AT_ONCE = 5_000
"""Entries that a person waits for; larger bundles are made beside requests."""
LONGEST_CHECKPOINT = 20_000
BLOCK = 1 << 18
SHOWN = 20
UNDER_WAY = {ExportState.WAITING, ExportState.MAKING}


@require_http_methods(["GET", "POST"])
@login_required
def period(request: Asked) -> HttpResponse:
    """Everything one reads from a day to a day: at once when it is small, else a little later."""
    teams = teams_read_by(request.user)
    typed = {name: _typed(request, name) for name in ("since", "until", "checkpoint")}
    outcome = attempt()
    if request.method == "POST":
        with outcome:
            scope = _days(typed["since"], typed["until"], teams)
            if scope.count(log.size()) <= AT_ONCE:
                return _download(scope, request, typed["checkpoint"])
            exporting.ask(scope, by=request.user, older=typed["checkpoint"])
            return redirect("evidence-period")
    else:
        today = timezone.localdate()
        typed |= {"since": str(today.replace(day=1)), "until": str(today)}
    exports = Export.objects.filter(by=request.user.record_name)[:SHOWN]
    context = {
        "typed": typed,
        "problem": outcome.problem,
        "exports": exports,
        "is_under_way": any(made.state in UNDER_WAY for made in exports),
        "at_once": AT_ONCE,
        "vkey": log.vkey(),
        "is_whole": teams is None,
    }
    template = (
        "evidence.html#exports" if request.GET.get("region") == "exports" else "evidence.html"
    )
    return render(request, template, context, status=outcome.status)


@require_http_methods(["GET", "POST"])
@login_required
def case(request: Asked, pk: UUID) -> HttpResponse:
    """Everything about one action or hold, with a proof of each entry."""
    found = case_pages.find(pk, request.user)
    lines, names = evidence_of.of(found)
    outcome = attempt()
    if request.method == "POST":
        with outcome:
            scope = Scope.of_case(pk, lines, names, teams=teams_read_by(request.user))
            return _download(scope, request, _typed(request, "checkpoint"))
    context = {
        "case": found,
        "count": len(lines),
        "typed": {"checkpoint": _typed(request, "checkpoint")},
        "problem": outcome.problem,
        "vkey": log.vkey(),
    }
    return render(request, "evidence_case.html", context, status=outcome.status)


@require_GET
@login_required
def file(request: Asked, pk: UUID) -> HttpResponse | StreamingHttpResponse:
    """A bundle that was made beside requests: for who asked for it and still reads all of it, a week long."""
    made = get_object_or_404(Export, pk=pk, by=request.user.record_name)
    if not made.is_ready or not _reads(teams_read_by(request.user), made):
        raise Http404
    # Whichever way requests come, no iterator of the other kind: Django would read it whole, and warn.
    blocks = _blocks_later(made.path) if isinstance(request, ASGIRequest) else _blocks(made.path)
    answer = StreamingHttpResponse(blocks, content_type="application/zip")
    answer["Content-Length"] = str(made.path.stat().st_size)
    return _as_file(answer, made.created_at)


def _reads(teams: list[str] | None, made: Export) -> bool:
    """Whether a bundle holds nothing but what a reader of these teams may read."""
    held = Scope.from_about(made.about).teams
    return teams is None or (held is not None and set(held) <= set(teams))


def _download(scope: Scope, request: Asked, older: str) -> HttpResponse:
    with tempfile.TemporaryDirectory(prefix="watchfloor-download-") as folder:
        target = Path(folder, "evidence.zip")
        exporting.export(scope, target, by=request.user, name=request.user.name, older=older)
        answer = HttpResponse(target.read_bytes(), content_type="application/zip")
    return _as_file(answer, timezone.now())


def _as_file[A: (HttpResponse, StreamingHttpResponse)](answer: A, at: datetime) -> A:
    name = f"evidence-{at:%Y%m%dT%H%M%SZ}.zip"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _days(since: str, until: str, teams: list[str] | None) -> Scope:
    """Whole days where the person is, the last one included."""
    try:
        first, last = date.fromisoformat(since), date.fromisoformat(until)
        after = last + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Invalid("Say from which day to which day: 2026-01-31.") from None
    zone = timezone.get_current_timezone()
    begin, end = (datetime.combine(day, time.min, zone) for day in (first, after))
    return Scope.of_period(begin, end, teams=teams)


def _typed(request: Asked, name: str) -> str:
    return request.POST.get(name, "")[:LONGEST_CHECKPOINT].replace("\0", "").strip()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as found:
        while block := found.read(BLOCK):
            yield block


async def _blocks_later(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as found:
        while block := await asyncio.to_thread(found.read, BLOCK):
            yield block
