"""Links that leave: an agent gave the address, so it is looked at before it becomes a link."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django import template

from agents.models import Run

register = template.Library()


@register.filter
def is_web_address(url: str) -> bool:
    """Whether a browser goes to a web page there, and nothing else happens."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()


@register.filter
def place_of(url: str) -> str:
    """The host it leads to, so that one knows before going."""
    return urlsplit(url).hostname or ""


@register.filter
def lasted(run: Run) -> timedelta | None:
    """From its start to its end, or None while it lives."""
    return run.finished_at - run.started_at if run.finished_at else None
