"""How long the record is kept, and what must be kept longer: retention and legal holds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import allowing, signals
from audit.errors import Conflict, Invalid, NotFound
from audit.models import LegalHold, Retention, Scope
from audit.models.keeping import spoken
from audit.record import record

if TYPE_CHECKING:
    from people.models import Person

MOST_MONTHS = 1200


@transaction.atomic
def retain(months: int, *, by: Person | str, team: str = "") -> Retention:
    """Keep what entries tell for so many whole months after theirs; 0 is for ever. For a team, or for the house."""
    allowing.check("retention", by, team)
    if not 0 <= months <= MOST_MONTHS:
        raise Invalid("Say how many months: 0 (for ever) to 1,200.")
    before = Retention.objects.select_for_update().filter(pk=team).first()
    was = {"months": before.months} if before else None
    kept = Retention(team=team, months=months, set_by=allowing.named(by), set_at=timezone.now())
    kept.save(force_insert=before is None, force_update=before is not None)
    record(
        "retention.set",
        actor=by,
        about=kept,
        summary=spoken(months),
        before=was,
        after={"months": months},
    )
    return kept


@transaction.atomic
def retain_as_house(team: str, *, by: Person | str) -> None:
    """Let the house's rule count for a team again."""
    allowing.check("retention", by, team)
    kept = Retention.objects.select_for_update().filter(pk=team).first() if team else None
    if kept is None:
        raise NotFound("This team has no rule of its own.")
    record(
        "retention.removed",
        actor=by,
        about=kept,
        summary=spoken(kept.months),
        before={"months": kept.months},
    )
    kept.delete()


@transaction.atomic
def hold(
    scope: Scope, subject: str, *, by: Person | str, reason: str, label: str = "", team: str = ""
) -> LegalHold:
    """Keep all of a case, run, agent, person or team, or everything, until somebody ends it.

    `team` is whose it is; empty: of the house.
    """
    allowing.check("legal_hold", by, team)
    reason = allowing.said(reason)
    subject = "" if scope == Scope.EVERYTHING else subject.strip()
    if scope != Scope.EVERYTHING and not subject:
        raise Invalid("Say what must be kept.")
    if LegalHold.objects.current().filter(scope=scope, subject=subject).exists():
        raise Conflict("A legal hold keeps this already.")
    names = signals.names_of_case(subject) if scope == Scope.CASE else []
    placed = LegalHold.objects.create(
        scope=scope,
        subject=subject,
        label=label.strip()[:300],
        names=names,
        reason=reason,
        by=allowing.named(by),
    )
    record(
        "legal_hold.placed",
        actor=by,
        about=placed,
        summary=str(placed),
        data={"scope": scope.value, "subject": subject, "reason": reason, "names": names},
    )
    return placed


@transaction.atomic
def end(pk: UUID, *, by: Person | str, reason: str, team: str = "") -> LegalHold:
    """It need not be kept any longer: from now on it may be erased, and expires as all else."""
    found = LegalHold.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such legal hold.")
    allowing.check("legal_hold", by, found.record_scope.get("team", "") or team)
    if not found.stands:
        raise Conflict("This legal hold has ended already.")
    reason = allowing.said(reason)
    found.ended_at, found.ended_by, found.end_reason = (
        timezone.now(),
        allowing.named(by),
        reason,
    )
    found.save(update_fields=["ended_at", "ended_by", "end_reason"])
    record("legal_hold.ended", actor=by, about=found, summary=str(found), data={"reason": reason})
    return found


def complete() -> None:
    """What came to held cases since: a next version, another hold. Twice is harmless."""
    for found in LegalHold.objects.current().filter(scope=Scope.CASE):
        names = list(dict.fromkeys([*found.names, *signals.names_of_case(found.subject)]))
        if names != found.names:
            LegalHold.objects.filter(pk=found.pk, ended_at=None).update(names=names)
