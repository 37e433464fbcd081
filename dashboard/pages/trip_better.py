"""After a false trip: a better limit from history, and the ways to try it and to set it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from agents.backtest import Suggestion, suggest
from agents.models import Breaker, Trip
from agents.rules.breakers import plain, span

from .measures import said


@dataclass(frozen=True)
class Better:
    """`setting` is the breaker that would be changed: of a single run's own row, the one it came from."""

    suggestion: Suggestion
    setting: Breaker | None

    @property
    def is_found(self) -> bool:
        return self.setting is not None and (
            self.suggestion.limit is not None or self.suggestion.window is not None
        )

    @property
    def before(self) -> str:
        return self._words(self.setting) if self.setting else ""

    @property
    def after(self) -> str:
        if self.suggestion.window is not None:
            return span(self.suggestion.window.total_seconds())
        limit = self.suggestion.limit
        if limit is None or self.setting is None:
            return ""
        return said(limit, self.setting.condition, self.setting.unit)

    def _words(self, breaker: Breaker) -> str:
        if self.suggestion.window is not None:
            return span(breaker.window.total_seconds())
        return said(breaker.limit, breaker.condition, breaker.unit)

    @property
    def fields(self) -> dict[str, str]:
        """What a form that sets it sends."""
        found = self.setting
        if found is None:
            return {}
        limit = found.limit if self.suggestion.limit is None else self.suggestion.limit
        window = found.window if self.suggestion.window is None else self.suggestion.window
        count, _, unit = span(window.total_seconds()).partition(" ")
        return {"limit": plain(limit), "window": count, "unit": unit, "days": "30"}

    @property
    def url(self) -> str:
        return reverse("breaker-try", args=[self.setting.pk]) if self.setting else ""

    @property
    def try_url(self) -> str:
        return f"{self.url}?{urlencode(self.fields)}"


def better(trip: Trip) -> Better:
    return Better(suggest(trip, trip.was_true), setting_of(trip.breaker))


def setting_of(breaker: Breaker | None) -> Breaker | None:
    if breaker is None or breaker.run_id is None:
        return breaker
    same = {"condition": breaker.condition, "unit": breaker.unit, "scope": breaker.scope}
    rows = Breaker.objects.filter(agent=breaker.agent_id, run=None, **same)
    return rows.filter(window=breaker.window).first()
