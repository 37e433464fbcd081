"""Text that an agent (or whoever wrote to it) wrote: shown whole, harmless, with nothing hidden in it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from itertools import islice
from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from audit.hidden import hides, spelt_out

from .words import many

register = template.Library()

SHOWN_AT_ONCE = 600
SHOWN_AT_ALL = 100_000
"""A page that carries more than this helps nobody; the record keeps it all."""
KEYS_AT_ONCE = 40
KEYS_AT_ALL = 500
DEEPEST = 12

SHORT_NAMES = {
    "\u00ad": "SHY", "\u061c": "ALM", "\u180e": "MVS", "\u200b": "ZWSP", "\u200c": "ZWNJ",
    "\u200d": "ZWJ", "\u200e": "LRM", "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE",
    "\u202c": "PDF", "\u202d": "LRO", "\u202e": "RLO", "\u2028": "LS", "\u2029": "PS",
    "\u2060": "WJ", "\u2066": "LRI", "\u2067": "RLI", "\u2068": "FSI", "\u2069": "PDI",
    "\ufeff": "BOM", "\u115f": "HCF", "\u1160": "HJF", "\u3164": "HF", "\uffa0": "HHF",
    "\u2800": "BLANK", "\u034f": "CGJ", "\u00a0": "NBSP",
}  # fmt: skip


def _spelt_out(character: str) -> str:
    point = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "control character")
    label = SHORT_NAMES.get(character, point)
    return f'<span class="ghost" title="{point} {escape(name)}">{label}</span>'


def revealed(text: str) -> SafeString:
    """`text` escaped, each hidden character spelt out as a labelled chip."""
    if text.isascii() and text.isprintable():
        return SafeString(escape(text))
    parts: list[str] = []
    plain: list[str] = []
    for character in text:
        if hides(character):
            parts.append(escape("".join(plain)))
            plain.clear()
            parts.append(_spelt_out(character))
        else:
            plain.append(character)
    parts.append(escape("".join(plain)))
    return mark_safe("".join(parts))  # noqa: S308 every part was escaped above


@register.filter
def untrusted(value: Any, at_once: int = SHOWN_AT_ONCE) -> SafeString:
    """Text in full width, hidden characters visible, the rest of a long one behind `show all`."""
    text = as_text(value)
    if len(text) <= at_once + 80:  # a "show 12 more" would be silly
        return format_html('<span class="untrusted" dir="auto">{}</span>', revealed(text))
    rest, beyond = text[at_once:SHOWN_AT_ALL], max(0, len(text) - SHOWN_AT_ALL)
    return format_html(
        '<span class="untrusted" dir="auto">{}…</span><details class="more"><summary>Show all {} characters'
        '</summary><span class="untrusted" dir="auto">…{}</span>{}</details>',
        revealed(text[:at_once]),
        f"{len(text):,}",
        revealed(rest),
        format_html('<p class="hint">The last {} characters are not shown here.</p>', f"{beyond:,}")
        if beyond
        else "",
    )


@register.filter
def untrusted_line(value: Any, at_most: int = 160) -> SafeString:
    """The same on one line, for titles and rows: line ends become spaces, a long one ends in `…`."""
    text = as_text(value)[: at_most * 4]
    text = " ".join(text.replace("\r\n", "\n").replace("\n", " ").replace("\t", " ").split(" "))
    shown = text if len(text) <= at_most else text[: at_most - 1] + "…"
    return format_html('<bdi class="untrusted-line">{}</bdi>', revealed(shown))


register.filter("spelt_out", spelt_out)  # for an `<option>`, which can hold no mark-up


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


# -- JSON as nested lists --------------------------------------------------------------------------


@register.filter
def tree(value: Any, at_once: int = KEYS_AT_ONCE) -> SafeString:
    """JSON as labels and values, nested ones folded away from the third level, long ones behind `show all`."""
    match value:
        case dict():
            return _pairs(value.items(), len(value), 0, at_once)
        case list():
            return _pairs(enumerate(value), len(value), 0, at_once)
    return _leaf(value)


def _pairs(pairs: Iterable[tuple[Any, Any]], size: int, depth: int, at_once: int) -> SafeString:
    if not size:
        return mark_safe('<span class="literal faint">empty</span>')
    pairs = iter(pairs)
    first = _rows(islice(pairs, at_once), depth)
    if size <= at_once:
        return format_html('<dl class="tree">{}</dl>', first)
    rest = _rows(islice(pairs, KEYS_AT_ALL - at_once), depth)
    return format_html(
        '<dl class="tree">{}</dl><details class="more"><summary>Show all {} values</summary>'
        '<dl class="tree">{}</dl>{}</details>',
        first,
        f"{size:,}",
        rest,
        format_html('<p class="hint">{} more are not shown here.</p>', f"{size - KEYS_AT_ALL:,}")
        if size > KEYS_AT_ALL
        else "",
    )


def _rows(pairs: Iterable[tuple[Any, Any]], depth: int) -> SafeString:
    return format_html_join(
        "",
        "<dt>{}</dt><dd>{}</dd>",
        ((untrusted_line(str(k), 80), _value(v, depth)) for k, v in pairs),
    )


def _value(value: Any, depth: int) -> SafeString:
    if not isinstance(value, dict | list) or not value:
        return _leaf(value)
    if depth >= DEEPEST:
        return untrusted(json.dumps(value, ensure_ascii=False))
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    inner = _pairs(pairs, len(value), depth + 1, KEYS_AT_ONCE)
    if depth == 0 and len(value) <= 12:
        return inner
    size = many(len(value), "key" if isinstance(value, dict) else "value")
    return format_html("<details><summary>{}</summary>{}</details>", size, inner)


def _leaf(value: Any) -> SafeString:
    match value:
        case str() if value:
            return untrusted(value, 300)
        case "" | [] | {}:
            return mark_safe('<span class="literal">empty</span>')
        case _:
            return format_html('<span class="literal">{}</span>', json.dumps(value))
