"""Bundles that wait to be fetched are copies: what is erased from the record goes from them, too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from audit import signals
from audit.models import Export, ExportState, Line
from audit.signals import Redaction

from .scope import Scope

HOLDING = (ExportState.MADE, ExportState.MAKING)


@receiver(signals.redacting)
def make_bundles_again(redaction: Redaction, **_: Any) -> dict[str, int]:
    """Those that hold one of these entries are thrown away and made anew, without what was erased."""
    found = [
        made
        for made in Export.objects.filter(state__in=HOLDING)
        if redaction.person is not None or _holds(made, redaction.ids)
    ]
    if redaction.really and found:
        again = Export.objects.filter(pk__in=[made.pk for made in found])
        again.update(state=ExportState.WAITING, begun_at=None)
        paths = [made.path for made in found]
        transaction.on_commit(lambda: _remove(paths))
    return {"bundle": len(found)}


def _holds(made: Export, ids: Iterable[int]) -> bool:
    scope = Scope.from_about(made.about)
    lines = Line.objects.filter(pk__in=ids, at__gte=scope.since, at__lt=scope.until)
    if scope.teams is not None:
        lines = lines.filter(team__in=scope.teams)
    return lines.exists()


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
