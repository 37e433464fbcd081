"""Have the newest checkpoint kept outside now, where it is due, and say how every place stands."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from audit import anchors
from audit.transitions import anchoring

HELP = "have the newest checkpoint kept outside, and see how that stands"


def run(command: BaseCommand, **_: Any) -> None:
    anchoring.publish(timezone.now())
    found = anchors.standing()
    if not found.is_anchored:
        command.stdout.write(
            "Nobody outside keeps checkpoints: set WATCHFLOOR_ANCHOR_FILE or WATCHFLOOR_WITNESSES."
        )
    for place in found.places:
        when = place.at.isoformat() if place.at else "never"
        command.stdout.write(
            f"{place.state:13}{place.kind} {place.where}: {place.size} entries, {when} {place.error}"
        )
