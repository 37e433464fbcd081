"""The inbox: everything that waits for a person, and the few answers one can give to many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.models import Agent
from dashboard.pages import inbox as pages
from dashboard.pages.counts import Waiting, in_short, waiting_for
from dashboard.pages.inbox import AGES, PAGE, TABS, Filters
from reviews.models import Hold
from reviews.transitions import hold as transitions

from .asked import Asked
from .holds import back_to
from .refusals import attempt

AGENTS_OFFERED = 100


@require_safe
@login_required
def inbox(request: Asked) -> HttpResponse:
    """One list, three kinds; or one region of it."""
    filters = Filters.read(request.GET)
    match request.GET.get("region"):
        case None:
            return render(request, "inbox.html", _whole(request, filters))
        case "rows":
            return render(request, "inbox.html#rows", _rows(request, filters))
        case "news":
            return render(request, "inbox.html#news", _news(request, filters))
        case "tabs":
            return render(request, "inbox.html#tabs", _tabs(request, filters))
    raise Http404("There is no such region")


@require_safe
@login_required
def count(request: Asked) -> HttpResponse:
    """The number in the navigation and the title."""
    return render(request, "_count.html", {"waiting": waiting_for(request)})


def _whole(request: Asked, filters: Filters) -> dict[str, Any]:
    now = timezone.now()
    page = pages.page(request.user, filters, request.GET, now=now)
    agents = Agent.objects.visible_to(request.user).living().only("id", "name")
    return {
        **_tabs(request, filters),
        "page": page,
        "holds": page.rows,
        "ids": page.ids,
        "newest": page.newest,
        "news": [],
        "is_first": not request.GET.get("before"),
        "now": now,
        "ages": [(name, words) for name, (words, _) in AGES.items()],
        "agents": list(agents[:AGENTS_OFFERED]),
        "chips": _chips(request, filters, waiting_for(request)),
        "may_decide": any(request.user.decides_for(row.team_id) for row in page.rows),
    }


def _tabs(request: Asked, filters: Filters) -> dict[str, Any]:
    waiting = waiting_for(request)
    counts = {
        name: waiting.of_kind(kind) if kind else waiting.total if not name else None
        for name, _, kind in TABS
    }
    return {
        "filters": filters,
        "waiting": waiting,
        "tabs": [
            (filters.query(tab=name), word, in_short(counts[name] or 0), name == filters.tab)
            for name, word, _ in TABS
        ],
    }


def _rows(request: Asked, filters: Filters) -> dict[str, Any]:
    """The rows on the page, where they are; an empty list has nothing to keep in place."""
    now, ids = timezone.now(), request.GET.get("ids", "")
    if ids:
        holds = pages.same_rows(request.user, filters, ids)
    else:
        holds = pages.page(request.user, filters, request.GET, now=now).rows
    shown = ",".join(str(hold.pk) for hold in holds)
    return {
        "filters": filters,
        "holds": holds,
        "ids": shown,
        "is_first": True,
        "now": now,
        "may_decide": any(request.user.decides_for(row.team_id) for row in holds),
    }


def _news(request: Asked, filters: Filters) -> dict[str, Any]:
    try:
        newest = UUID(request.GET["since"]) if request.GET.get("since") else None
    except ValueError:
        raise Http404("since names no row") from None
    if newest is None or not filters.is_open:
        return {"filters": filters, "news": [], "newest": newest, "is_first": True}
    news = pages.newer_than(request.user, filters, newest, now=timezone.now())
    return {
        "filters": filters,
        "news": news[:PAGE],
        "more_news": len(news) > PAGE,
        "newest": newest,
        "is_first": True,
    }


def _chips(request: Asked, filters: Filters, waiting: Waiting) -> list[tuple[str, str, str]]:
    """What narrows the list, each with the address of the list without it."""
    chips = []
    if filters.queue:
        name = next((q.name for q in waiting.queues if q.id == filters.queue), "unknown")
        chips.append(("Queue", name, filters.without("queue")))
    if filters.agent:
        agent = Agent.objects.visible_to(request.user).filter(pk=filters.agent).only("name").first()
        chips.append(("Agent", agent.name if agent else "unknown", filters.without("agent")))
    if filters.age:
        chips.append(("Older than", AGES[filters.age][0], filters.without("age")))
    if filters.for_me:
        chips.append(("Only", "mine to decide", filters.without("for")))
    return chips


# -- answers to several ----------------------------------------------------------------------------

VERBS: dict[str, tuple[str, Callable[..., Hold]]] = {
    "claim": ("claimed", transitions.claim),
    "release": ("given back", transitions.release),
    "resolve": ("resolved", transitions.resolve),
    "discard": ("discarded", transitions.discard),
}
WITH_NOTE = {"resolve", "discard"}


@require_POST
@login_required
def answer(request: Asked) -> HttpResponse:
    """Do one thing with every selected hold; each is decided on its own, and refusals are told apart."""
    alone = request.POST.get("claim_one")
    verb = "claim" if alone else request.POST.get("verb", "")
    if verb not in VERBS:
        raise Http404("There is no such answer")
    word, do = VERBS[verb]
    more = {"note": request.POST.get("note", "")} if verb in WITH_NOTE else {}
    done, problems = 0, []
    for hold in _selected(request, [alone] if alone else request.POST.getlist("hold")[:PAGE]):
        with attempt(about=hold) as outcome:
            do(hold, by=request.user, **more)
        if outcome.succeeded:
            done += 1
        else:
            problems.append(outcome.problem)
    if done:
        messages.success(request, f"{done} {word}.")
    for problem in dict.fromkeys(problems):
        times = problems.count(problem)
        messages.error(request, problem if times == 1 else f"{times} were refused: {problem}")
    if not done and not problems:
        messages.warning(request, "Nothing was selected.")
    return redirect(back_to(request) or "/inbox/")


def _selected(request: Asked, asked: list[str]) -> list[Hold]:
    try:
        ids = [UUID(text) for text in asked]
    except ValueError:
        raise Http404("That is no id") from None
    return list(Hold.objects.visible_to(request.user).filter(pk__in=ids).order_by("id"))
