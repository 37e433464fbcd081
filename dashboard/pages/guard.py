"""What the pages about erasing and keeping show: what may be chosen, by whom, and in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, QueryDict

from agents.models import Action, Agent, Run
from audit import allowing, erasing, names
from audit.erasing import Selected
from audit.errors import Invalid
from audit.models import LegalHold, Line, Retention, Scope
from audit.models.keeping import spoken
from people.models import Person, Team
from people.rules.permissions import Permission
from reviews.models import Hold

from . import case as case_pages
from . import entry as entry_pages
from .record import teams_read_by


def check(permission: Permission, person: Person) -> None:
    """404 for those who do not read the record at all, a refusal for those who may not, anywhere."""
    teams_read_by(person)
    if not guards(permission, person):
        raise PermissionDenied(allowing.SENTENCES[permission.value])


def guards(permission: Permission, person: Person) -> bool:
    """Whether they may, anywhere."""
    return any(person.may(permission, team) for team in (None, *person.team_ids))


def may_erase(person: Person, team: str) -> bool:
    """Whether the button to erase it is there."""
    return person.may(Permission.ERASE, UUID(team) if team else None)


@dataclass(frozen=True)
class Chosen:
    """What somebody looks at before erasing it; `field` and `value` name it in the form."""

    selected: Selected
    field: str
    value: str
    copies: dict[str, int]
    holds: list[LegalHold]

    @property
    def told(self) -> int:
        return len(self.selected.ids)

    @property
    def others(self) -> int:
        """Entries that have nothing to erase any more, or are about the record itself."""
        return self.selected.count - self.told

    @property
    def can_sign_in(self) -> bool:
        """Of a person: they would not find their way back, so nothing of theirs goes yet."""
        return self.selected.person is not None and self.selected.person.is_active

    @property
    def is_nothing(self) -> bool:
        return not self.told and not any(self.copies.values())


def chosen(asked: QueryDict, person: Person) -> Chosen | None:
    """From `entry`, `case` or `person`; 404 for what this person may not read, None where nothing is chosen."""
    if text := asked.get("entry", ""):
        found = erasing.of_entry(Line.objects.get(pk=entry_pages.one(_number(text), person).pk))
        return _whole(found, "entry", text)
    if text := asked.get("case", ""):
        of = case_pages.find(_uuid(text), person)
        subject = (of.action or of.hold).record_name  # type: ignore[union-attr]
        label = str(of.hold or of.action)
        return _whole(erasing.of_subject(subject, of.names, label), "case", text)
    if text := asked.get("person", "").strip():
        if not person.may(Permission.ERASE, None):
            raise PermissionDenied("Erasing a person takes an auditor or admin of every team.")
        known = Person.objects.filter(name=text).first()
        if known is None:
            raise Invalid(f"Nobody is called {text[:80]}.")
        return _whole(erasing.of_person(known), "person", text)
    return None


def _whole(selected: Selected, field: str, value: str) -> Chosen:
    copies = {word: count for word, count in selected.copies().items() if count}
    return Chosen(selected, field, value, copies, selected.holds())


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    return int(text)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


# -- legal holds -------------------------------------------------------------------------------------


def legal_holds(person: Person) -> list[LegalHold]:
    """Those that stand first; of teams, only those this person may keep."""
    found = LegalHold.objects.order_by(F("ended_at").desc(nulls_first=True), "-id")[:200]
    house = person.may(Permission.LEGAL_HOLD, None)
    seen = [one for one in found if house or _mine(one, person)]
    known = names.names_of(one.subject for one in seen if one.scope == Scope.PERSON)
    for one in seen:
        one.label = one.label or known.get(one.subject, "")
    return seen


def _mine(hold: LegalHold, person: Person) -> bool:
    team = hold.record_scope.get("team", "")
    return bool(team) and person.may(Permission.LEGAL_HOLD, UUID(team))


def subject(scope: str, text: str, person: Person) -> tuple[str, str, str]:
    """What somebody typed, as the record names it, how people call it, and whose it is. Raises Invalid."""
    text = text.strip()
    match scope:
        case Scope.EVERYTHING:
            return "", "", ""
        case Scope.TEAM:
            team = Team.objects.filter(name=text).first()
            return (str(team.pk), team.name, str(team.pk)) if team else _unknown("team", text)
        case Scope.PERSON:
            known = Person.objects.filter(name=text).first()
            return (known.record_name, "", "") if known else _unknown("person", text)
        case Scope.AGENT:
            agents = list(Agent.objects.visible_to(person).filter(name=text)[:2])
            if len(agents) == 1:
                return str(agents[0].pk), agents[0].name, str(agents[0].team_id)
            return _unknown("agent", text)
        case Scope.RUN:
            run = Run.objects.visible_to(person).filter(pk=_id(text)).first()
            if run:
                return str(run.pk), run.name, str(run.agent.team_id)
            return _unknown("run", text)
        case Scope.CASE:
            key = _id(text)
            action = Action.objects.visible_to(person).filter(pk=key).first()
            if action:
                return action.record_name, str(action)[:300], str(action.agent.team_id)
            hold = Hold.objects.visible_to(person).filter(pk=key).first()
            if hold:
                return hold.record_name, hold.title, str(hold.team_id)
            return _unknown("case", text)
    raise Invalid("Choose what must be kept.")


def _id(text: str) -> UUID:
    """An id, or one that nothing has."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _unknown(noun: str, text: str) -> tuple[str, str, str]:
    raise Invalid(f"There is no {noun} {text[:80]}." if text else f"Name the {noun}.")


# -- retention ---------------------------------------------------------------------------------------


def retentions(person: Person) -> list[dict[str, Any]]:
    """The house's rule and those of teams, each with what it means."""
    kept = {one.team: one for one in Retention.objects.all()}
    house = kept.get("")
    teams = [
        team
        for team in Team.objects.all()
        if person.watches_everything or team.pk in person.team_ids
    ]
    return [
        _row("", "The whole house", house, None, person),
        *(_row(str(t.pk), t.name, kept.get(str(t.pk)), house, person) for t in teams),
    ]


def _row(
    team: str, name: str, own: Retention | None, house: Retention | None, person: Person
) -> dict[str, Any]:
    counts = own or house
    return {
        "team": team,
        "name": name,
        "own": own,
        "months": counts.months if counts else 0,
        "words": spoken(counts.months) if counts else "for ever",
        "may": person.may(Permission.RETENTION, UUID(team) if team else None),
    }
