"""A hold's page, its live parts, and the answers people give: one view a verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audit.errors import Conflict, Invalid
from audit.record import signature_of
from dashboard.pages import (
    approval,
    arguments,
    controls,
    course,
    form,
    room,
    trip,
    typed,
    versions,
    why,
)
from dashboard.pages import hold as pages
from reviews.models import Hold, HoldDecision, HoldKind, HoldState, Vote
from reviews.transitions import changing, delivery, seating
from reviews.transitions import hold as transitions

from .asked import Asked, is_done
from .controls import more
from .refusals import attempt

type Verb = Callable[[Asked, UUID], Hold]

LONGEST_NOTE = 10_000
SPANS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1)}


# -- looking ---------------------------------------------------------------------------------------


@require_GET
@login_required
def hold(request: Asked, pk: UUID) -> HttpResponse:
    """One thing that waits for a person, with all that is needed to decide it."""
    region = request.GET.get("region")
    if region in ("what", "evidence"):
        found = pages.whole(pk, request.user)
        return render(request, f"hold.html#{region}", _standing(request, found) | _facts(found))
    if region is None:
        return _page(request, pages.whole(pk, request.user))
    if region not in PARTS:  # a page within a page would be worse than one that is not read again
        raise Http404("There is no such region")
    context = PARTS[region](request, pages.standing(pk, request.user))
    return render(request, f"hold.html#{region}", context)


@require_GET
@login_required
def raw(request: Asked, pk: UUID) -> HttpResponse:
    """Everything the agent handed over, as plain text."""
    hold = pages.whole(pk, request.user)
    found = {
        "title": hold.title,
        "reason": hold.reason,
        "arguments": hold.action.arguments if hold.action else None,
        "candidate": hold.candidate,
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
        "typed": request.POST,
        "story": pages.story(hold),
        **_problem(outcome),
        **_talk(request, hold),
    }
    status = outcome.status if outcome else 200
    wrong = outcome.fields if outcome else {}
    context |= _facts(hold) | _inputs(request, hold, wrong)
    if hold.is_open and context["may_decide"]:
        context["queues"] = pages.other_queues(hold)
    return render(request, "hold.html", context, status=status)


def _problem(outcome: attempt | None) -> dict[str, Any]:
    if outcome is None:
        return {"problem": "", "problem_code": ""}
    return {"problem": outcome.problem, "problem_code": outcome.code}


def _facts(hold: Hold) -> dict[str, Any]:
    """What one decides by."""
    match hold.kind:
        case HoldKind.APPROVAL if hold.action:
            return approval.facts(hold, hold.action)
        case HoldKind.TRIP if hold.trip:
            return {"evidence": trip.evidence(hold, hold.trip)}
    return {"attempts": pages.attempts(hold)}


def _inputs(request: Asked, hold: Hold, wrong: dict[str, str]) -> dict[str, Any]:
    """What one answers with."""
    if not hold.is_open:
        return {}
    match hold.kind:
        case HoldKind.APPROVAL if hold.action:
            return approval.inputs(hold, hold.action, request.POST, wrong)
        case HoldKind.TRIP:
            tools = changing.tools_of(hold)
            return {
                "stopped_together": controls.together(hold),
                "model": changing.model_of(hold),
                "tools_text": "\n".join(tools),
            }
        case HoldKind.REVIEW:
            made = form.build(_payload(hold), prefix="payload")
            return {"form": typed.retyped(made, request.POST, wrong)}
    return {}


def _standing(request: Asked, hold: Hold) -> dict[str, Any]:
    poll = why.poll(hold)
    return {
        "hold": hold,
        "now": timezone.now(),
        "may_decide": seating.may_answer(hold, request.user),
        "claimed_by_other": hold.is_claimed_by_other(request.user),
        "poll": poll,
        "mine": poll.of(request.user),
        "obstacle": why.obstacle(hold, request.user, poll),
        "otherwise": why.otherwise(hold),
        "seen": _seen(request, hold),
        "course": course.course(hold),
        "outcome": course.outcome(hold),
        "is_undone": course.is_undone(hold),
        "remembered": course.remembered(hold),
        "next_version": versions.next_version(hold.action) if hold.action else None,
    }


def _seen(request: Asked, hold: Hold) -> int:
    """Which version of the request is on the person's screen."""
    text = request.GET.get("seen") or request.POST.get("revision") or ""
    return int(text) if text.isdecimal() and len(text) < 10 else hold.revision


def _talk(request: Asked, hold: Hold) -> dict[str, Any]:
    return {"hold": hold, "comments": pages.comments(hold)}


def _story(request: Asked, hold: Hold) -> dict[str, Any]:
    return {"hold": hold, "story": pages.story(hold)}


def _head(request: Asked, hold: Hold) -> dict[str, Any]:
    return {"hold": hold}


PARTS = {"head": _head, "standing": _standing, "yes": _standing, "story": _story, "talk": _talk}


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
            if not is_done(request):
                _once(act, request, pk)
        if outcome.succeeded and not request.htmx:
            return redirect(back_to(request) or reverse("hold", args=[pk]))
        if outcome.succeeded:  # nothing is read here: the agent is being told at this very moment
            return HttpResponse(render_to_string("hold.html#follow", {"pk": pk}))
        if request.htmx:
            return _refused(request, pk, outcome)
        return _page(request, pages.whole(pk, request.user), outcome)

    return view


def _once(act: Verb, request: Asked, pk: UUID) -> None:
    """Call the verb. What the same person said already, as by a double click, is no refusal."""
    try:
        act(request, pk)
    except Conflict:
        if not _is_said(request, pk, act.__name__):
            raise


def _is_said(request: Asked, pk: UUID, word: str) -> bool:
    """Whether this person gave this very answer before."""
    note = note_of(request)
    if word == "approve":
        given = Vote.objects.standing().filter(hold=pk, person=request.user, note=note)
        revision = revision_of(request)
        if revision is not None:
            given = given.filter(revision=revision)
        return given.filter(Q(hold__state=HoldState.OPEN) | Q(hold__decision__in=YES)).exists()
    if (
        word not in SAID
        or "group" in request.POST
        or (word == "resolve" and _corrected(request, pk))
    ):
        return False  # whom it was for, or what it made of the work, may differ
    about_it = {"trip__was_true": _was_true(request)} if word in ("resume", "terminate") else {}
    return Hold.objects.filter(
        pk=pk, decision=SAID[word], decided_by=signature_of(request.user), note=note, **about_it
    ).exists()


YES = (HoldDecision.APPROVED, HoldDecision.EDITED)
SAID = {
    "reject": HoldDecision.REJECTED,
    "answer": HoldDecision.ANSWERED,
    "ask": HoldDecision.ASKED,
    "resolve": HoldDecision.RESOLVED,
    "retry": HoldDecision.RETRIED,
    "discard": HoldDecision.DISCARDED,
    "resume": HoldDecision.RESUMED,
    "terminate": HoldDecision.TERMINATED,
}
"""What is left of an answer that is all note; one with changes of its own is refused when it comes again."""


def back_to(request: Asked) -> str:
    """The list the answer was given in, if there was one."""
    there = request.POST.get("back", "")
    return there if url_has_allowed_host_and_scheme(there, None) else ""


def _refused(request: Asked, pk: UUID, outcome: attempt) -> HttpResponse:
    """The sentence, how it stands, and the inputs when something is wrong with them."""
    hold = (pages.whole if outcome.fields else pages.standing)(pk, request.user)
    context = _standing(request, hold) | _problem(outcome) | {"narrowed": True}
    if outcome.fields:
        context |= _inputs(request, hold, outcome.fields)
    return render(request, "hold.html#refused", context, status=outcome.status)


@verb
def approve(request: Asked, pk: UUID) -> Hold:
    return transitions.approve(
        pk, by=request.user, note=note_of(request), revision=revision_of(request)
    )


@verb
def edit(request: Asked, pk: UUID) -> Hold:
    """Approve with other arguments: from the typed inputs, or from raw JSON when that was sent."""
    hold = _visible(request, pk)
    if hold.action is None:
        raise Invalid("Only an action can be approved with changes.")
    revision = revision_of(request)
    if revision is not None and revision != hold.revision:
        changed = {}  # what was typed is about another version, and refused as such
    elif "raw" in request.POST:
        changed = arguments.parse_object(request.POST["raw"], name="arguments")
    else:
        changed, wrong = typed.read(
            approval.form_of(hold, hold.action), hold.arguments, request.POST
        )
        refuse(wrong)
    return transitions.edit(
        pk, by=request.user, arguments=changed, note=note_of(request), revision=revision
    )


def refuse(wrong: dict[str, str]) -> None:
    """Raise what cannot be meant, all of it at once."""
    if wrong:
        refusal = Invalid(next(iter(wrong.values())))
        refusal.extra["fields"] = wrong
        raise refusal


@verb
def reject(request: Asked, pk: UUID) -> Hold:
    return transitions.reject(pk, by=request.user, note=note_of(request))


@verb
def answer(request: Asked, pk: UUID) -> Hold:
    return transitions.answer(pk, by=request.user, note=note_of(request))


@verb
def ask(request: Asked, pk: UUID) -> Hold:
    return transitions.ask(pk, by=request.user, note=note_of(request))


@verb
def extend(request: Asked, pk: UUID) -> Hold:
    """More time: a span on top of what it has, or until a moment in the person's own zone."""
    return transitions.extend(
        pk, by=request.user, until=_until(request, _visible(request, pk)), note=note_of(request)
    )


@verb
def escalate(request: Asked, pk: UUID) -> Hold:
    queue = request.POST.get("queue", "").replace("\x00", "")
    return transitions.escalate(pk, by=request.user, queue=queue, note=note_of(request))


@verb
def redeliver(request: Asked, pk: UUID) -> Hold:
    """Tell the agent again what was approved."""
    hold = delivery.retry(pk, by=request.user)
    if back_to(request):
        messages.success(request, f"{hold.agent.name} is told again.")
    return hold


@require_POST
@login_required
def comment(request: Asked, pk: UUID) -> HttpResponse:
    """Tell the other people something; the agent never reads it."""
    hold = pages.standing(pk, request.user)
    with attempt() as outcome:
        transitions.comment(hold, by=request.user, text=_text(request, "text"))
    if request.htmx:
        typed = "" if outcome.succeeded else request.POST.get("text", "")
        context = _talk(request, hold) | {"talk_problem": outcome.problem, "typed_text": typed}
        return render(request, "hold.html#conversation", context, status=outcome.status)
    if outcome.succeeded:
        return redirect("hold", pk)
    return _page(request, pages.whole(pk, request.user), outcome)


@verb
def resume(request: Asked, pk: UUID) -> Hold:
    return transitions.resume(
        pk,
        by=request.user,
        note=note_of(request),
        was_true=_was_true(request),
        for_all=_for_all(request, otherwise=True),
    )


@verb
def modify(request: Asked, pk: UUID) -> Hold:
    """Change instructions, state or limit, then resume."""
    state = request.POST.get("state", "").strip()
    return transitions.modify(
        pk,
        by=request.user,
        instruction=request.POST.get("instruction", "").strip(),
        state=arguments.parse_object(state, name="state") if state else None,
        limit=_limit(request) or room.raised_for_good(request.POST, pk),
        extra=more(request) or room.raised_for_now(request.POST, pk),
        model=_text(request, "model"),
        tools=_text(request, "tools").split() if request.POST.get("change_tools") else None,
        note=note_of(request),
        was_true=_was_true(request),
        for_all=_for_all(request, otherwise=True),
    )


@verb
def terminate(request: Asked, pk: UUID) -> Hold:
    return transitions.terminate(
        pk,
        by=request.user,
        note=note_of(request),
        was_true=_was_true(request),
        for_all=_for_all(request, otherwise=False),
    )


@verb
def resolve(request: Asked, pk: UUID) -> Hold:
    """Done by the person; what they changed in the work goes back to the agent."""
    payload = _corrected(request, pk)
    return transitions.resolve(pk, by=request.user, note=note_of(request), payload=payload)


def _corrected(request: Asked, pk: UUID) -> dict[str, Any] | None:
    """The work as the person left it; None where they changed nothing."""
    payload = _payload(_visible(request, pk))
    changed, wrong = typed.read(form.build(payload, prefix="payload"), payload, request.POST)
    refuse(wrong)
    if key := request.POST.get("new_key", "").strip():
        changed[key] = request.POST.get("new_value", "").replace("\r\n", "\n")
    return changed if arguments.changes(payload, changed) else None


@verb
def retry(request: Asked, pk: UUID) -> Hold:
    return transitions.retry(pk, by=request.user, note=note_of(request))


@verb
def discard(request: Asked, pk: UUID) -> Hold:
    return transitions.discard(pk, by=request.user, note=note_of(request))


@verb
def claim(request: Asked, pk: UUID) -> Hold:
    return transitions.claim(pk, by=request.user)


@verb
def release(request: Asked, pk: UUID) -> Hold:
    return transitions.release(pk, by=request.user)


def _visible(request: Asked, pk: UUID) -> Hold:
    return get_object_or_404(Hold.objects.visible_to(request.user).select_related("action"), pk=pk)


def _payload(hold: Hold) -> dict[str, Any]:
    return hold.payload if isinstance(hold.payload, dict) else {}


def note_of(request: Asked) -> str:
    note = _text(request, "note")
    if len(note) > LONGEST_NOTE:
        raise Invalid(
            f"A note can be {LONGEST_NOTE:,} characters long; this one has {len(note):,}."
        )
    return note


def _text(request: Asked, name: str) -> str:
    text = request.POST.get(name, "").replace("\r\n", "\n").strip()
    if "\x00" in text:
        raise Invalid("A note cannot hold a NUL character.")
    return text


def revision_of(request: Asked) -> int | None:
    """The version of the request that was read; programs without a page may leave it out."""
    text = request.POST.get("revision", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("That is no version of this request.")
    return int(text)


def _until(request: Asked, hold: Hold) -> datetime:
    span = SPANS.get(request.POST.get("for", ""))
    if span is not None:
        return max(hold.expires_at or timezone.now(), timezone.now()) + span
    try:
        at = datetime.fromisoformat(request.POST.get("at", ""))
        return at if at.tzinfo else timezone.make_aware(at)
    except (ValueError, OverflowError):
        raise Invalid("Say until when: a date and a time.") from None


def _for_all(request: Asked, *, otherwise: bool) -> bool:
    """Whether all are meant that one deed paused; `otherwise` where the page did not ask."""
    return "for_all" in request.POST if "group" in request.POST else otherwise


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
