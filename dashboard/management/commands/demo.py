"""`manage.py demo prepare`: the demonstration floor's people and agents."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.demonstration import prepare
from dashboard.embedded.runtime import data_folder


class Command(BaseCommand):
    help = "Make the people and agents of the demonstration floor. Again and again is harmless."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["prepare"])
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        said = prepare(data_folder())
        if options["json"]:
            self.stdout.write(json.dumps(said))
            return
        for person in said["people"]:
            self.stdout.write(f"{person['name']:8} {person['password']}  ({person['role']})")
