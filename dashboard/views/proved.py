"""What the record proves: one entry, one case from proposal to outcome, and the log itself."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.plans import custom_plans
from dashboard.pages import case as case_pages
from dashboard.pages import entry as entry_pages
from dashboard.pages import guard as guard_pages
from dashboard.pages import proof as proof_pages
from dashboard.pages.record import teams_read_by

from .asked import Asked


@require_GET
@login_required
@custom_plans()
def entry(request: Asked, pk: int) -> HttpResponse:
    """Everything of one entry, and its place in the log."""
    found = entry_pages.one(_small(pk), request.user)
    context = entry_pages.whole(found, request.user)
    context["may_erase"] = guard_pages.may_erase(request.user, found.team)
    return render(request, "entry.html", context)


@require_GET
@login_required
@custom_plans()
def entry_proof(request: Asked, pk: int) -> HttpResponse:
    """Its `.tlog-proof` (C2SP): index, hashes and the checkpoint they lead to."""
    index, text = entry_pages.proof_text(entry_pages.one(_small(pk), request.user))
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{index}.tlog-proof"'
    return answer


@require_GET
@login_required
@custom_plans()
def case(request: Asked, pk: UUID) -> HttpResponse:
    """One request, one piece of work or one stop, from proposal to outcome."""
    found = case_pages.find(pk, request.user)
    context = case_pages.whole(found, request.user)
    context |= {"now": timezone.now()}
    context["bundle"] = proof_pages.address("evidence-case", pk)
    context["may_erase"] = guard_pages.may_erase(request.user, str(found.team_id))
    return render(request, "case.html", context)


@require_GET
@login_required
@custom_plans()
def proof(request: Asked) -> HttpResponse:
    """How well all of it is proved, and how one checks that oneself."""
    teams_read_by(request.user)  # 404 for those who read none of it
    template = "proof.html#standing" if request.GET.get("region") == "standing" else "proof.html"
    context = proof_pages.standing() | {"bundle": proof_pages.address("evidence-period")}
    return render(request, template, context)


def _small(pk: int) -> int:
    if pk >= 2**63:
        raise Http404
    return pk
