"""A hold's page, its live parts, and the answers people give: one view a verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from agents.models import Action
from audit.errors import Invalid
from dashboard.pages import arguments, trip
from dashboard.pages import hold as pages
from reviews.models import Hold, HoldKind
from reviews.transitions import hold as transitions

from .asked import Asked
from .refusals import attempt

type Verb = Callable[[Asked, UUID], Hold]

LONGEST_NOTE = 10_000
LONGEST_RAW = 60_000
"""More JSON than this is not edited in a page."""


# -- looking ---------------------------------------------------------------------------------------


@require_GET
@login_required
def hold(request: Asked, pk: UUID) -> HttpResponse:
    """One thing that waits for a person, with all that is needed to decide it."""
    match request.GET.get("region"):
        case "standing":
            found = pages.standing(pk, request.user)
            return render(request, "hold.html#standing", _standing(request, found))
        case "what":
            found = pages.whole(pk, request.user)
            context = _standing(request, found) | _facts(found)
            return render(request, "hold.html#what", context)
        case "story":
            found = pages.standing(pk, request.user)
            context = {"hold": found, "story": pages.story(found)}
            return render(request, "hold.html#story", context)
    return _page(request, pages.whole(pk, request.user))


@require_GET
@login_required
def raw(request: Asked, pk: UUID) -> HttpResponse:
    """Everything the agent handed over, as plain text."""
    hold = pages.whole(pk, request.user)
    found = {
        "title": hold.title,
        "reason": hold.reason,
        "arguments": hold.action.arguments if hold.action else None,
        "approved_arguments": hold.action.approved_arguments if hold.action else None,
        "payload": hold.payload,
        "evidence": hold.evidence,
    }
    return plain_json(found)


def plain_json(found: Any) -> HttpResponse:
    """JSON to read or save; never anything a browser would run."""
    text = json.dumps(found, indent=2, ensure_ascii=True, default=str)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _page(
    request: Asked, hold: Hold, outcome: attempt | None = None, *, invited: str = ""
) -> HttpResponse:
    """`invited` is the answer that a link asked for: it stands open, and nothing is decided."""
    context = _standing(request, hold) | {
        "invited": invited,
        "problem": outcome.problem if outcome else "",
        "problem_code": outcome.code if outcome else "",
        "typed": request.POST,
        "story": pages.story(hold),
    }
    status = outcome.status if outcome else 200
    return render(request, "hold.html", context | _facts(hold), status=status)


def _facts(hold: Hold) -> dict[str, Any]:
    """What one decides by, and the inputs that are made from it."""
    match hold.kind:
        case HoldKind.APPROVAL if hold.action:
            return _approval(hold, hold.action)
        case HoldKind.TRIP if hold.trip:
            return {"evidence": trip.evidence(hold, hold.trip)}
    return _review(hold)


def _standing(request: Asked, hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold,
        "now": timezone.now(),
        "may_decide": hold.can_be_decided_by(request.user),
        "claimed_by_other": hold.is_claimed_by_other(request.user),
        "course": pages.course(hold),
        "outcome": pages.outcome(hold),
    }


def _approval(hold: Hold, action: Action) -> dict[str, Any]:
    before = pages.precedent(action)
    raw = json.dumps(action.arguments, indent=2, ensure_ascii=False)
    return {
        "fields": arguments.fields(action.arguments) if hold.is_open else [],
        "raw": raw if len(raw) <= LONGEST_RAW else "",
        "rows": pages.rows(action, before.last),
        "precedent": before,
        "changes": arguments.changes(action.arguments, action.effective_arguments),
    }


def _review(hold: Hold) -> dict[str, Any]:
    payload = hold.payload if isinstance(hold.payload, dict) else {}
    return {
        "fields": arguments.fields(payload, "payload") if hold.is_open else [],
        "attempts": pages.attempts(hold),
    }


# -- answering -------------------------------------------------------------------------------------


def verb(act: Verb) -> Callable[..., HttpResponse]:
    """Make a view of a verb: call, answer. Nothing is read before: the verb finds the hold, or not, by itself."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @login_required
    @wraps(act)
    def view(request: Asked, pk: UUID) -> HttpResponse:
        if request.method != "POST":  # a link in a message: mail scanners and previews open it, too
            return _page(request, pages.whole(pk, request.user), invited=act.__name__)
        with attempt() as outcome:
            act(request, pk)
        if outcome.succeeded and not request.htmx:
            return redirect("hold", pk)
        if (
            outcome.succeeded
        ):  # nothing more is read here: the agent is being told at this very moment
            return render(request, "hold.html#follow", {"pk": pk})
        if request.htmx:
            context = _standing(request, pages.standing(pk, request.user))
            context |= {"problem": outcome.problem, "narrowed": True, "problem_code": outcome.code}
            return render(request, "hold.html#refused", context, status=outcome.status)
        whole = pages.whole(pk, request.user)
        return _page(request, whole, outcome)

    return view


@verb
def approve(request: Asked, pk: UUID) -> Hold:
    return transitions.approve(pk, by=request.user, note=_note(request))


@verb
def edit(request: Asked, pk: UUID) -> Hold:
    """Approve with other arguments: from the typed inputs, or from raw JSON when that was sent."""
    hold = _visible(request, pk)
    if hold.action is None:
        raise Invalid("Only an action can be approved with changes.")
    if "raw" in request.POST:
        changed = arguments.parse_object(request.POST["raw"], name="arguments")
    else:
        changed = arguments.edited(hold.action.arguments, request.POST)
    return transitions.edit(pk, by=request.user, arguments=changed, note=_note(request))


@verb
def reject(request: Asked, pk: UUID) -> Hold:
    return transitions.reject(pk, by=request.user, note=_note(request))


@verb
def answer(request: Asked, pk: UUID) -> Hold:
    return transitions.answer(pk, by=request.user, note=_note(request))


@verb
def resume(request: Asked, pk: UUID) -> Hold:
    return transitions.resume(pk, by=request.user, note=_note(request), was_true=_was_true(request))


@verb
def modify(request: Asked, pk: UUID) -> Hold:
    """Change instructions, state or limit, then resume."""
    state = request.POST.get("state", "").strip()
    return transitions.modify(
        pk,
        by=request.user,
        instruction=request.POST.get("instruction", "").strip(),
        state=arguments.parse_object(state, name="state") if state else None,
        limit=_limit(request),
        note=_note(request),
        was_true=_was_true(request),
    )


@verb
def terminate(request: Asked, pk: UUID) -> Hold:
    return transitions.terminate(
        pk, by=request.user, note=_note(request), was_true=_was_true(request)
    )


@verb
def resolve(request: Asked, pk: UUID) -> Hold:
    """Done by the person; what they changed in the work goes back to the agent."""
    hold = _visible(request, pk)
    payload = hold.payload if isinstance(hold.payload, dict) else {}
    changed = arguments.edited(payload, request.POST, "payload")
    if key := request.POST.get("new_key", "").strip():
        changed[key] = request.POST.get("new_value", "").replace("\r\n", "\n")
    differs = bool(arguments.changes(payload, changed))
    return transitions.resolve(
        pk, by=request.user, note=_note(request), payload=changed if differs else None
    )


@verb
def retry(request: Asked, pk: UUID) -> Hold:
    return transitions.retry(pk, by=request.user, note=_note(request))


@verb
def discard(request: Asked, pk: UUID) -> Hold:
    return transitions.discard(pk, by=request.user, note=_note(request))


@verb
def claim(request: Asked, pk: UUID) -> Hold:
    return transitions.claim(pk, by=request.user)


@verb
def release(request: Asked, pk: UUID) -> Hold:
    return transitions.release(pk, by=request.user)


def _visible(request: Asked, pk: UUID) -> Hold:
    return get_object_or_404(Hold.objects.visible_to(request.user).select_related("action"), pk=pk)


def _note(request: Asked) -> str:
    note = request.POST.get("note", "").replace("\r\n", "\n").strip()
    if len(note) > LONGEST_NOTE:
        raise Invalid(
            f"A note can be {LONGEST_NOTE:,} characters long; this one has {len(note):,}."
        )
    if "\x00" in note:
        raise Invalid("A note cannot hold a NUL character.")
    return note


def _was_true(request: Asked) -> bool | None:
    return {"true": True, "false": False}.get(request.POST.get("was_true", ""))


def _limit(request: Asked) -> Decimal | None:
    text = request.POST.get("limit", "").strip()
    if not text:
        return None
    try:
        limit = Decimal(text)
    except InvalidOperation:
        limit = Decimal("NaN")
    if not limit.is_finite() or not 0 < limit < 10**12:
        raise Invalid("The limit must be a number above zero, such as 10 or 2.5.")
    return limit
