"""Lines of entries.jsonl: each leaf canonical and of the right fields, each content the one its leaf commits to."""

from __future__ import annotations

import json
import re
from array import array
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from .merkle import HASH
from .problems import Problem, Problems
from .strict import Malformed, is_count, loads_line

LONGEST = 16 << 20
LONGEST_LEAF = 65_535
NAMES = ["about", "actor", "agent", "at", "id", "kind", "payload", "run", "team", "version"]
TEXTS = ("about", "actor", "agent", "at", "kind", "payload", "run", "team")
WHOLE, ERASED = {"index", "leaf", "salt", "body"}, {"index", "leaf", "erased"}
CONTENT = {"data": dict, "source": dict, "summary": str, "actor_name": str, "about_name": str}
"""Parts of a content and what they are. The last two stand in what was written before lines were hashed."""
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_HEX64 = re.compile(r"[0-9a-f]{64}")
_TEXT = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*"'
_USUAL = re.compile(
    rf'\{{"about":{_TEXT},"actor":{_TEXT},"agent":{_TEXT},"at":"({_AT.pattern})",'
    rf'"id":([1-9][0-9]{{0,17}}),"kind":(?!""){_TEXT},"payload":"((?:{_HEX64.pattern})?)",'
    rf'"run":{_TEXT},"team":{_TEXT},"version":(?:0|[1-9][0-9]{{0,8}})\}}',
    re.ASCII,
)
"""A canonical line at one look; what does not match is looked at again, slowly, to say what is wrong with it."""
_HEX32 = re.compile(r"[0-9a-f]{32}")
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_plain = json.JSONDecoder().decode


class Wrong(Exception):
    """What is wrong with one line: its kind, and in words."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind, self.text = kind, text


@dataclass
class Part:
    """What a stretch of lines holds. Where a line cannot be read, its index is -1."""

    indexes: array[int] = field(default_factory=lambda: array("q"))
    ids: array[int] = field(default_factory=lambda: array("q"))
    hashes: bytearray = field(default_factory=bytearray)
    erased: int = 0
    first_at: str = ""
    last_at: str = ""
    problems: list[tuple[Problem, int]] = field(default_factory=list)


def check_part(raw: bytes, first: int, since: str, until: str) -> Part:
    """Look at whole lines, the first of which is number `first` of the file (from 1)."""
    part, problems = Part(), Problems()
    lines = raw.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, first):
        try:
            entry = _parsed(line)
        except Malformed as why:
            problems.add("unreadable line", f"entries.jsonl, line {number:,}: {why}")
            part.indexes.append(-1)
            part.ids.append(-1)
            part.hashes += bytes(HASH)
            continue
        index = entry["index"]
        part.indexes.append(index)
        try:
            data = entry["leaf"].encode()
            part.hashes += sha256(b"\0" + data).digest()
        except UnicodeEncodeError:
            part.hashes += bytes(HASH)
            part.ids.append(-1)
            problems.add("leaf", f"entry {index:,}: its line is no Unicode text", index)
            continue
        _look(entry, data, part, problems, since, until)
    part.problems = problems.counted()
    return part


def _parsed(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise Malformed(f"it is longer than {LONGEST:,} bytes")
    try:
        entry = loads_line(line.decode())
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None
    if type(entry) is not dict or not (entry.keys() == WHOLE or entry.keys() == ERASED):
        raise Malformed("it has other fields than index, leaf, salt and body (or erased)")
    if not is_count(entry["index"]) or type(entry["leaf"]) is not str:
        raise Malformed("its index or its leaf is of another type")
    return entry


def _look(
    entry: dict[str, Any], data: bytes, part: Part, problems: Problems, since: str, until: str
) -> None:
    index = entry["index"]
    try:
        id, at, commitment = _facts(entry["leaf"], data)
    except Wrong as wrong:
        part.ids.append(-1)
        problems.add(wrong.kind, f"entry {index:,}: {wrong.text}", index)
        return
    part.ids.append(id)
    part.first_at = min(part.first_at or at, at)
    part.last_at = max(part.last_at, at)
    if (since and at < since) or (until and at >= until):
        problems.add("period", f"entry {index:,} is of {at}, outside the period it says", index)
    try:
        if "erased" in entry:
            if entry["erased"] is not True:
                raise Wrong("payload", "“erased” is said of it, but not true")
            part.erased += 1
        elif not commitment:
            raise Wrong(
                "payload", "its content was gone before it was committed to, yet stands here"
            )
        else:
            _check_payload(entry["salt"], entry["body"], commitment)
    except Wrong as wrong:
        problems.add(wrong.kind, f"entry {index:,}: {wrong.text}", index)


def _facts(leaf: str, data: bytes) -> tuple[int, str, str]:
    """Number, time and commitment of a line, if the text is its one canonical form (RFC 8785), each part of its type."""
    if len(data) > LONGEST_LEAF:
        raise Wrong("leaf", f"its line is longer than {LONGEST_LEAF:,} bytes")
    usual = _USUAL.fullmatch(leaf)
    if usual and _is_moment(usual[1]):
        return int(usual[2]), usual[1], usual[3]
    facts = _looked_through(leaf)
    return facts["id"], facts["at"], facts["payload"]


def _looked_through(leaf: str) -> dict[str, Any]:
    try:
        facts = _plain(leaf)
        if type(facts) is not dict or list(facts) != NAMES:
            raise Wrong("leaf", "its line has other fields than a line has, or in another order")
        if _canonical(facts) != leaf:
            raise Wrong("leaf", "its line is not in canonical form")
    except (ValueError, RecursionError):
        raise Wrong("leaf", "its line is no JSON") from None
    for name in TEXTS:
        if type(facts[name]) is not str:
            raise Wrong("leaf", f"“{name}” in its line is no text")
    if not (is_count(facts["id"]) and is_count(facts["version"])):
        raise Wrong("leaf", "its number or version is no whole number")
    if not (facts["id"] and facts["kind"]):
        raise Wrong("leaf", "its number or its kind is missing")
    if not (_AT.fullmatch(facts["at"]) and _is_moment(facts["at"])):
        raise Wrong("leaf", "its time is not written as 2026-01-31T13:00:00.123456Z")
    if facts["payload"] and not _HEX64.fullmatch(facts["payload"]):
        raise Wrong("leaf", "what it commits to is no SHA-256")
    return facts


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text[:-1])
    except ValueError:
        return False
    return True


def _check_payload(salt: object, body: object, commitment: str) -> None:
    if type(salt) is not str or type(body) is not str or not _HEX32.fullmatch(salt):
        raise Wrong("payload", "its salt or its content is of another type")
    try:
        found = sha256(bytes.fromhex(salt) + body.encode()).hexdigest()
    except UnicodeEncodeError:
        raise Wrong("payload", "its content is no Unicode text") from None
    if found != commitment:
        raise Wrong("payload", "its content or salt is not what its line commits to")
    try:
        content = loads_line(body, long_numbers=True)
    except Malformed as why:
        raise Wrong("content", f"its content is committed to, but {why}") from None
    if type(content) is not dict or not {"data", "summary"} <= content.keys() <= CONTENT.keys():
        raise Wrong(
            "content", "its content is committed to, but has other parts than contents have"
        )
    if not all(type(part) is CONTENT[name] for name, part in content.items()):
        raise Wrong("content", "its content is committed to, but a part of it is of another type")
