"""What an agent gave and cannot be marked where it stands: addresses to leave by, words in a page's title."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django import template

from agents.models import Run
from audit.hidden import hides

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
def hides_something(text: str) -> bool:
    """Whether there is more in it than one would see in a field."""
    return any(hides(character) for character in text)


@register.filter
def plain_line(text: str, at_most: int) -> str:
    """For a page's title, where nothing can be marked: what would hide or turn text is left out."""
    shown = "".join(character for character in text[: at_most * 2] if not hides(character))
    return shown if len(shown) <= at_most else f"{shown[: at_most - 1]}…"


@register.filter
def lasted(run: Run) -> timedelta | None:
    """From its start to its end, or None while it lives."""
    return run.finished_at - run.started_at if run.finished_at else None
