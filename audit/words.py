"""What the record is searched by: words, as PostgreSQL's `tsvector` and `tsquery` spell them. Pure.

PostgreSQL's own parser reads half of an id as a number and the other half as a sign, and not always the same
half. So words are cut here, alike for what is kept and for what is looked for: runs of letters and digits,
without case; an id (RFC 9562) is one word. Facts (whose line it is, of which kind) are words, too, which no text can hold: they begin with `=`.
One index then answers any mixture of both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

ID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
WORD = re.compile(rf"{ID}|[^\W_]+")
TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')

LONGEST_WORD = 60
LONGEST_TEXT = 100_000
"""So much of one entry is looked through; a vector must stay under a megabyte."""
LAST_PLACE = 16_383
MOST_PLACES = 64
"""Of one word in one text: what tells a phrase from its words."""
MOST_TERMS = 16
SHORTEST_BEGINNING = 3
"""Fewer letters are looked for as a whole word only: too much begins with them."""

type Names = Callable[[str], Iterable[str]]


def words(text: str) -> list[str]:
    """`Refund-42 to Ä` is `refund`, `42`, `to`, `ä`."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).casefold()
    return [word[:LONGEST_WORD] for word in WORD.findall(plain)]


def text_of(value: Any) -> str:
    """All that people could read in JSON: keys, texts, numbers, in their order."""
    parts: list[str] = []
    left = LONGEST_TEXT
    waiting = [value]
    while waiting and left > 0:
        one = waiting.pop()
        match one:
            case dict():
                for key, inner in reversed(one.items()):
                    waiting += [inner, str(key)]
            case list():
                waiting.extend(reversed(one))
            case str():
                parts.append(one[:left])
                left -= len(one) + 1
            case bool() | None:
                continue
            case _:
                parts.append(str(one))
                left -= len(parts[-1]) + 1
    return " ".join(parts)


# -- what is kept ----------------------------------------------------------------------------------


def fact(name: str, value: object) -> str:
    return f"={name}:{value}"


def vector(text: str, facts: Iterable[str] = ()) -> str:
    """A `tsvector` literal: every word with its places, and the facts without one."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words(text), 1):
        kept = places.setdefault(word, [])
        if len(kept) < MOST_PLACES and place <= LAST_PLACE:
            kept.append(place)
    parts = [
        f"'{word}'{':' if kept else ''}{','.join(map(str, kept))}" for word, kept in places.items()
    ]
    return " ".join(parts + [_quoted(one) for one in facts])


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


# -- what is looked for ----------------------------------------------------------------------------


def query(text: str, names: Names = lambda _: ()) -> str:
    """A `tsquery` for what somebody typed; empty when there is no word in it that must be there.

    Words are beginnings of words and all wanted; `"…"` is a phrase, `-` excludes, `or` is either. `names` tells
    which facts somebody may mean by a word: a person's name stands in no line, only their id.
    """
    either: list[list[str]] = [[]]
    wanted = [False]
    for minus, phrase, word in TERM.findall(text)[:MOST_TERMS]:
        if word.casefold() == "or" and not minus:
            either.append([])
            wanted.append(False)
        elif part := _term(phrase or word, names, whole=bool(phrase)):
            either[-1].append(f"!({part})" if minus else f"({part})")
            wanted[-1] |= not minus
    kept = [" & ".join(parts) for parts, must in zip(either, wanted, strict=True) if must]
    return " | ".join(f"({part})" for part in kept)


def facts_query(*facts: Iterable[str]) -> str:
    """All of these, each in one of its spellings."""
    return " & ".join("(" + " | ".join(map(_quoted, one)) + ")" for one in facts)


def _term(text: str, names: Names, *, whole: bool) -> str:
    found = words(text)
    if not found:
        return ""
    parts = [f"'{word}'" for word in found]
    if not whole and len(found[-1]) >= SHORTEST_BEGINNING:
        parts[-1] += ":*"
    meant = [_quoted(one) for one in names(text.casefold())]
    return " | ".join([" <-> ".join(parts), *meant])
