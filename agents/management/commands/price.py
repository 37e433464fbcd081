"""`manage.py price list|import`: the price table as a file, from a provider's list."""

from __future__ import annotations

import csv
import io
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from agents import prices
from agents.models import Price
from agents.rules.prices import PriceSetting, checked
from agents.transitions import price as verbs
from audit.errors import Invalid, Refused

from .budget import BY, person, team_named

KEYS = ("name", "input", "output", "cached_input", "cache_write", "valid_from", "note")
MOST_BYTES = 4_000_000


class Command(BaseCommand):
    help = "List prices, and import them from YAML or CSV: dollars a million tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs_ = parser.add_subparsers(dest="verb", required=True)
        verbs_.add_parser("list", help="every row, newest first by name")
        taken = verbs_.add_parser("import", help="add what differs: all of it, or nothing")
        taken.add_argument("file", help=f"YAML or CSV with {', '.join(KEYS)}")
        taken.add_argument("--team", help="this team’s own; without it the house’s")
        taken.add_argument("--note", default="", help="where it was read, for rows without a note")
        taken.add_argument("--by", help="the person whose change it is; checked like theirs")
        taken.add_argument("--dry-run", action="store_true", help="say what would be added")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"{options['verb']}_prices")(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        except PermissionDenied as refusal:
            raise CommandError(str(refusal)) from refusal

    def list_prices(self, **_: Any) -> None:
        for one in Price.objects.select_related("team"):
            said = verbs.said(verbs.row_of(one))
            whose = one.team.name if one.team else "the house"
            self.stdout.write(f"{one.name} ({whose}) from {one.valid_from:%Y-%m-%d}: {said}")

    @transaction.atomic
    def import_prices(
        self, *, file: str, team: str | None, note: str, by: str | None, dry_run: bool, **_: Any
    ) -> None:
        """What is there already is left alone, so that importing twice is harmless."""
        of = team_named(team) if team else None
        who = person(by) if by else BY
        book, added = prices.book(), 0
        for setting in read(Path(file), note):
            at = setting.valid_from or timezone.now()
            known = book.find(setting.name, at=at, team=of.pk if of else None)
            if known is not None and same(setting, known):
                continue
            added += 1
            if not dry_run:
                verbs.add(of, setting, by=who)
            self.stdout.write(f"{setting.name}: ${setting.input:f} in, ${setting.output:f} out")
        self.stdout.write(f"{added} prices {'would be added' if dry_run else 'added'}.")


def same(setting: PriceSetting, row: Any) -> bool:
    """Whether the row that counts says just this."""
    names = ("input", "output", "cached_input", "cache_write", "withdrawn")
    if row.name.lower() != setting.name.lower():
        return False
    if setting.valid_from is not None and row.valid_from != setting.valid_from:
        return False
    return all(getattr(setting, name) == getattr(row, name) for name in names)


def read(path: Path, note: str) -> list[PriceSetting]:
    """The rows of a file, checked. Raises Invalid in a sentence that names the row."""
    try:
        text = path.read_bytes()[:MOST_BYTES].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}.") from error
    rows: Iterable[Any]
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(text))
    else:
        try:
            rows = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Invalid(f"{path} is no YAML: {error}") from error
        if isinstance(rows, Mapping):
            rows = rows.get("prices", [])
        if not isinstance(rows, list):
            raise Invalid("A list of prices is needed: - {name: gpt-4o*, input: 2.5, output: 10}.")
    return [setting_of(row, f"Price {number}", note) for number, row in enumerate(rows, 1)]


def setting_of(row: Any, place: str, note: str) -> PriceSetting:
    if not isinstance(row, Mapping):
        raise Invalid(f"{place}: write {{name: gpt-4o*, input: 2.5, output: 10}}.")
    unknown = [str(key) for key in row if key not in KEYS]
    if unknown:
        raise Invalid(f"{place}: it knows no “{unknown[0]}”. There are: {', '.join(KEYS)}.")
    return checked(
        PriceSetting(
            name=str(row.get("name") or ""),
            input=dollars(row.get("input"), f"{place}: input") or Decimal(0),
            output=dollars(row.get("output"), f"{place}: output") or Decimal(0),
            cached_input=dollars(row.get("cached_input"), f"{place}: cached_input", needed=False),
            cache_write=dollars(row.get("cache_write"), f"{place}: cache_write", needed=False),
            valid_from=moment(row.get("valid_from"), place),
            note=str(row.get("note") or note),
        )
    )


def dollars(value: Any, place: str, *, needed: bool = True) -> Decimal | None:
    if value in (None, ""):
        if needed:
            raise Invalid(f"{place} is missing: dollars a million tokens.")
        return None
    try:
        return Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        raise Invalid(f"{place}: “{value}” is no number of dollars.") from None


def moment(value: Any, place: str) -> datetime | None:
    """A date is its beginning in UTC."""
    if value in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise Invalid(f"{place}: valid_from: write 2026-11-01.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
