"""Policies: the rules in order as sentences, writing and trying them, and going back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from agents.models import Policy
from agents.rules.breaker_settings import CONDITIONS
from agents.rules.policy.yaml import dump_one, load_one
from agents.transitions import documenting
from agents.transitions import policy as transitions
from agents.transitions.policy_checks import checked
from audit.errors import Invalid
from dashboard.pages import policies as pages
from people.models import Team

from .asked import Asked
from .refusals import attempt

LONGEST_TEXT = 2_000_000


# -- looking ---------------------------------------------------------------------------------------


@require_GET
@login_required
def policies(request: Asked) -> HttpResponse:
    """Every policy of the teams I watch, its rules in order."""
    after = request.GET.get("after", "")
    shown, more = pages.page(request.user, after)
    context = {
        "shown": shown,
        "more": more,
        "is_first": not after,
        "teams_without": [] if after else pages.teams_without(request.user),
    }
    return render(request, "policies.html", context)


@require_GET
@login_required
def policy(request: Asked, pk: UUID) -> HttpResponse:
    """One policy: its rules, who wrote them and why, and what those in shadow would have done."""
    found = pages.one(pk, request.user)
    if request.GET.get("region") == "shadows":
        return render(request, "policy.html#shadows", _shadows(found))
    shown = pages.Shown.of(found)
    context: dict[str, Any] = {
        "shown": shown,
        "policy": found,
        "versions": pages.versions(found),
        "may_edit": request.user.edits_policy_for(found.team_id),
    }
    if "week" in request.GET:
        context |= _shadows(found)
    return render(request, "policy.html", context)


def _shadows(policy: Policy) -> dict[str, Any]:
    looked_at, results = pages.shadows(policy, now=timezone.now())
    return {"policy": policy, "looked_at": looked_at, "results": results, "is_read": True}


@require_GET
@login_required
def version(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """One version: what it said, and what it changed."""
    return _version(request, pages.one(pk, request.user), number)


def _version(
    request: Asked, policy: Policy, number: int, status: int = 200, problem: str = ""
) -> HttpResponse:
    found = pages.version(policy, number)
    before, changes = pages.compared(found, request.GET.get("with", ""))
    context = {
        "policy": policy,
        "shown": pages.Shown.of(policy),
        "version": found,
        "before": before,
        "changes": changes,
        "text": dump_one(found.document),
        "versions": pages.versions(policy),
        "may_edit": request.user.edits_policy_for(policy.team_id),
        "typed": request.POST,
        "problem": problem,
    }
    return render(request, "policy_version.html", context, status=status)


# -- writing ---------------------------------------------------------------------------------------


@require_POST
@login_required
def add(request: Asked) -> HttpResponse:
    """Begin a team's rules for all of its agents."""
    try:
        team = get_object_or_404(Team, pk=UUID(request.POST.get("team", "")))
    except ValueError:
        return redirect("policies")
    if not request.user.sees(team.pk):
        raise Http404
    if not request.user.edits_policy_for(team.pk):
        raise PermissionDenied(transitions.NOT_YOURS)
    return redirect("policy-edit", transitions.of_team(team).pk)


@require_http_methods(["GET", "POST"])
@login_required
def edit(request: Asked, pk: UUID) -> HttpResponse:
    """Write rules as YAML, see what they would have done, then put them in force."""
    found = pages.one(pk, request.user)
    if not request.user.edits_policy_for(found.team_id):
        raise PermissionDenied(transitions.NOT_YOURS)
    if request.method == "GET":
        return _editor(request, found, dump_one(documenting.in_force(found)), _number(found))
    text = request.POST.get("text", "").replace("\r\n", "\n")
    expected = _expected(request, found)
    with attempt() as outcome:
        document = checked(found, _document(found, text))
        if request.POST.get("do") == "save":
            why = request.POST.get("why", "").replace("\r\n", "\n")
            saved = transitions.save(found, document, by=request.user, why=why, expected=expected)
            messages.success(request, f"Version {saved.number} is in force.")
            return redirect(found)
        tried = pages.trial(found, document, now=timezone.now())
        return _editor(request, found, text, expected, trial=tried)
    return _editor(
        request, found, text, expected, outcome.status, problem=outcome.problem, code=outcome.code
    )


def _document(policy: Policy, text: str) -> dict[str, Any]:
    if len(text) > LONGEST_TEXT:
        raise Invalid(f"The text is longer than {LONGEST_TEXT // 1_000_000} MB.")
    return load_one(text, of_agent=policy.agent_id is not None)


def _editor(
    request: Asked, policy: Policy, text: str, expected: int, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "policy": policy,
        "shown": pages.Shown.of(policy),
        "text": text,
        "expected": expected,
        "next_number": _number(policy) + 1,
        "is_behind": expected < _number(policy),
        "why": request.POST.get("why", ""),
        "conditions": CONDITIONS,
    }
    # A page that is swapped in part must be an answer of success, or htmx leaves it as it is.
    narrowed = bool(request.htmx) and request.POST.get("do") != "save"
    template = "policy_edit.html#result" if narrowed else "policy_edit.html"
    return render(request, template, context | more, status=200 if narrowed else status)


def _number(policy: Policy) -> int:
    return policy.current.number if policy.current else 0


def _expected(request: Asked, policy: Policy) -> int:
    """The version that was on the screen; whoever says none, or nonsense, saw the first."""
    text = request.POST.get("expected", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


@require_POST
@login_required
def restore(request: Asked, pk: UUID, number: int) -> HttpResponse:
    """What an old version said is in force again, as a new version."""
    found = pages.one(pk, request.user)
    pages.version(found, number)
    with attempt() as outcome:
        saved = transitions.roll_back(
            found,
            number,
            by=request.user,
            why=request.POST.get("why", ""),
            expected=_expected(request, found),
        )
        messages.success(request, f"Version {saved.number} is in force: what {number} said.")
        return redirect(found)
    return _version(request, found, number, outcome.status, outcome.problem)
