"""What changed in the sections of a policy's document: its breakers, budgets, limits and alert routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .sections import SECTIONS, Setting, called, sentence

SIGNS = {"added": "+", "removed": "-", "changed": "~", "left": "·"}


class Field(NamedTuple):
    """One field with what it said before and says now (None: nothing)."""

    name: str
    before: Any
    after: Any

    @property
    def before_in_words(self) -> str:
        return in_words(self.before)

    @property
    def after_in_words(self) -> str:
        return in_words(self.after)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """`left`: the section stands in the document no more, so what it set stays as it is, whoever changes it."""

    kind: Literal["added", "removed", "changed", "left"]
    section: str
    name: str
    sentence: str
    fields: tuple[Field, ...] = ()

    @property
    def title(self) -> str:
        return SECTIONS[self.section].title

    def lines(self) -> Iterator[str]:
        yield f"{SIGNS[self.kind]} {self.section}: {self.name or 'all'}: {self.sentence}"
        yield from (
            f"    {f.name}: {f.before_in_words or 'nothing'} → {f.after_in_words or 'nothing'}"
            for f in self.fields
        )


def setting_changes(
    old: Mapping[str, Sequence[Setting]], new: Mapping[str, Sequence[Setting]]
) -> Iterator[SettingChange]:
    for key in SECTIONS:
        if key in new:
            yield from changes(key, old.get(key, ()), new[key])
        elif key in old:
            said = "no longer in this document; what is set stays as it is."
            yield SettingChange("left", key, "", said)


def changes(key: str, old: Sequence[Setting], new: Sequence[Setting]) -> Iterator[SettingChange]:
    """In the order of what stands there now; then what is gone."""
    pairs, gone = paired(key, old, new)
    for before, after in pairs:
        if before is None:
            yield SettingChange("added", key, called(key, after), sentence(key, after))
        elif fields := changed_fields(before.as_dict(), after.as_dict()):
            yield SettingChange("changed", key, called(key, after), sentence(key, after), fields)
    for one in gone:
        yield SettingChange("removed", key, called(key, one), sentence(key, one))


def paired(
    key: str, old: Sequence[Setting], new: Sequence[Setting]
) -> tuple[list[tuple[Setting | None, Setting]], list[Setting]]:
    """Each that stands there now with what it was, and those that are gone. The same name is the same setting; of
    breakers, what looks for the same is, too, when there is only one before and one now."""
    by_name = {called(key, one): one for one in old}
    kept = {called(key, one) for one in new} & set(by_name)
    left = [one for one in old if called(key, one) not in kept]
    fresh = [one for one in new if called(key, one) not in kept]
    found: list[tuple[Setting | None, Setting]] = []
    for one in new:
        before = by_name.get(called(key, one))
        if before is None and kind(one):
            alike = [other for other in left if kind(other) == kind(one)]
            if len(alike) == 1 and sum(kind(other) == kind(one) for other in fresh) == 1:
                before = alike[0]
                left.remove(before)
        found.append((before, one))
    return found, left


def kind(setting: Setting) -> tuple[Any, ...]:
    """What a breaker looks for, whatever its window; nothing for other settings."""
    written = setting.as_dict()
    return (
        (written["when"], written.get("unit"), written.get("pause")) if "pause" in written else ()
    )


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Field, ...]:
    keys = [*before, *(key for key in after if key not in before)]
    return tuple(
        Field(key, before.get(key), after.get(key))
        for key in keys
        if before.get(key) != after.get(key)
    )


def in_words(value: Any) -> str:
    """Empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
