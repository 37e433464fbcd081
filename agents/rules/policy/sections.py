"""What else stands in a policy's document: settings beside its rules, each section with whom it is read by.

The agents' app knows breakers, budgets and limits; an app above it adds its own with `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from audit.errors import Invalid


class Setting(Protocol):
    """One entry of a section, read."""

    def as_dict(self) -> dict[str, Any]:
        """In its one form: equal settings are equal dicts."""
        ...


@dataclass(frozen=True, slots=True)
class Section:
    """`read` takes what was written, and whether the document is one agent's; it raises Invalid in words.

    `name` is what two versions of one setting have in common, `sentence` the setting as people read it.
    """

    key: str
    title: str
    read: Callable[[Any, bool], Sequence[Setting]]
    name: Callable[[Any], str]
    sentence: Callable[[Any], str]
    of_agents: bool = True


SECTIONS: dict[str, Section] = {}


def register(section: Section) -> None:
    SECTIONS[section.key] = section


def read(document: Mapping[str, Any], *, of_agent: bool) -> dict[str, tuple[Setting, ...]]:
    """The sections that stand in a document. Raises Invalid."""
    found: dict[str, tuple[Setting, ...]] = {}
    for key, section in SECTIONS.items():
        if key not in document:
            continue
        if of_agent and not section.of_agents:
            raise Invalid(f"{key} belongs to the policy of a team; this one is an agent’s.")
        found[key] = tuple(section.read(document[key], of_agent))
    return found


def called(key: str, setting: Setting) -> str:
    return SECTIONS[key].name(setting)


def sentence(key: str, setting: Setting) -> str:
    return SECTIONS[key].sentence(setting)
