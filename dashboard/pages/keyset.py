"""Pages by key: the next page begins after the last row of this one, however much was added before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.http import Http404, QueryDict


@dataclass(frozen=True)
class Page[M: models.Model]:
    """Some rows. `older` and `newer` are queries for the pages beside it, empty where there is none."""

    rows: list[M]
    older: str = ""
    newer: str = ""

    @property
    def is_first(self) -> bool:
        return not self.newer


def page[M: models.Model](
    rows: models.QuerySet[M],
    query: QueryDict,
    *,
    size: int,
    key: Callable[[str], Any] = UUID,
    newest_first: bool = True,
) -> Page[M]:
    """Read the page that `?before=` or `?after=` names, else the first. A key that is none is a 404."""
    before, after = _key(query, "before", key), _key(query, "after", key)
    backwards = (before is not None) if not newest_first else (after is not None)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    elif after is not None:
        rows = rows.filter(pk__gt=after)
    downwards = newest_first is not backwards
    found = list(rows.order_by("-pk" if downwards else "pk")[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    if not found:
        return Page([])
    ahead = more if not backwards else True
    behind = (before is not None or after is not None) if not backwards else more
    forward, back = ("before", "after") if newest_first else ("after", "before")
    return Page(
        found,
        older=_link(query, forward, found[-1].pk) if ahead else "",
        newer=_link(query, back, found[0].pk) if behind else "",
    )


def _key(query: QueryDict, name: str, key: Callable[[str], Any]) -> Any:
    text = query.get(name)
    if not text:
        return None
    try:
        return key(text)
    except ValueError:
        raise Http404(f"{name} names no row") from None


def _link(query: QueryDict, name: str, value: Any) -> str:
    link = query.copy()
    for other in ("before", "after"):
        link.pop(other, None)
    link[name] = str(value)
    return f"?{link.urlencode()}"
