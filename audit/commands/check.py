"""Compute everything in the record again, from the columns up, and compare it with what was signed.

Exits with 1 and a line for each problem when something is not as it was signed.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import log
from audit.check import ENOUGH, Problem, check

HELP = "compute everything again and compare it with what was signed"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--since", type=int, default=0, help="only leaves from this index on")
    parser.add_argument("--json", action="store_true", help="a JSON object on one line")


def run(command: BaseCommand, *, since: int, json: bool, **_: Any) -> None:
    problems = check(since)
    if json:
        command.stdout.write(_told(problems))
    else:
        for problem in problems:
            command.stdout.write(f"{problem.kind}: {problem.says}")
    if problems:
        many = f"{ENOUGH} or more" if len(problems) == ENOUGH else str(len(problems))
        raise CommandError(f"Problems: {many}.", returncode=1)
    if not json:
        command.stdout.write(f"Nothing is wrong with {max(0, log.size() - max(0, since))} leaves.")


def _told(problems: list[Problem]) -> str:
    told = {"size": log.size(), "problems": [asdict(problem) for problem in problems]}
    return json.dumps(told)
