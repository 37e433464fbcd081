"""Write evidence into a file: a case, or a period, which outsiders prove by `watchfloor verify`.

Times are ISO 8601 (2026-11-01, or 2026-11-01T13:00+01:00); without a zone they are UTC.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.utils import timezone

from audit import log
from audit.errors import Invalid, NotFound
from audit.evidence import finding
from audit.evidence.scope import Scope
from audit.transitions import exporting

HELP = "write a case or a period as evidence that outsiders can prove"
BY = "command"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("target", type=Path, help="the .zip that is written")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--case", type=UUID, help="id of an action or a hold")
    which.add_argument("--from", dest="since", type=datetime.fromisoformat, help="first moment")
    parser.add_argument("--to", type=datetime.fromisoformat, help="end; default: now")
    parser.add_argument("--team", action="append", help="id of a team; default: everything")
    parser.add_argument("--for", dest="name", default="", help="who it is for, in words")
    parser.add_argument(
        "--continues", type=Path, help="an older checkpoint, to show it continues it"
    )


def run(
    command: BaseCommand,
    *,
    target: Path,
    case: UUID | None,
    since: datetime | None,
    to: datetime | None,
    team: list[str] | None,
    name: str,
    continues: Path | None,
    **_: Any,
) -> None:
    if target.exists():
        raise Invalid(f"{target} exists already.")
    scope = _case(case, team) if case else _period(since, to, team)
    older = continues.read_text("utf-8") if continues else ""
    made = exporting.export(scope, target, by=BY, name=name or "whoever has it", older=older)
    command.stdout.write(
        f"{made.count:,} entries, {made.erased:,} of them erased, in {target}.\n"
        f"watchfloor verify {target} --key {log.vkey()}"
    )


def _case(pk: UUID, teams: list[str] | None) -> Scope:
    found = finding.case(pk)
    if found is None:
        raise NotFound(f"There is no action or hold {pk}.")
    return Scope.of_case(pk, found.lines, found.names, teams=teams)


def _period(since: datetime | None, until: datetime | None, teams: list[str] | None) -> Scope:
    assert since is not None
    return Scope.of_period(_utc(since), _utc(until or timezone.now()), teams=teams)


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
