"""What policies' pages show of the settings beside the rules: as sentences, and what they would have done."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from agents.models import Policy
from agents.rules.policy.difference import readable
from agents.rules.policy.document import Document
from agents.rules.policy.sections import SECTIONS, called, sentence
from agents.transitions import applying, documenting
from agents.trials import Trial

SETTINGS_SHOWN = 50


@dataclass(frozen=True)
class SectionShown:
    """One section as sentences. `is_said` is false for what is set but stands in no version yet."""

    key: str
    title: str
    lines: list[SettingLine]
    is_said: bool = True


@dataclass(frozen=True)
class SettingLine:
    """One setting as people read it; a breaker with its row has a page to try another limit."""

    name: str
    sentence: str
    breaker: UUID | None = None


def sections_of(policy: Policy, document: Document) -> list[SectionShown]:
    said = document.sections
    found = {key: list(settings) for key, settings in documenting.settings_of(policy).items()}
    found |= {key: list(one) for key, one in said.items() if key not in found}
    rows = {applying.setting_of(row).name: row.pk for row in applying.settings_of(policy)}
    return [
        SectionShown(
            key,
            section.title,
            [
                SettingLine(
                    section.name(one),
                    section.sentence(one),
                    rows.get(section.name(one)) if key == "breakers" else None,
                )
                for one in found[key][:SETTINGS_SHOWN]
            ],
            key in said,
        )
        for key, section in SECTIONS.items()
        if found.get(key)
    ]


def as_read(document: dict[str, Any]) -> list[SectionShown]:
    """The sections of a document as sentences."""
    said = readable(document).sections
    return [
        SectionShown(
            key,
            SECTIONS[key].title,
            [SettingLine(called(key, one), sentence(key, one)) for one in settings],
        )
        for key, settings in said.items()
    ]


@dataclass(frozen=True)
class Tried:
    """One breaker or budget that is new or changed, with what it would have done."""

    trial: Trial

    @property
    def before_limit(self) -> Decimal | None:
        return self.trial.before.tried.limit if self.trial.before else None

    @property
    def title(self) -> str:
        return f"It would have tripped {len(self.trial.would.trips)} times."
