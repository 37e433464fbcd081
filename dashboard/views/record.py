"""The record: who did what, when; narrowed, searched, saved as CSV."""

from __future__ import annotations

import csv
import io
import json

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from agents.models import Agent
from dashboard.pages import record as pages

from .asked import Asked

NOUNS = (
    ("hold.", "Holds"),
    ("action.", "Actions"),
    ("breaker.", "Breakers"),
    ("agent.", "Agents"),
    ("run.", "Runs"),
    ("key.", "Keys"),
    ("policy.", "Policies"),
    ("version.", "Versions"),
    ("person.", "People"),
    ("group.", "Groups"),
    ("delegation.", "Stand-ins"),
    ("calendar.", "Working hours"),
    ("token.", "Personal tokens"),
    ("endpoint.", "Webhooks"),
    ("provisioner.", "Provisioners"),
)
COLUMNS = ("id", "at", "kind", "actor", "about", "summary", "agent", "run", "data")
AGENTS_OFFERED = 200


@require_GET
@login_required
def record(request: Asked) -> HttpResponse:
    """Who did what, when. Those whose role does not read it are told nothing of it."""
    found, wanted = _narrowed(request)
    part = pages.read(found, wanted.text, before=_before(request), size=pages.ENTRIES_ON_A_PAGE)
    query = request.GET.copy()
    query.pop("before", None)
    older = ""
    if part.older is not None:
        further = query.copy()
        further["before"] = str(part.older)
        older = f"?{further.urlencode()}"
    context = {
        "lines": pages.told(part.entries, request.user),
        "part": part,
        "filters": wanted,
        "chips": _chips(request, wanted),
        "kind_is_exact": bool(wanted.kind) and wanted.kind not in dict(NOUNS),
        "query": query.urlencode(),
        "older": older,
        "is_first": "before" not in request.GET,
        "nouns": NOUNS,
        "agents": Agent.objects.visible_to(request.user).only("name")[:AGENTS_OFFERED],
        "searched": pages.SEARCHED,
        "exported": pages.EXPORTED,
    }
    template = "record.html#list" if request.GET.get("region") == "list" else "record.html"
    return render(request, template, context)


@require_GET
@login_required
def export(request: Asked) -> HttpResponse:
    """The newest `EXPORTED` entries of this view as CSV (RFC 4180), UTF-8."""
    found, wanted = _narrowed(request)
    part = pages.read(found, wanted.text, before=_before(request), size=pages.EXPORTED)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for entry in part.entries:
        facts = {**entry.facts(), "agent": entry.agent, "run": entry.run}
        facts["data"] = json.dumps(entry.data, ensure_ascii=False, sort_keys=True)
        writer.writerow([harmless(str(facts[column])) for column in COLUMNS])
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"record-{timezone.localdate().isoformat()}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _narrowed(request: Asked) -> tuple[pages.Entries, pages.Filters]:
    entries = pages.readable_by(request.user)
    wanted = pages.filters(request.GET)
    zone = timezone.get_current_timezone()
    return pages.narrowed(entries, wanted, zone=zone), wanted


def _before(request: Asked) -> int | None:
    text = request.GET.get("before", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    return int(text)


def _chips(request: Asked, wanted: pages.Filters) -> list[tuple[str, str, str]]:
    """What the list is narrowed to: name, value, and the address without it."""
    named = {
        "kind": ("kind", dict(NOUNS).get(wanted.kind, wanted.kind)),
        "actor": ("by", wanted.actor),
        "about": ("about", wanted.about),
        "agent": ("agent", wanted.agent),
        "run": ("run", wanted.run),
        "since": ("from", str(wanted.since or "")),
        "until": ("to", str(wanted.until or "")),
        "text": ("text", wanted.text),
    }
    chips = []
    for name, (word, value) in named.items():
        if value:
            rest = request.GET.copy()
            rest.pop(name, None)
            rest.pop("before", None)
            chips.append((word, value, f"?{rest.urlencode()}"))
    return chips
