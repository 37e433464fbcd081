"""Writing the record. Call inside the transaction whose change it tells of."""

from __future__ import annotations

import json
from typing import Any, Protocol

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

ADD = """
insert into audit_entry (kind, actor, about, team, agent, run, summary, data, at)
values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, clock_timestamp())
"""


class Recordable(Protocol):
    """Anything that can name itself in the record."""

    @property
    def record_name(self) -> str: ...

    @property
    def record_scope(self) -> dict[str, str]: ...


def record(
    kind: str,
    *,
    actor: Recordable | str,
    about: Recordable,
    summary: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Add one entry. `kind` is `noun.participle` (`hold.approved`); `summary` is one plain sentence.

    Somebody who acts through something (`actor.via`, a token) is still the actor; what it was stands in `data`.
    """
    scope = about.record_scope
    via = getattr(actor, "via", "")
    facts = {**(data or {}), "via": via} if via else data or {}
    with connection.cursor() as cursor:
        cursor.execute(
            ADD,
            [
                kind,
                actor if isinstance(actor, str) else actor.record_name,
                about.record_name,
                scope.get("team", ""),
                scope.get("agent", ""),
                scope.get("run", ""),
                summary,
                json.dumps(facts, cls=DjangoJSONEncoder),
            ],
        )
