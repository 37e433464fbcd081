"""What changed: only that is told, not all that is so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

type Told = dict[str, Any] | None


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Told, Told]:
    """Both, without the fields in which they agree; None for what was not, or is no more."""
    if before is None or after is None:
        return (dict(before) if before is not None else None), (
            dict(after) if after is not None else None
        )
    differ = [
        name
        for name in {**before, **after}
        if before.get(name, _ABSENT) != after.get(name, _ABSENT)
    ]
    return (
        {name: before[name] for name in differ if name in before},
        {name: after[name] for name in differ if name in after},
    )


_ABSENT = object()
