"""Let the log go on after it halted, although somebody outside keeps a record that this one does not continue.

The record says so openly, for ever: which checkpoints it does not continue, and why.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.transitions import anchoring

HELP = "let a halted log go on, and say openly what it does not continue"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="why, for whoever reads the record")


def run(command: BaseCommand, *, reason: str, **_: Any) -> None:
    found = anchoring.resume(by="command", reason=reason)
    for one in found:
        command.stdout.write(f"Not continued: {one.sentence}")
    command.stdout.write("The log goes on.")
