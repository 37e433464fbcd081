"""open → decided, once enough different people said yes to the very same request"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from agents.models import ToolSchema
from agents.rules.policy import number
from agents.rules.schemas import mistakes
from agents.transitions import action as actions
from agents.transitions import judging
from audit.errors import Conflict, Invalid, Refused
from audit.ids import new_id
from audit.record import record
from audit.trips import last_trip
from people.models import Person

from ..models import Hold, HoldDecision, HoldKind, Vote
from . import seating
from .locking import LONGEST_NOTE, decide, lock
from .opening import bound, ring_hold

CAST = """
insert into reviews_vote (id, hold_id, person_id, seat_id, revision, digest, note, at)
values (%s, %s, %s, %s, %s, %s, %s, %s)
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
    digest = actions.binding(hold.action, hold.arguments)
    ballot: tuple[Any, ...] = (
        new_id(),
        hold.pk,
        by.pk,
        seat,
        hold.revision,
        digest,
        note,
        timezone.now(),
    )
    alone = hold.votes_needed == 1
    given = 1 if alone else cast(ballot, hold)
    facts: dict[str, Any] = {"revision": hold.revision, "digest": digest.hex(), "votes": given}
    if seat != by.pk:
        facts["seat"] = str(seat)
    if lapsed:
        facts["lapsed"] = lapsed
    if given < hold.votes_needed:
        return voted(hold, by=by, note=note, facts=facts | {"needed": hold.votes_needed})
    edited = hold.candidate is not None
    if edited and hold.action.amount != hold.amount:
        hold.action.amount = hold.amount  # what a policy that changes before it begins will judge
        hold.action.save(update_fields=["amount"])
    actions.approve(
        hold.action,
        by=by,
        digest=digest,
        message=words(hold, note),
        arguments=hold.candidate,
        valid_for=hold.requirement.valid_for or actions.APPROVAL_VALID,
    )
    if edited:
        facts |= {"before": hold.action.arguments, "after": hold.candidate}
    decision = HoldDecision.EDITED if edited else HoldDecision.APPROVED
    with last_trip(), connection.cursor() as cursor:
        actions.write_decision(hold.action)
        if alone:
            cursor.execute(CAST, ballot)
        return decide(hold, decision, by=by, note=note, data=facts)


def cast(ballot: tuple[Any, ...], hold: Hold) -> int:
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
