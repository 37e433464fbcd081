"""How much waits, from the counts the database keeps: never by counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.http import HttpRequest

from people.models import Person
from reviews.models import HoldKind, QueueCount


@dataclass(frozen=True)
class QueueWaiting:
    id: UUID
    name: str
    team: str
    by_kind: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())


@dataclass(frozen=True)
class Waiting:
    """What waits for this person, by queue and by kind."""

    queues: list[QueueWaiting] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(queue.total for queue in self.queues)

    @property
    def shown(self) -> str:
        return in_short(self.total)

    def of_kind(self, kind: str, queue: UUID | None = None) -> int:
        return sum(q.by_kind.get(kind, 0) for q in self.queues if queue in (None, q.id))

    @property
    def approvals(self) -> int:
        return self.of_kind(HoldKind.APPROVAL)

    @property
    def reviews(self) -> int:
        return self.of_kind(HoldKind.REVIEW)

    @property
    def paused(self) -> int:
        return self.of_kind(HoldKind.TRIP)


def waiting(person: Person) -> Waiting:
    rows = (
        QueueCount.objects.visible_to(person)
        .order_by("queue__name", "queue_id")
        .values_list("queue_id", "kind", "waiting", "queue__name", "queue__team__name")
    )
    queues: dict[UUID, QueueWaiting] = {}
    for pk, kind, count, name, team in rows:
        queue = queues.setdefault(pk, QueueWaiting(pk, name, team, {}))
        queue.by_kind[kind] = count
    return Waiting(list(queues.values()))


def waiting_for(request: HttpRequest) -> Waiting:
    """The same, read once per request: the page and its navigation show one number."""
    kept: Waiting | None = getattr(request, "_waiting", None)
    if kept is None:
        kept = waiting(request.user)  # type: ignore[arg-type]
        request._waiting = kept  # type: ignore[attr-defined]
    return kept


def in_short(count: int) -> str:
    """`4`, `999`, `1.2k`, `100k`: fits a tab's title."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}".removesuffix(".0") + "k" if count < 10_000 else f"{count // 1000}k"
