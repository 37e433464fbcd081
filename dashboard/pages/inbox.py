"""The inbox's lists: what waits and what was decided, of one kind, queue, agent or age."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404, QueryDict

from agents.models import Action
from audit.constants import Constant
from people.models import Person, Team
from reviews.models import Hold, HoldKind, Vote

from . import approved, decidable
from .ids import first_id_at

PAGE = 50
SEARCHED = 2_000
"""How many open holds are looked through for those that are one person's to decide."""
TABS = (
    ("", "All", None),
    ("approvals", "Approvals", HoldKind.APPROVAL),
    ("reviews", "Reviews", HoldKind.REVIEW),
    ("paused", "Paused", HoldKind.TRIP),
    ("mine", "Mine", None),
    ("approved", "Approved, not executed", None),
    ("done", "Done", None),
)
KINDS = {name: kind for name, _, kind in TABS if kind}
AGES = {
    "10min": ("10 min", timedelta(minutes=10)),
    "1h": ("1 h", timedelta(hours=1)),
    "1d": ("1 day", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
}
BULKY = ("payload", "reason", "note")


@dataclass(frozen=True)
class Filters:
    """What the address says, checked. Anything else in it is a 404."""

    tab: str = ""
    queue: UUID | None = None
    agent: UUID | None = None
    age: str = ""
    for_me: bool = False
    """Only what this person may decide."""

    @classmethod
    def read(cls, query: QueryDict) -> Self:
        tab, age = query.get("tab", ""), query.get("age", "")
        if tab not in {name for name, _, _ in TABS} or age not in {"", *AGES}:
            raise Http404("There is no such list")
        if query.get("for", "") not in ("", "me"):
            raise Http404("There is no such list")
        return cls(
            tab, _uuid(query.get("queue")), _uuid(query.get("agent")), age, bool(query.get("for"))
        )

    @property
    def is_done(self) -> bool:
        return self.tab == "done"

    @property
    def is_undone(self) -> bool:
        """Approved, not executed."""
        return self.tab == "approved"

    @property
    def is_open(self) -> bool:
        """Of what waits for a person."""
        return not self.is_done and not self.is_undone

    @property
    def is_narrow(self) -> bool:
        return bool(self.queue or self.agent or self.age or self.for_me)

    def query(self, **more: Any) -> str:
        """These filters as a query string, with `more` added or (empty) taken away."""
        named = {
            "tab": self.tab,
            "queue": self.queue,
            "agent": self.agent,
            "age": self.age,
            "for": "me" if self.for_me else "",
            **more,
        }
        return "?" + urlencode({name: value for name, value in named.items() if value})

    def without(self, name: str) -> str:
        return self.query(**{name: None})

    def apply(self, holds: QuerySet[Hold], *, person: Person, now: datetime) -> QuerySet[Hold]:
        if self.tab in KINDS:
            holds = holds.filter(kind=Constant(KINDS[self.tab]))
        if self.tab == "mine":
            holds = holds.filter(claimed_by=person, claimed_until__gt=now)
        if self.queue:
            holds = holds.filter(queue=Constant(self.queue))
        if self.agent:
            holds = holds.filter(agent=Constant(self.agent))
        if self.age:
            holds = holds.filter(id__lt=first_id_at(now - AGES[self.age][1], slack=timedelta(0)))
        if self.for_me and self.is_open:
            holds = decidable.by(holds, person, now=now)
        return holds


@dataclass(frozen=True)
class HoldPage:
    rows: list[Hold]
    older: str = ""
    """Query of the page after this one; empty on the last."""

    @property
    def newest(self) -> UUID | None:
        return self.rows[0].pk if self.rows else None

    @property
    def ids(self) -> str:
        return ",".join(str(row.pk) for row in self.rows)


def page(person: Person, filters: Filters, query: QueryDict, *, now: datetime) -> HoldPage:
    """One page, newest first: open holds by when they came, decided ones by when they were decided."""
    if filters.is_done:
        return _decided(person, filters, query.get("before", ""), now)
    if filters.is_undone:
        return _undone(person, filters, query.get("before", ""), now)
    if filters.for_me:
        return _mine(person, filters, _uuid(query.get("before")), now)
    holds = filters.apply(rows(person).waiting(), person=person, now=now)
    before = _uuid(query.get("before"))
    if before:
        holds = holds.filter(id__lt=before)
    found = list(holds.order_by("-id")[: PAGE + 1])
    older = filters.query(before=found[PAGE - 1].pk) if len(found) > PAGE else ""
    return HoldPage(marked(found[:PAGE]), older)


def _mine(person: Person, filters: Filters, before: UUID | None, now: datetime) -> HoldPage:
    """Looked for among the next `SEARCHED` that wait: where hardly any is theirs, the rest is a page further."""
    waiting = replace(filters, for_me=False).apply(rows(person).waiting(), person=person, now=now)
    if before:
        waiting = waiting.filter(id__lt=before)
    searched = list(waiting.order_by("-id").values_list("pk", flat=True)[:SEARCHED])
    holds = decidable.by(rows(person).filter(pk__in=searched), person, now=now)
    found = list(holds.order_by("-id")[: PAGE + 1])
    last = found[PAGE - 1].pk if len(found) > PAGE else None
    if last is None and len(searched) == SEARCHED:
        last = searched[-1]
    return HoldPage(marked(found[:PAGE]), filters.query(before=last) if last else "")


def rows(person: Person) -> Any:
    """Holds with what a row shows, and nothing of any size."""
    return (
        Hold.objects.visible_to(person)
        .select_related("agent", "queue", "claimed_by")
        .defer(*BULKY, "agent__state_reason")
    )


def same_rows(person: Person, filters: Filters, ids: str) -> list[Hold]:
    """The rows a page shows already, as they are now and in their order, whatever became of them."""
    asked = [pk for text in ids.split(",")[:PAGE] if (pk := _uuid(text))]
    holds = rows(person)
    if filters.is_undone:
        holds = approved.with_actions(holds)
    found = {hold.pk: hold for hold in holds.filter(pk__in=asked)}
    return marked([found[pk] for pk in asked if pk in found])


def marked(holds: list[Hold]) -> list[Hold]:
    """The same, with `given` votes where several are needed, and `is_new_version` after a question."""
    polls = [hold.pk for hold in holds if hold.is_open and hold.votes_needed > 1]
    given = dict(
        Vote.objects.filter(hold__in=polls)
        .standing()
        .order_by()
        .values_list("hold")
        .annotate(votes=Count("pk"))
        if polls
        else ()
    )
    asked = [hold.pk for hold in holds if hold.is_open and hold.kind == HoldKind.APPROVAL]
    versions = set(
        Action.objects.filter(pk__in=asked, revises__isnull=False).values_list("pk", flat=True)
        if asked
        else ()
    )
    for hold in holds:
        hold.given = given.get(hold.pk, 0)  # type: ignore[attr-defined]
        hold.is_new_version = hold.pk in versions  # type: ignore[attr-defined]
    return holds


def newer_than(
    person: Person, filters: Filters, newest: UUID | None, *, now: datetime
) -> list[Hold]:
    """What came since the page was read; one more than a page at most."""
    holds = filters.apply(rows(person).waiting(), person=person, now=now)
    if newest:
        holds = holds.filter(id__gt=newest)
    return list(holds.order_by("-id")[: PAGE + 1])


# -- decided ---------------------------------------------------------------------------------------

DECIDED_OF_EACH_TEAM = """
select pick.id from unnest(%s::uuid[]) as of(team), lateral (
  select h.id from reviews_hold h
  where h.team_id = of.team and h.state <> 'open' and (h.decided_at, h.id) < (%s, %s::uuid)
  order by h.decided_at desc, h.id desc limit %s
) pick
"""
"""The newest of each team: one walk of its index, however many teams one sees."""
END_OF_TIME = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
LAST_ID = UUID(int=2**128 - 1)


def _decided(person: Person, filters: Filters, before: str, now: datetime) -> HoldPage:
    at, pk = _cursor(before)
    holds = filters.apply(rows(person).over(), person=person, now=now)
    if filters.is_narrow:
        holds = holds.exclude(decided_at__gt=at).exclude(decided_at=at, id__gte=pk)
    else:
        teams = (
            list(Team.objects.values_list("pk", flat=True))
            if person.watches_everything
            else person.team_ids
        )
        holds = holds.filter(pk__in=RawSQL(DECIDED_OF_EACH_TEAM, (teams, at, pk, PAGE + 1)))
    found = list(holds.order_by("-decided_at", "-id")[: PAGE + 1])
    last = found[PAGE - 1] if len(found) > PAGE else None
    cursor = f"{last.decided_at.isoformat()}_{last.pk}" if last and last.decided_at else ""
    return HoldPage(found[:PAGE], filters.query(before=cursor) if cursor else "")


# -- approved, not executed ------------------------------------------------------------------------


def _undone(person: Person, filters: Filters, before: str, now: datetime) -> HoldPage:
    """Oldest first: what should have happened by now stands at the top."""
    after = _cursor(before, (approved.BEGINNING, approved.FIRST_ID))
    holds = filters.apply(rows(person).over(), person=person, now=now)
    agents = [pk for pk in approved.agents_of(person) if filters.agent in (None, pk)]
    most = SEARCHED if filters.queue or filters.age else PAGE + 1
    found = list(approved.undone(holds, agents, after=after, most=most)[: PAGE + 1])
    last = found[PAGE - 1].action if len(found) > PAGE else None
    cursor = f"{last.decided_at.isoformat()}_{last.pk}" if last and last.decided_at else ""
    return HoldPage(found[:PAGE], filters.query(before=cursor) if cursor else "")


def _cursor(
    text: str, first: tuple[datetime, UUID] = (END_OF_TIME, LAST_ID)
) -> tuple[datetime, UUID]:
    if not text:
        return first
    at, _, pk = text.partition("_")
    try:
        return datetime.fromisoformat(at), UUID(pk)
    except ValueError:
        raise Http404("before names no row") from None


def _uuid(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404("That is no id") from None
