"""What a hold's page shows: who waits for what, and the story so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404

from agents.models import Action
from people.models import Person
from reviews.models import Comment, Hold, HoldKind, Queue

from .arguments import same
from .timeline import UNREAD, Step, readable, steps

LINES_BEFORE = 16
"""How much of a run's story a hold tells; the rest is on the run's page."""
ROWS_SHOWN = 200
COMMENTS_SHOWN = 200
QUEUES_OFFERED = 100

RELATED = ("agent", "queue", "team", "claimed_by", "run", "action", "trip__breaker")
BULKY = ("payload", "candidate", "run__metadata", "run__output", "trip__evidence") + tuple(
    f"action__{column}" for column in UNREAD
)


def whole(pk: UUID, person: Person) -> Hold:
    """The hold with everything it points at, or 404 for those who may not know of it."""
    return get_object_or_404(Hold.objects.visible_to(person).select_related(*RELATED), pk=pk)


def standing(pk: UUID, person: Person) -> Hold:
    """The same without the columns of any size: enough to say how it stands."""
    return get_object_or_404(
        Hold.objects.visible_to(person).select_related(*RELATED).defer(*BULKY), pk=pk
    )


# -- the story so far ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """The run up to what a person is asked about. `earlier` says whether there is more before it."""

    steps: list[Step]
    earlier: bool
    here: UUID | None


def story(hold: Hold) -> Story:
    if hold.run_id is None:
        return Story([], earlier=False, here=None)
    actions = Action.objects.filter(run_id=hold.run_id)
    if hold.action_id:
        actions = actions.filter(id__lte=hold.action_id)
    elif hold.kind == HoldKind.REVIEW:
        actions = actions.filter(created_at__lte=hold.opened_at)
    elif not hold.is_open and hold.decided_at:
        actions = actions.filter(created_at__lte=hold.decided_at)
    newest = list(readable(actions).order_by("-id")[: LINES_BEFORE + 1])
    return Story(
        steps(reversed(newest[:LINES_BEFORE])),
        earlier=len(newest) > LINES_BEFORE,
        here=hold.action_id,
    )


# -- what it is about ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One argument of the held action, beside what it was the last time."""

    key: str
    value: Any
    kind: str
    before: Any = None
    differs: bool = False
    news: str = ""
    """What is unusual about it."""


def rows(
    arguments: Mapping[str, Any], last: dict[str, Any] | None, news: Mapping[str, str]
) -> list[Row]:
    """The arguments as a table, the first `ROWS_SHOWN` of them."""
    return [
        Row(
            key,
            value,
            kind_of(value),
            before=(last or {}).get(key),
            differs=last is not None
            and key in last
            and is_plain(value)
            and is_plain(last[key])
            and not same(last[key], value),
            news=news.get(key, ""),
        )
        for key, value in list(arguments.items())[:ROWS_SHOWN]
    ]


def kind_of(value: Any) -> str:
    """A JSON type as people say it, so that `5` and `"5"` are told apart."""
    match value:
        case bool():
            return "yes or no"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return f"list of {len(value)}"
        case dict():
            return f"object of {len(value)}"
    return "nothing"


def is_plain(value: Any) -> bool:
    """Short enough to stand beside another."""
    return value is None or isinstance(value, bool | int | float) or len(str(value)) <= 60


def attempts(hold: Hold) -> list[Step]:
    """What the agent tried with this piece of work before it gave up."""
    if hold.run_id is None:
        return []
    tried = Action.objects.filter(run_id=hold.run_id)
    if hold.subject:
        tried = tried.filter(subject=hold.subject)
    elif hold.action_id:
        tried = tried.filter(id__lte=hold.action_id)
    else:
        return []
    return steps(reversed(readable(tried).order_by("-id")[:LINES_BEFORE]))


def other_queues(hold: Hold) -> list[str]:
    """Where it could be handed on to."""
    others = Queue.objects.filter(team=hold.team_id).exclude(pk=hold.queue_id).order_by("name")
    return list(others.values_list("name", flat=True)[:QUEUES_OFFERED])


def comments(hold: Hold) -> list[Comment]:
    """What people told each other about it, oldest first."""
    newest = Comment.objects.filter(hold=hold).select_related("author").order_by("-at")
    return list(reversed(newest[:COMMENTS_SHOWN]))
