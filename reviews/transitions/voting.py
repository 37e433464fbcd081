"""open → decided, once enough different people said yes to the very same request"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from agents.models import Action, ToolSchema
from agents.rules.policy import number
from agents.rules.schemas import mistakes
from agents.transitions import aap, judging
from agents.transitions import action as actions
from audit.bell import ring
from audit.errors import Conflict, Invalid, Refused
from audit.ids import new_id
from audit.record import entry, record
from audit.trips import last_trip
from audit.written import Statement, send
from people.models import Person

from ..models import Hold, HoldDecision, HoldKind, Vote
from . import seating
from .locking import LONGEST_NOTE, check, closed, lock
from .opening import bound, hold_topics, ring_hold

CAST = """
insert into reviews_vote (id, hold_id, person_id, seat_id, revision, digest, note, at)
values (%(id)s, %(hold)s, %(person)s, %(seat)s, %(revision)s, %(digest)s, %(note)s, %(at)s)
"""
COUNT = "select count(*) from reviews_vote where hold_id = %s and dismissed_at is null"


class Forbidden(Refused):
    """Policy refuses what the person wants to make of it."""

    code = "policy"


@transaction.atomic
def approve(hold: Hold | UUID, *, by: Person, note: str = "", revision: int | None = None) -> Hold:
    """Say yes to what is asked now. The last vote that is needed lets the agent go ahead."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL, revision=revision, beside_a_claim=True)
    assert hold.action is not None
    seat = seating.seat_for(hold, by)
    if hold.policy_in_force != hold.action.policy_version:
        judge_again(hold, hold.arguments)
        seat = seating.seat_for(hold, by)
    return vote(hold, by=by, seat=seat.id, note=note)


@transaction.atomic
def edit(
    hold: Hold | UUID,
    *,
    by: Person,
    arguments: dict[str, Any],
    note: str = "",
    revision: int | None = None,
) -> Hold:
    """Say yes to other arguments instead. Policy judges them anew, and votes for the old ones are dismissed."""
    hold = lock(hold, by=by, kind=HoldKind.APPROVAL, revision=revision)
    assert hold.action is not None
    if not isinstance(arguments, dict):
        raise Invalid("Arguments must be an object.")
    before = hold.arguments
    if actions.binding(hold.action, arguments) == actions.binding(hold.action, before):
        return approve(hold, by=by, note=note)
    fitting(hold, arguments)
    seating.seat_for(hold, by)
    hold.amount = follow(hold.action.amount, hold.action.arguments, arguments)
    judge_again(hold, arguments)
    seat = seating.seat_for(hold, by)
    dismiss(hold)
    hold.candidate = arguments
    hold.revision += 1
    hold.save(update_fields=["candidate", "revision", "amount", "votes_needed"])
    record(
        "hold.changed",
        actor=by,
        about=hold,
        summary=note,
        data={**bound(hold), "revision": hold.revision},
        before=before,
        after=arguments,
    )
    return vote(hold, by=by, seat=seat.id, note=note)


def vote(hold: Hold, *, by: Person, seat: UUID, note: str) -> Hold:
    """Cast one yes; with the last one needed the action is approved."""
    assert hold.action is not None
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"A note may have {LONGEST_NOTE:,} characters.")
    lapsed = dismiss_lapsed(hold)
    refuse_twice(hold, by, seat)
    ballot = ballot_of(hold, by=by, seat=seat, note=note)
    alone = hold.votes_needed == 1
    given = 1 if alone else cast(ballot, hold)
    more: dict[str, Any] = {"votes": given}
    if lapsed:
        more["lapsed"] = lapsed
    if given < hold.votes_needed:
        more["needed"] = hold.votes_needed
        return voted(hold, by=by, note=note, facts=facts_of(ballot) | more)
    if hold.candidate is not None and hold.action.amount != hold.amount:
        hold.action.amount = hold.amount  # what a policy that changes before it begins will judge
        hold.action.save(update_fields=["amount"])
    yes = granted(hold, ballot, by=by, note=words(hold, note), more=more)
    with last_trip():
        send(*([(CAST, ballot)] if alone else []), *yes.statements)
        ring(*yes.topics)
    return hold


@dataclass(frozen=True, slots=True)
class Yes:
    """What writes it that the agent may go ahead, and who is told."""

    action: Action
    statements: list[Statement]
    topics: list[str]


class NotPlain(Exception):
    """More has to be asked first."""


def plain_yes(hold: Hold, *, by: Person, note: str, revision: int | None) -> Yes:
    """All that `approve` writes where the one yes is enough, said without asking the database anything more.

    Raises what `approve` raises, and NotPlain where `approve` would ask.
    """
    if not by.decides_for(hold.team_id):
        raise NotPlain
    check(hold, by=by, kind=HoldKind.APPROVAL, revision=revision, beside_a_claim=True)
    if not is_plain(hold):
        raise NotPlain
    seat = seating.seat_for(hold, by)
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"A note may have {LONGEST_NOTE:,} characters.")
    ballot = ballot_of(hold, by=by, seat=seat.id, note=note)
    yes = granted(hold, ballot, by=by, note=note, more={"votes": 1})
    return Yes(yes.action, [(CAST, ballot), *yes.statements], yes.topics)


def is_plain(hold: Hold) -> bool:
    """Whether anybody's yes ends it: under the policies in force, as it was proposed, and nobody else follows it."""
    action, requirement = hold.action, hold.requirement
    assert action is not None
    is_changed = hold.candidate is not None or hold.policy_in_force != action.policy_version
    is_special = requirement.groups or requirement.people or action.call_id.startswith(aap.CALL)
    return hold.votes_needed == 1 and not is_changed and not is_special


def ballot_of(hold: Hold, *, by: Person, seat: UUID, note: str) -> dict[str, Any]:
    assert hold.action is not None
    return {
        "id": new_id(),
        "hold": hold.pk,
        "person": by.pk,
        "seat": seat,
        "revision": hold.revision,
        "digest": actions.binding(hold.action, hold.arguments),
        "note": note,
        "at": timezone.now(),
    }


def facts_of(ballot: dict[str, Any]) -> dict[str, Any]:
    """For the record."""
    facts: dict[str, Any] = {"revision": ballot["revision"], "digest": ballot["digest"].hex()}
    if ballot["seat"] != ballot["person"]:
        facts["seat"] = str(ballot["seat"])
    return facts


def granted(
    hold: Hold, ballot: dict[str, Any], *, by: Person, note: str, more: dict[str, Any]
) -> Yes:
    """The last yes that was needed: action, hold and entry."""
    action = hold.action
    assert action is not None
    edited = hold.candidate is not None
    actions.approve(
        action,
        by=by,
        digest=ballot["digest"],
        message=note,
        arguments=hold.candidate,
        valid_for=hold.requirement.valid_for or actions.APPROVAL_VALID,
    )
    facts = facts_of(ballot) | more
    if edited:
        facts |= {"before": action.arguments, "after": hold.candidate}
    decision = HoldDecision.EDITED if edited else HoldDecision.APPROVED
    closing, told = closed(hold, decision, by=by, note=ballot["note"], data=facts)
    return Yes(
        action,
        [actions.decision_of(action), closing, entry(told)],
        [*actions.decision_topics(action), *hold_topics(hold)],
    )


def cast(ballot: dict[str, Any], hold: Hold) -> int:
    """Returns how many have said yes by now."""
    with connection.cursor() as cursor:
        cursor.execute(CAST, ballot)
        cursor.execute(COUNT, [hold.pk])
        (given,) = cursor.fetchone()
    return int(given)


def refuse_twice(hold: Hold, by: Person, seat: UUID) -> None:
    """One person, one vote; one seat, one vote. Only asked where one vote is not enough."""
    if hold.votes_needed == 1:
        return
    standing = Vote.objects.filter(hold=hold).standing().select_related("person")
    for given in standing:
        if given.person_id == by.pk:
            raise Conflict("You approved this already; somebody else must, too.")
        if given.seat_id in (seat, by.pk) or given.person_id == seat:
            raise Conflict(f"{given.person} approved this already, in the same seat.")


def voted(hold: Hold, *, by: Person, note: str, facts: dict[str, Any]) -> Hold:
    """One yes more, and still not enough."""
    if hold.claimed_by_id == by.pk:
        hold.claimed_by = hold.claimed_until = None
        hold.save(update_fields=["claimed_by", "claimed_until"])
    record("hold.voted", actor=by, about=hold, summary=note, data={**bound(hold), **facts})
    ring_hold(hold)
    return hold


def judge_again(hold: Hold, arguments: dict[str, Any]) -> None:
    """Put the requirement of the policy in force now in place of the old one; other people, no old votes."""
    action = hold.action
    assert action is not None
    judged = judging.judge(action, arguments, amount=hold.amount)
    ruling = judged.ruling
    if ruling.answer == "deny":
        raise Forbidden(f"Policy refuses that: {ruling.why}")
    had = hold.requirement
    now_needed = ruling.requirement or replace(had, votes=1)
    if not had.satisfies(now_needed) or now_needed.votes == 1:
        dismiss(hold)  # where one vote is enough, the one that follows is it
    action.policy_version, action.rule = judged.version, ruling.rule or action.rule
    action.requirement = now_needed.as_dict()
    action.save(update_fields=["policy_version", "rule", "requirement"])
    hold.votes_needed = now_needed.votes
    hold.save(update_fields=["votes_needed"])


def dismiss(hold: Hold) -> int:
    """Votes for what is no longer asked count no more. Returns how many."""
    return Vote.objects.filter(hold=hold).standing().update(dismissed_at=timezone.now())


def dismiss_lapsed(hold: Hold) -> list[str]:
    """Votes of those who lost the right since count no more. Returns whose they are."""
    if hold.votes_needed == 1:
        return []
    standing = Vote.objects.filter(hold=hold).standing().select_related("person", "seat")
    lapsed = [one for one in standing if not seating.still_counts(hold, one)]
    ids = [one.pk for one in lapsed]
    Vote.objects.filter(pk__in=ids).update(dismissed_at=timezone.now())
    return [one.person.name for one in lapsed]


def fitting(hold: Hold, arguments: dict[str, Any]) -> None:
    """Refuse what the tool's own schema refuses, naming the fields; what the agent got wrong itself may stay."""
    assert hold.action is not None
    known = ToolSchema.objects.filter(agent=hold.agent_id, tool=hold.action.tool).first()
    if known is None:
        return
    before = set(mistakes(known.schema, hold.action.arguments))
    found = [mistake for mistake in mistakes(known.schema, arguments) if mistake not in before]
    if found:
        fields = {".".join(map(str, m.path)) or "arguments": m.text for m in found}
        first, text = next(iter(fields.items()))
        refusal = Invalid(f"{first}: {text}")
        refusal.extra["fields"] = fields
        raise refusal


def follow(
    amount: Decimal | None, proposed: Mapping[str, Any], edited: Mapping[str, Any]
) -> Decimal | None:
    """What is at stake after an edit: where arguments were the amount, the largest of them now.

    None when one of them cannot be read any more; rules about the amount then apply the strict way.
    """
    if amount is None:
        return None
    likely = [
        number(edited[key])
        for key, value in proposed.items()
        if number(value) == amount and key in edited
    ]
    if None in likely:
        return None
    return max((found for found in likely if found is not None), default=amount)


def words(hold: Hold, last: str) -> str:
    """What the agent's model reads: the words of those who said yes."""
    if hold.votes_needed == 1:
        return last
    standing = Vote.objects.filter(hold=hold).standing().select_related("person")
    said = [f"{one.person}: {one.note}" for one in standing if one.note]
    return "\n".join(said)
