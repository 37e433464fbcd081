"""`manage.py record …`: the record looked after by hand. The subcommands are the files of `audit.commands`."""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from audit import commands, source
from audit.errors import Refused


class Command(BaseCommand):
    help = "Check the record, see how its log stands, sequence, rotate its key, and more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for name, module in sorted(found().items()):
            verb = verbs.add_parser(name, help=module.HELP, description=module.__doc__)
            if hasattr(module, "arguments"):
                module.arguments(verb)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with source.of("command"):
                found()[verb].run(self, **options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        except PermissionDenied as refusal:
            raise CommandError(str(refusal)) from refusal


def found() -> dict[str, ModuleType]:
    return {
        module.name.replace("_", "-"): import_module(f"{commands.__name__}.{module.name}")
        for module in iter_modules(commands.__path__)
    }
