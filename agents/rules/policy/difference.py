"""What changed between two versions of a policy, rule by rule and section by section."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from audit.errors import Invalid

from . import sentences
from .document import Document, Rule, parse
from .settings_difference import Field, SettingChange, setting_changes

__all__ = ["Difference", "Field", "RuleChange", "SettingChange", "difference", "readable"]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """`number_before` and `number_after` count from 1; `sentence` is the rule as it is now, or was."""

    kind: Literal["added", "removed", "changed", "moved"]
    name: str
    sentence: str
    number_before: int | None = None
    number_after: int | None = None
    fields: tuple[Field, ...] = ()
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    tools_added: tuple[str, ...] = ()
    tools_removed: tuple[str, ...] = ()
    rules: tuple[RuleChange, ...] = ()
    settings: tuple[SettingChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tools_added or self.tools_removed or self.rules or self.settings)

    def lines(self) -> Iterator[str]:
        """As a terminal shows it: `+` added, `-` removed, `~` changed, `>` moved."""
        yield from (f"+ tool {tool}" for tool in self.tools_added)
        yield from (f"- tool {tool}" for tool in self.tools_removed)
        for rule in self.rules:
            sign = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}[rule.kind]
            yield f"{sign} {rule.name}: {rule.sentence}"
            if rule.moved:
                yield f"    from place {rule.number_before} to {rule.number_after}"
            yield from (
                f"    {f.name}: {f.before_in_words or 'nothing'} → {f.after_in_words or 'nothing'}"
                for f in rule.fields
            )
        for setting in self.settings:
            yield from setting.lines()

    def as_dict(self) -> dict[str, Any]:
        """Compact, for the record."""
        settings = [{"kind": s.kind, "of": s.section, "name": s.name} for s in self.settings]
        return {
            "tools_added": list(self.tools_added),
            "tools_removed": list(self.tools_removed),
            "rules": [{"kind": rule.kind, "name": rule.name} for rule in self.rules],
            **({"settings": settings} if settings else {}),
        }


def difference(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Between two documents. One that cannot be read, because another release saved it, counts as empty."""
    old, new = readable(before), readable(after)
    return Difference(
        tools_added=tuple(t for t in new.tools or () if t not in (old.tools or ())),
        tools_removed=tuple(t for t in old.tools or () if t not in (new.tools or ())),
        rules=tuple(rule_changes(old, new)),
        settings=tuple(setting_changes(old.sections, new.sections)),
    )


def readable(document: dict[str, Any]) -> Document:
    try:
        return parse(document)
    except Invalid:
        return Document()


def rule_changes(old: Document, new: Document) -> Iterator[RuleChange]:
    """In the order of the new rules; then what is gone."""
    was = {rule.name: (number, rule) for number, rule in enumerate(old.rules, 1)}
    names = {rule.name for rule in new.rules}
    stayed = unmoved([was[rule.name][0] for rule in new.rules if rule.name in was])
    for number, rule in enumerate(new.rules, 1):
        if rule.name not in was:
            yield RuleChange("added", rule.name, sentences.rule(rule), None, number)
            continue
        number_before, before = was[rule.name]
        fields, moved = changed_fields(before, rule), number_before not in stayed
        if fields or moved:
            yield RuleChange(
                "changed" if fields else "moved",
                rule.name,
                sentences.rule(rule),
                number_before,
                number,
                fields,
                moved,
            )
    for number, rule in enumerate(old.rules, 1):
        if rule.name not in names:
            yield RuleChange("removed", rule.name, sentences.rule(rule), number)


def unmoved(numbers: list[int]) -> set[int]:
    """The most that can be said to have kept their place: a longest increasing subsequence."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        at = bisect_left(tails, number)
        before[number] = tails[at - 1] if at else None
        tails[at : at + 1] = [number]
    kept: set[int] = set()
    last = tails[-1] if tails else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return kept


def changed_fields(before: Rule, after: Rule) -> tuple[Field, ...]:
    old, new = flat(before), flat(after)
    keys = [*old, *(key for key in new if key not in old)]
    return tuple(Field(k, old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k))


def flat(rule: Rule) -> dict[str, Any]:
    """Every field of a rule with its value; those of its approval as `approval.votes`."""
    approval = rule.approval.as_dict() if rule.approval else {}
    return {
        "tools": list(rule.tools),
        "when": rule.when,
        "then": rule.then,
        "because": rule.because,
        "shadow": rule.shadow,
        **{f"approval.{key}": value for key, value in approval.items()},
    }
