"""Erasing from the record, keeping some of it for the law, and how long it is kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit import allowing, granting
from audit.errors import Invalid
from audit.models import Scope
from audit.transitions import erasure, keeping
from dashboard.pages import guard as pages
from dashboard.templatetags.words import many
from people.rules.permissions import Permission

from .asked import Asked
from .refusals import attempt


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def erase(request: Asked) -> HttpResponse:
    """Says in numbers what would go; with a reason, and `sure`, it goes."""
    pages.check(Permission.ERASE, request.user)
    if request.method != "POST":
        return _erase_page(request, status=200)
    with attempt() as outcome:
        found = pages.chosen(request.POST, request.user)
        if found is None:
            raise Invalid("Choose what to erase: an entry, a case or a person.")
        if request.POST.get("sure") != "yes":
            raise Invalid("Say that you are sure: what is erased cannot be had back.")
        done = erasure.erase(
            found.selected,
            by=request.user,
            reason=request.POST.get("reason", ""),
            basis=request.POST.get("basis", ""),
        )
        copies = sum(done.copies.values())
        rest = f", and {many(copies, 'copy', 'copies')} elsewhere" if copies else ""
        said = many(done.entries, "entry", "entries")
        messages.success(request, f"What {said} told is erased{rest}. Every proof still holds.")
        return redirect("record")
    return _erase_page(
        request, status=outcome.status, problem=outcome.problem, problem_code=outcome.code
    )


def _erase_page(request: Asked, *, status: int, **more: Any) -> HttpResponse:
    asked = request.POST if request.method == "POST" else request.GET
    found = None
    with attempt() as outcome:
        found = pages.chosen(asked, request.user)
    if outcome.problem and not more.get("problem"):
        more["problem"], status = outcome.problem, outcome.status
    back = f"{request.path}?{found.field}={found.value}" if found else request.path
    context = {"found": found, "typed": request.POST, "back": back} | more
    return render(request, "erase.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def legal_holds(request: Asked) -> HttpResponse:
    """What must be kept whatever its age and whoever asks, and a form for more."""
    pages.check(Permission.LEGAL_HOLD, request.user)
    if request.method != "POST":
        return _holds_page(request)
    with attempt() as outcome:
        asked = request.POST
        scope = asked.get("scope", "")
        subject, label, team = pages.subject(scope, asked.get("subject", ""), request.user)
        placed = keeping.hold(
            Scope(scope),
            subject,
            by=request.user,
            reason=asked.get("reason", ""),
            label=label,
            team=team,
        )
        what = placed.get_scope_display()
        messages.success(request, f"{what}: kept until somebody ends it.")
        return redirect("legal-holds")
    return _holds_page(request, outcome.status, problem=outcome.problem, typed=request.POST)


def _holds_page(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    found = pages.legal_holds(request.user)
    context = {
        "holds": found,
        "standing": sum(one.stands for one in found),
        "scopes": Scope.choices,
    }
    return render(request, "legal_holds.html", context | more, status=status)


@require_POST
@login_required
def end_hold(request: Asked, pk: UUID) -> HttpResponse:
    """It need not be kept any longer."""
    pages.check(Permission.LEGAL_HOLD, request.user)
    with attempt() as outcome:
        ended = keeping.end(pk, by=request.user, reason=request.POST.get("reason", ""))
        messages.success(request, f"{ended} is no longer kept: it may be erased, and expires.")
        return redirect("legal-holds")
    return _holds_page(request, outcome.status, problem=outcome.problem)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def retention(request: Asked) -> HttpResponse:
    """How long what entries tell is kept, of the house and of each team."""
    pages.check(Permission.LEGAL_HOLD, request.user)
    if request.method != "POST":
        return _retention_page(request)
    with attempt() as outcome:
        team, text = request.POST.get("team", ""), request.POST.get("months", "").strip()
        if team and team not in {row["team"] for row in pages.retentions(request.user)}:
            raise Invalid("There is no such team.")
        if request.POST.get("as_house") == "yes":
            keeping.retain_as_house(team, by=request.user)
        elif not text.isascii() or not text.isdigit() or len(text) > 4:
            allowing.check("retention", request.user, team)
            raise Invalid("Say how many months: 0 (for ever) to 1,200.")
        else:
            keeping.retain(int(text), by=request.user, team=team)
        messages.success(request, "That counts from now on. Old months go within the hour.")
        return redirect("retention")
    return _retention_page(request, outcome.status, problem=outcome.problem)


def _retention_page(request: Asked, status: int = 200, **more: Any) -> HttpResponse:
    context = {"rows": pages.retentions(request.user), "database": granting.standing()}
    return render(request, "retention.html", context | more, status=status)
