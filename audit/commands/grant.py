"""Let a role run Watchfloor that does not own its tables, so that it cannot rewrite the record.

Run it as the owner (WATCHFLOOR_OWNER_DATABASE_URL), once; migrating does it anew after every change of tables.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction

from audit import granting

HELP = "let a role run Watchfloor without owning its tables"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--role", required=True, help="who runs Watchfloor; it must exist")
    parser.add_argument("--print", action="store_true", help="only print the SQL that would do it")


def run(command: BaseCommand, *, role: str, **options: Any) -> None:
    if options["print"]:
        for statement in granting.statements(role):
            command.stdout.write(f"{statement};")
        return
    if granting.standing().is_guarded:
        raise CommandError(
            "Only the owner of the tables can do this: set WATCHFLOOR_OWNER_DATABASE_URL."
        )
    try:
        with transaction.atomic():
            granting.grant(role)
    except DatabaseError as problem:
        raise CommandError(f"{role} could not be granted this: {problem}".strip()) from problem
    command.stdout.write(
        f"{role} can run Watchfloor now: give DATABASE_URL its name, and what it may do is renewed "
        "after every migration while WATCHFLOOR_OWNER_DATABASE_URL names the owner."
    )
