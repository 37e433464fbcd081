"""Writing the record. Call inside the transaction whose change it tells of."""

from __future__ import annotations

from typing import Any, Protocol

from .models import Entry


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
) -> Entry:
    """Add one entry. `kind` is `noun.participle` (`hold.approved`); `summary` is one plain sentence."""
    return Entry.objects.create(
        kind=kind,
        actor=actor if isinstance(actor, str) else actor.record_name,
        about=about.record_name,
        summary=summary,
        data=data or {},
        **about.record_scope,
    )
