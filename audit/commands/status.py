"""How the log stands: its name, key, size, what waits, and whether it was halted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit import anchors, granting, keys, log

HELP = "how the log stands"


def run(command: BaseCommand, **_: Any) -> None:
    row, last = keys.opened(), log.latest()
    waiting, since = log.lag()
    told = {
        "origin": row.origin,
        "key": log.vkey(),
        "size": last.size if last else 0,
        "signed": last.at.isoformat() if last else "never",
        "waiting": f"{waiting}, since {since.isoformat()}" if since else "0",
        "halted": f"{row.halted_at.isoformat()}: {row.halted_reason}" if row.halted_at else "no",
    }
    for place in anchors.standing().places:
        told[f"{place.kind.lower()}"] = f"{place.where}: {place.state}, {place.size} {place.error}"
    guarded = granting.standing()
    told["role"] = f"{guarded.role}. {guarded.sentence}"
    if not guarded.is_guarded:
        told["mend"] = granting.MEND
    for name, value in told.items():
        command.stdout.write(f"{name:8} {value}")
