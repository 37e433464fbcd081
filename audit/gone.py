"""Of which entries the record itself says that what they told was erased or expired.

What is read here may have been tampered with: nothing in it is believed to have a shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from django.db import connection

from .rules.lines import Hashed

TOLD = """
select l.id, l.kind, p.body from audit_line l join audit_payload p on p.id = l.id and p.at = l.at
 where l.kind in ('record.erased', 'record.expired') order by l.id
"""


@dataclass
class Gone:
    """Payloads that entries name; each of them only what was written before it."""

    ids: set[int] = field(default_factory=set)
    months: dict[str, int] = field(default_factory=dict)
    """By which entry a whole month went."""
    unreadable: list[int] = field(default_factory=list)
    """Entries that should name something, and do not."""

    def says(self, line: Hashed) -> bool:
        return (
            line.id in self.ids or self.months.get(f"{line.at.astimezone(UTC):%Y-%m}", 0) > line.id
        )

    def add(self, number: int, kind: str, body: str) -> None:
        match _told(body):
            case {"ids": list(ids)} if all(type(one) is int for one in ids):
                self.ids.update(one for one in ids if one < number)
            case {"month": str(month), **rest} if kind == "record.expired" and "ids" not in rest:
                self.months[month] = number
            case _:
                self.unreadable.append(number)


def said_gone() -> Gone:
    found = Gone()
    with connection.cursor() as cursor:
        cursor.execute(TOLD)
        for number, kind, body in cursor:
            found.add(number, kind, body)
    return found


def _told(body: str) -> Any:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told.get("data") if isinstance(told, dict) else None
