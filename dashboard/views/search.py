"""Search: an id goes straight to its page, words look through names and open holds."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from agents.models import Action, Agent, Run
from dashboard.pages.inbox import rows
from reviews.models import Hold

from .asked import Asked

SHOWN = 20
LOOKED_AT = 5_000
"""How many of the newest holds and runs words are looked for in: the record's page searches further."""


@require_safe
@login_required
def search(request: Asked) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:200]
    if place := _by_id(request, text):
        return redirect(place)
    found = _by_words(request, text) if text else {}
    return render(request, "search.html", {"q": text, "is_empty": not any(found.values()), **found})


def _by_id(request: Asked, text: str) -> str | None:
    try:
        pk = UUID(text)
    except ValueError:
        return None
    for model in (Hold, Agent, Run, Action):
        thing = model._default_manager.all().visible_to(request.user).filter(pk=pk).first()
        if thing is not None:
            return str(thing.get_absolute_url())
    return None


def _by_words(request: Asked, text: str) -> dict[str, list[Agent] | list[Run] | list[Hold]]:
    newest_holds = rows(request.user).waiting().order_by("-id").values("pk")[:LOOKED_AT]
    runs = Run.objects.visible_to(request.user).order_by("-id").values("pk")[:LOOKED_AT]
    return {
        "agents": list(Agent.objects.visible_to(request.user).filter(name__icontains=text)[:SHOWN]),
        "holds": list(
            rows(request.user)
            .filter(pk__in=newest_holds, title__icontains=text)
            .order_by("-id")[:SHOWN]
        ),
        "runs": list(
            Run.objects.filter(pk__in=runs, name__icontains=text)
            .select_related("agent")
            .order_by("-id")[:SHOWN]
        ),
    }
