"""The record: who did what, when; narrowed, searched, growing while one looks, saved as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from agents.models import Agent
from audit import kinds
from audit import text as index
from audit.plans import custom_plans
from dashboard.pages import proof, record_chart, record_lines
from dashboard.pages import record as pages

from .asked import Asked

NOUNS = {
    "actions": "Actions, reported",
    "attempt": "Refusals",
    "attempts": "Refusals, counted",
    "calendar": "Working hours",
    "channel": "Alert channels",
    "confirmation": "Confirmations that failed",
    "delegation": "Stand-ins",
    "endpoint": "Webhooks",
    "house": "The house",
    "instance": "Agents, provisioned",
    "link": "Links for a password",
    "log": "The log and its keys",
    "person": "People",
    "policy": "Policies",
    "record": "The record itself",
    "request": "Requests, deferred",
    "retention": "Retention",
    "route": "Alert routes",
    "settings": "Settings",
    "sign_in": "Sign-ins",
    "token": "Personal tokens",
}
"""What nouns of kinds are called where their own word would not do."""
COLUMNS = ("id", "at", "kind", "actor", "about", "summary", "agent", "run", "data")
AGENTS_OFFERED = 200
TAIL = 100
"""How many new entries a page takes in while it is looked at."""
SLOW = 20
"""So many entries that cannot be found by their words yet are worth a sentence."""


@require_GET
@login_required
@custom_plans()
def record(request: Asked) -> HttpResponse:
    """Who did what, when. Those whose role does not read it are told nothing of it."""
    search = _search(request)
    if request.GET.get("region") == "tail":
        return render(request, "record.html#tail", _tail(request, search))
    part = pages.read(search, before=_number(request, "before"), size=pages.ENTRIES_ON_A_PAGE)
    lines = record_lines.told(part.entries, request.user)
    is_first = "before" not in request.GET
    new, settled = _unsettled(lines) if is_first else ([], lines)
    context = _frame(request, search, part) | {
        "is_first": is_first,
        "is_live": is_first and not (search.wanted.until and search.wanted.until < timezone.now()),
        "new": new,
        "lines": settled,
        "after": settled[0].entry.pk if settled else 0,
    }
    template = "record.html#list" if request.GET.get("region") == "list" else "record.html"
    return render(request, template, context)


def _frame(request: Asked, search: pages.Search, part: pages.Slice) -> dict[str, Any]:
    """What stands around the entries."""
    wanted, zone = search.wanted, timezone.get_current_timezone()
    query = _asked_for(request)
    older = query.copy()
    older["before"] = str(part.older)
    now = timezone.now()
    return {
        "filters": wanted,
        "typed": request.GET,
        "chips": _chips(request, wanted),
        "kind_is_exact": bool(wanted.kind) and not wanted.kind.endswith("."),
        "query": query.urlencode(),
        "older": f"?{older.urlencode()}" if part.older is not None else "",
        "nouns": nouns(),
        "agents": Agent.objects.visible_to(request.user).only("name")[:AGENTS_OFFERED],
        "exported": pages.EXPORTED,
        "histogram": record_chart.histogram(search, query, now, zone),
        "alarms": proof.alarms(),
        "behind": found if wanted.text and (found := index.behind()) >= SLOW else 0,
        "bundle": proof.address("evidence-period"),
    }


def _unsettled(
    lines: list[record_lines.Line],
) -> tuple[list[record_lines.Line], list[record_lines.Line]]:
    """Those that may still get their place in the tree while one looks, and the rest."""
    waiting = [n for n, line in enumerate(lines) if line.index is None]
    cut = waiting[-1] + 1 if waiting else 0
    return lines[:cut], lines[cut:]


def _tail(request: Asked, search: pages.Search) -> dict[str, Any]:
    """What came since the page was made."""
    after = _number(request, "after") or 0
    part = pages.read(search, after=after, size=TAIL)
    return {
        "new": record_lines.told(part.entries, request.user),
        "after": after,
        "is_live": True,
        "is_more": part.older is not None,
        "query": _asked_for(request).urlencode(),
    }


def nouns() -> list[tuple[str, str]]:
    """Kinds to choose from: `hold.` is all of a hold's."""
    known = dict.fromkeys(kind.noun for kind in kinds.every())
    named = {noun: NOUNS.get(noun, noun.replace("_", " ").capitalize() + "s") for noun in known}
    return [(f"{noun}.", word) for noun, word in sorted(named.items(), key=lambda one: one[1])]


@require_GET
@login_required
@custom_plans()
def export(request: Asked) -> HttpResponse:
    """The newest `EXPORTED` entries of this view as CSV (RFC 4180), UTF-8."""
    part = pages.read(_search(request), before=_number(request, "before"), size=pages.EXPORTED)
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


def _search(request: Asked) -> pages.Search:
    pages.teams_read_by(request.user)  # 404 for those who read none of it
    return pages.Search(request.user, pages.filters(request.GET, timezone.get_current_timezone()))


def _number(request: Asked, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    return int(text)


def _asked_for(request: Asked) -> QueryDict:
    """What the list is narrowed to, without its pages."""
    query = request.GET.copy()
    for name in ("before", "after", "region"):
        query.pop(name, None)
    return query


def _chips(request: Asked, wanted: pages.Filters) -> list[tuple[str, str, str]]:
    """What the list is narrowed to: name, value, and the address without it."""
    names = record_lines.names_of(
        [wanted.actor, wanted.about, f"agent:{wanted.agent}"], request.user
    )
    named = {
        "kind": ("kind", dict(nouns()).get(wanted.kind, wanted.kind)),
        "actor": ("by", names.get(wanted.actor, wanted.actor)),
        "about": ("about", names.get(wanted.about, wanted.about)),
        "agent": ("agent", names.get(f"agent:{wanted.agent}", wanted.agent)),
        "run": ("run", wanted.run),
        "since": ("from", _clock(wanted.since)),
        "until": ("until", _clock(wanted.until)),
        "text": ("words", wanted.text),
    }
    chips = []
    for name, (word, value) in named.items():
        if value:
            rest = _asked_for(request)
            rest.pop(name, None)
            chips.append((word, value, f"?{rest.urlencode()}"))
    return chips


def _clock(at: Any) -> str:
    """A moment in the reader's zone, as exact as it is."""
    if at is None:
        return ""
    here = timezone.localtime(at)
    return f"{here.day} {here:%b %Y, %H:%M:%S}".removesuffix(":00").removesuffix(", 00:00")
