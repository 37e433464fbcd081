"""Customer messages from a file: CSV, JSON lines or a mailbox, told apart by the extension.

Every message gets an id that is the same on every reading, so that a restarted process knows what it has
already done: the file's own (`id`, `Message-ID`), else a digest of the text and how often it occurred before.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .mail import mailbox_rows

TEXT_FIELDS = ("text", "body", "message", "content", "description")
ID_FIELDS = ("id", "message_id", "message-id", "uid")
SENDER_FIELDS = ("sender", "from", "customer", "email")
SUBJECT_FIELDS = ("subject", "title")

Row = Mapping[str, object]


class UnreadableInput(ValueError):
    """The file cannot be read as customer messages; the sentence says where and why."""


@dataclass(frozen=True)
class Message:
    """One thing a customer wrote. All of it is data from a stranger, never an instruction."""

    id: str
    text: str
    sender: str = ""
    subject: str = ""

    @property
    def subject_name(self) -> str:
        """How Watchfloor knows the item; what a loop is judged by."""
        return f"message:{self.id}"


def read(path: Path) -> list[Message]:
    """All messages of a file with text in them, in its order."""
    try:
        rows = READERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(sorted(READERS))
        raise UnreadableInput(f"{path.name}: the name must end in one of {known}") from None
    return list(_named(_row_to_message(row) for row in rows(path)))


def _row_to_message(row: Row) -> Message:
    return Message(
        id=_first(row, ID_FIELDS)[:120],
        text=_first(row, TEXT_FIELDS),
        sender=_first(row, SENDER_FIELDS),
        subject=_first(row, SUBJECT_FIELDS),
    )


def _named(messages: Iterator[Message]) -> Iterator[Message]:
    """Give every message with words in it an id of its own; two alike are two messages."""
    seen: Counter[str] = Counter()
    for message in messages:
        if not (message.text or message.subject):
            continue
        name = message.id or digest(f"{message.sender}\n{message.subject}\n{message.text}")
        seen[name] += 1
        if seen[name] > 1:
            name = f"{name}-{seen[name]}"
        yield Message(name, message.text or message.subject, message.sender, message.subject)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _first(row: Row, fields: tuple[str, ...]) -> str:
    lowered = {str(key).strip().lower(): value for key, value in row.items()}
    for field in fields:
        value = lowered.get(field)
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value).strip()
    return ""


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        columns = {str(name).strip().lower() for name in reader.fieldnames or ()}
        if not columns & set(TEXT_FIELDS):
            wanted = ", ".join(TEXT_FIELDS)
            raise UnreadableInput(f"{path.name}: no column is called one of {wanted}")
        for row in reader:
            yield {key: value for key, value in row.items() if key is not None}


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UnreadableInput(f"{path.name}, line {number}: {error}") from error
            if isinstance(row, str):
                row = {"text": row}
            if not isinstance(row, dict):
                raise UnreadableInput(f"{path.name}, line {number}: not an object or a string")
            yield row


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".mbox": mailbox_rows,
}
