"""`{% icon "inbox" %}`: one vendored Lucide icon as inline SVG, silent to screen readers unless it gets a title."""

from __future__ import annotations

import re
from functools import cache

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

SHAPES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@register.simple_tag
def icon(name: str, title: str = "") -> SafeString:
    """Draw `static/vendor/lucide/NAME.svg` as wide as `--icon`. An unknown name fails loudly."""
    voice = (
        format_html('role="img" aria-label="{}"', title)
        if title
        else mark_safe('aria-hidden="true"')
    )
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        voice,
        _shapes(name),
    )


@cache
def _shapes(name: str) -> SafeString:
    text = (settings.BASE_DIR / "static/vendor/lucide" / f"{name}.svg").read_text()
    found = SHAPES.search(text)
    assert found, f"{name}.svg holds no drawing"
    return mark_safe(re.sub(r"\s+", " ", found[1].strip()))  # noqa: S308 our own vendored file
