"""One entry whole: what it says, where it came from, and how its place in the log is proved."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404

from audit import kinds, log
from audit.models import Entry, Leaf, Payload
from audit.rules import lines
from people.models import Person

from .arguments import Change, changes
from .record import readable_by
from .record_lines import Line, names_in, names_of, told

TOLD_APART = ("before", "after", "digest", "policy_version", "on_behalf_of", "seat", "via")
"""Fields of an entry's data that have a place of their own on its page."""
CASES = ("reviews.hold", "agents.action")
"""Subjects whose whole story is a case."""
CHANNELS = {
    "page": "a page",
    "api": "a program with a personal token",
    "agent": "an agent’s program",
    "command": "a command at the machine",
    "clock": "the clock",
    "worker": "a worker",
}


@dataclass(frozen=True)
class Proof:
    """An entry's place in the tree that was signed last, as an outsider checks it."""

    leaf: Leaf
    size: int
    hashes: list[str]
    leaf_hash: str
    commitment: str
    salt: str
    body: str


@dataclass(frozen=True)
class Erasure:
    """Who let a payload go, and why."""

    line: Line
    reason: str
    """Where the sentence does not say it already."""
    is_open: bool
    """Whether this person may read the entry that tells of it."""


def one(pk: int, person: Person) -> Entry:
    """404 for those who may not read it."""
    return get_object_or_404(readable_by(person), pk=pk)


def whole(entry: Entry, person: Person) -> dict[str, Any]:
    data = entry.data or {}
    (line,) = told([entry], person)
    names = names_in([entry], person)
    erasure = _erasure(entry, person) if entry.is_erased else None
    noun, _, subject = entry.about.partition(":")
    return {
        "line": line,
        "entry": entry,
        "case": subject if noun in CASES and line.url else "",
        "who": kinds.named(entry.actor, names),
        **_whose(entry, person),
        "changes": changed(entry),
        "data": {key: value for key, value in data.items() if key not in TOLD_APART},
        "bound": data.get("digest", ""),
        "policy_version": data.get("policy_version", ""),
        "behalf": _named(data.get("on_behalf_of"), names),
        "seat": _named(data.get("seat"), names),
        "source": source(entry, names),
        "proof": proof(entry),
        "erasure": erasure,
    }


def source(entry: Entry, names: dict[str, str]) -> list[tuple[str, str]]:
    """Where it came from, as label and value."""
    said = entry.source or {}
    via = said.get("via") or (entry.data or {}).get("via", "")
    rows = [
        ("Through", CHANNELS.get(said.get("channel", ""), said.get("channel", ""))),
        ("Address", said.get("address", "")),
        ("Program", said.get("program", "")),
        ("Token", kinds.named(via, names) if via else ""),
    ]
    return [(label, str(value)) for label, value in rows if value]


def changed(entry: Entry) -> list[Change]:
    """What differs between before and after, where the entry says both or one of them."""
    data = entry.data or {}
    before, after = data.get("before"), data.get("after")
    if not isinstance(before, dict | None) or not isinstance(after, dict | None):
        return changes({"it": before}, {"it": after})
    return changes(before or {}, after or {})


def _whose(entry: Entry, person: Person) -> dict[str, str]:
    """Names of its team, agent and run, for those who may know them."""
    ids = {"team": entry.team, "agent": entry.agent, "agents.run": entry.run}
    names = names_of([f"{noun}:{pk}" for noun, pk in ids.items() if pk], person)
    return {
        f"{noun.rpartition('.')[2]}_name": names.get(f"{noun}:{pk}", "") for noun, pk in ids.items()
    }


def _named(value: Any, names: dict[str, str]) -> str:
    return names.get(f"person:{value}", str(value)) if value else ""


# -- proved ----------------------------------------------------------------------------------------


def proof(entry: Entry) -> Proof | None:
    """None while the entry waits for its place."""
    leaf, latest = log.leaf_of(entry.pk), log.latest()
    if leaf is None or latest is None or leaf.index >= latest.size:
        return None
    kept = Payload.objects.filter(id=entry.pk).first()
    return Proof(
        leaf,
        latest.size,
        hashes=[b64encode(one).decode() for one in log.proof(leaf.index, latest.size)],
        leaf_hash=b64encode(bytes(leaf.hash)).decode(),
        commitment=lines.commitment(kept.salt, kept.body) if kept else "",
        salt=kept.salt.hex if kept else "",
        body=kept.body if kept else "",
    )


def proof_text(entry: Entry) -> tuple[int, str]:
    """Index and `.tlog-proof`; 404 while it waits."""
    leaf = log.leaf_of(entry.pk)
    if leaf is None:
        raise Http404
    return leaf.index, log.proof_text(leaf.index)


# -- erased ----------------------------------------------------------------------------------------


def _erasure(entry: Entry, person: Person) -> Erasure | None:
    """The entry that says who let it go. Retention names months or numbers, an erasure always numbers."""
    found = Entry.objects.filter(kind="record.erased", data__ids__contains=[entry.pk]).first()
    if found is None:
        gone = Entry.objects.filter(kind="record.expired", pk__gt=entry.pk).order_by("pk")
        month = f"{entry.at:%Y-%m}"
        found = (
            gone.filter(data__ids__contains=[entry.pk]).first()
            or gone.filter(data__month__startswith=month).first()
        )
    if found is None:
        return None
    (line,) = told([found], person)
    reason = str(found.data.get("reason") or found.summary)
    said = "".join(part.text for part in line.sentence)
    is_open = readable_by(person).filter(pk=found.pk).exists()
    return Erasure(line, "" if reason in said else reason, is_open)
