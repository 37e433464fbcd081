"""Give every line that waits its place in the log, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit import sequencing

HELP = "give every line that waits its place in the log"


def run(command: BaseCommand, **_: Any) -> None:
    command.stdout.write(f"{sequencing.sequence_all(within=3600)} sequenced.")
