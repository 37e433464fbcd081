"""A new key signs from now on. The old one vouches for it, signs the next checkpoint too, and is forgotten."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit import keys

HELP = "let a new key sign; the old one vouches for it"


def run(command: BaseCommand, **_: Any) -> None:
    command.stdout.write(keys.rotate(by="command").vkey)
