"""Entries as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import IO

from audit.kinds import named
from audit.rules.lines import moment

from .rows import Row

COLUMNS = [
    "index",
    "id",
    "at",
    "kind",
    "version",
    "actor",
    "who",
    "about",
    "team",
    "agent",
    "run",
    "summary",
    "data",
    "source",
    "erased",
]
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Table:
    """Writes to an open text file."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(COLUMNS)

    def add(self, row: Row, names: Mapping[str, str]) -> None:
        line, content = row.line, row.content
        cells = [
            *(row.index, line.id, moment(line.at), line.kind, line.version),
            *(line.actor, named(line.actor, names), line.about, line.team, line.agent, line.run),
            content.get("summary", ""),
            _json(content.get("data")),
            _json(content.get("source")),
            "yes" if row.body is None else "",
        ]
        self._writer.writerow([harmless(str(cell)) for cell in cells])


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
