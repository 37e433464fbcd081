"""What may stand in the record: every kind of entry, its version, its fields, and the sentence people read.

Each app declares its own when it is ready (`people/kinds.py`, `agents/kinds.py`, …). Whoever writes an entry that
nobody declared, or a field that its kind does not have, made a mistake in a program: it fails in tests, also where
SQL wrote it. A kind whose meaning changes gets another version; entries keep theirs for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from string import Formatter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

if TYPE_CHECKING:
    from .models import Entry

TYPES: dict[str, tuple[type, ...]] = {
    "text": (str, Promise),
    "int": (int,),
    "decimal": (str, Decimal),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "id": (str, UUID),
    "moment": (str, datetime, date),
    "any": (object,),
}
"""What a field may be. In JSON a decimal, an id and a moment are text."""

ALWAYS = ("who", "what", "summary")
"""What every sentence may name: the actor, the subject, the entry's own words."""

COMMON = {"via": "text"}
"""Fields that any entry may have."""


class Undeclared(TypeError):
    """An entry that nobody declared so: a mistake of whoever wrote the program, never of who uses it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry.

    `fields` are words `name` or `name:type`, with `?` where it may be null; text where no type is said. Every field
    may be missing. With `plural`, that sentence is read where the number in the field `by` is not one.
    """

    name: str
    sentence: str
    fields: str = ""
    version: int = 1
    public: bool = False
    """Whether it is also an event that webhooks can ask for."""
    plural: str = ""
    by: str = ""
    types: Mapping[str, tuple[tuple[type, ...], bool]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed = {}
        for name, (type_, optional) in self.declared().items():
            if type_ not in TYPES:
                raise Undeclared(f"{self.name}: there is no type {type_}.")
            parsed[name] = (TYPES[type_], optional)
        object.__setattr__(self, "types", parsed)
        unknown = self.placeholders - {*ALWAYS, *parsed}
        if unknown:
            raise Undeclared(f"{self.name}: its sentence names {', '.join(sorted(unknown))}.")

    def declared(self) -> dict[str, tuple[str, bool]]:
        """Fields by name: the type's name and whether it may be null."""
        found: dict[str, tuple[str, bool]] = {n: (t, False) for n, t in COMMON.items()}
        for word in self.fields.split():
            name, _colon, type_ = word.partition(":")
            found[name] = (type_.rstrip("?") or "text", type_.endswith("?"))
        return found

    @property
    def noun(self) -> str:
        return self.name.partition(".")[0]

    @property
    def placeholders(self) -> set[str]:
        texts = (self.sentence, self.plural)
        return {name for text in texts for _before, name, *_rest in Formatter().parse(text) if name}


_kinds: dict[str, Kind] = {}


def declare(*kinds: Kind) -> None:
    """Add kinds. Twice the very same is harmless, two of one name are not."""
    for kind in kinds:
        if _kinds.setdefault(kind.name, kind) != kind:
            raise Undeclared(f"{kind.name} is declared twice.")


def every() -> Iterator[Kind]:
    """All of them, by name."""
    return (_kinds[name] for name in sorted(_kinds))


def of(name: str) -> Kind:
    """The kind of this name. Raises Undeclared."""
    try:
        return _kinds[name]
    except KeyError:
        raise Undeclared(
            f"Nobody declared the kind of entry {name}: do so in its app's kinds.py (audit: own_kinds.py)."
        ) from None


def check(name: str, data: Mapping[str, Any] | None) -> Kind:
    """The kind, whose fields these are. Raises Undeclared."""
    kind = of(name)
    types = kind.types
    for key, value in (data or {}).items():
        known = types.get(key)
        if known is None:
            raise Undeclared(f"{name} has no field {key}.")
        wanted, optional = known
        if value is None:
            if not optional:
                raise Undeclared(f"{name}: {key} may not be null.")
        elif not isinstance(value, wanted) or (isinstance(value, bool) and wanted == (int,)):
            raise Undeclared(f"{name}: {key} is {type(value).__name__}.")
    return kind


def public() -> dict[str, tuple[str, ...]]:
    """Events that webhooks can ask for, by noun, in the order in which they were declared."""
    found: dict[str, tuple[str, ...]] = {}
    for kind in _kinds.values():
        if kind.public:
            noun, _dot, participle = kind.name.partition(".")
            found[noun] = (*found.get(noun, ()), participle)
    return found


# -- read by people --------------------------------------------------------------------------------


STAND_INS = {
    "person": _("somebody"),
    "agent": _("an agent"),
    "clock": _("the clock"),
    "command": _("somebody at the machine"),
    "house": _("the house"),
    "stranger": _("a stranger"),
    "policy": _("a policy"),
}
"""How those are called whose name nobody knows any more."""

ON_BEHALF = _("{said}, on behalf of {whom}")
IN_SEAT = _("{said}, standing in for {whom}")


def sentence(entry: Entry, names: Mapping[str, str]) -> str:
    """What happened, in words. `names` are those of people and things by their names in the record.

    What was erased, or is not known any more, reads “…”. An entry of a kind that nobody declares now says its kind.
    """
    kind = _kinds.get(entry.kind)
    data: Mapping[str, Any] = entry.data or {}
    who, what = named(entry.actor, names), named(entry.about, names)
    if kind is None:
        return gettext("{kind}: {what}, by {who}").format(kind=entry.kind, what=what, who=who)
    known = {name: _shown(data.get(name), names) for name in kind.types}
    template = _template(kind, data)
    said = template.format(**known | {"who": who, "what": what, "summary": entry.summary or "…"})
    for name, words in (("on_behalf_of", ON_BEHALF), ("seat", IN_SEAT)):
        if data.get(name) and name not in kind.placeholders:
            whom = named(f"person:{data[name]}", names, otherwise=str(data[name]))
            said = gettext(words).format(said=said, whom=whom)
    if _begins_with_name(template, entry, names):
        return said
    return f"{said[:1].upper()}{said[1:]}"


def _begins_with_name(template: str, entry: Entry, names: Mapping[str, str]) -> bool:
    """Names, and titles that begin with one, stay as they were given."""
    before, first, *_rest = next(iter(Formatter().parse(template)))
    if before or not first or first == "summary":
        return False
    record_name = {"who": entry.actor, "what": entry.about}.get(first)
    if record_name is None:
        return True
    return record_name in names or record_name == f"person:{named(record_name, names)}"


def named(text: str, names: Mapping[str, str], *, otherwise: str = "") -> str:
    """How people call an actor or a subject: `ada`, `the clock`, `hold 0199a2b4`."""
    if text in names:
        return names[text]
    first, _colon, rest = text.partition(":")
    if otherwise:
        return otherwise
    if first in STAND_INS:
        word = gettext(STAND_INS[first])
        return rest if first == "person" and rest and not _is_id(rest) else word
    noun = first.rpartition(".")[2].replace("_", " ")
    return f"{noun} {rest[-8:]}" if rest else noun


def _template(kind: Kind, data: Mapping[str, Any]) -> str:
    if not kind.plural:
        return gettext(kind.sentence)
    number = data.get(kind.by)
    if isinstance(number, Sequence):
        number = len(number)
    return ngettext(kind.sentence, kind.plural, number if isinstance(number, int) else 2)


def _shown(value: Any, names: Mapping[str, str]) -> str:
    if value is None or value == "":
        return "…"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "…"
    if isinstance(value, dict):
        return ", ".join(sorted(value)) or "…"
    return names.get(f"person:{value}", str(value))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
