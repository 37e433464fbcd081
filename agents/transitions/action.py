"""held → approved | rejected | expired | cancelled; allowed | approved → executing → succeeded | failed | unknown

The ordinary verbs of an action. The hot doors run the same statements for what needs no person; what
needs one is done here, action, hold and entry in one transaction.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid, NotFound
from audit.record import Recordable, record, signature_of
from audit.written import Statement, send

from .. import policies, prices, signals
from .. import statements as sql
from ..admissions import FACTS, facts_wanted
from ..models import Action, ActionState, Agent, Run
from ..models.action import Decision
from ..policies import Policies
from ..rules.admission import Judgement, out_of_probes
from ..rules.digest import NotCanonical, approval_digest
from ..rules.facts import BreakerFacts
from ..shapes import Claim, Proposed, Settle
from ..weighing import (
    NO_ROOM,
    REPLAYED,
    USED_UP,
    Seen,
    Weighed,
    admission_answer,
    checked_action,
    checked_run,
    weigh_claim,
    weigh_proposal,
    weigh_settlement,
)
from . import asking, probation, spending, together, tripping
from .rows import every, first

APPROVAL_VALID = timedelta(hours=1)
"""How long a yes may be used once it was given."""
GUARDED = "Too many agents tripped at once: a person is told. Try again."


@together.whole_team
def propose(
    key: bytes, run_id: UUID, proposed: Proposed, *, collapse: bool = True
) -> tuple[Judgement, bytes]:
    """Admit, hold, deny, replay, put off, or trip. Returns the judgement and the Admission as JSON.

    With `collapse`, a request that waits already under another call id is not asked a second time.
    """
    request = proposed.request
    row = checked_run(first(FACTS, **facts_wanted([(key, run_id, proposed)]), lock=True, wait=True))
    weighed = weigh_proposal(row, proposed, run_id, *policies_of(row))
    if isinstance(weighed, Seen):
        return replayed(weighed.action, row.control)
    judgement, told = weighed.judgement, None
    if judgement.event is not None:
        stopped = tripping.judged(
            judgement,
            agent_id=row.agent_id,
            run_id=run_id,
            at=row.now_at,
            evidence=offence(proposed),
        )
        if stopped is None and judgement.code == "tripped":
            judgement = replace(judgement, code="guarded", reason=GUARDED)
    probe = judgement.probe
    if probe is not None and not probation.lease_probe(probe):
        judgement = out_of_probes(probe)
        weighed = Weighed(judgement)
    if judgement.admission == "held" and weighed.row is not None:
        if collapse and (twin := asking.twin(row, run_id, proposed)):
            return replayed(twin, row.control)
        judgement, told = asking.ask(row, proposed, weighed)
    elif weighed.row is not None:
        if judgement.admission == "allowed" and request.revises is not None:
            weighed.row["revises_id"] = asking.asked_about(row, proposed, run_id)
        told = asking.write(weighed.counted, weighed.row)
    if weighed.judgement.is_low and weighed.row is not None and told is not None:
        spending.tell_low(weighed.row["accounts"])
    if told is not None:
        ring(f"run.{run_id}", f"agent.{row.agent_id}", f"agents.{row.team_id}", "agents")
    control = first(sql.CONTROL_JSON, run=run_id)[0]
    return judgement, admission_answer(judgement, action=told, control=control)


def replayed(action: Any, control: str) -> tuple[Judgement, bytes]:
    told = first(sql.ACTION_JSON, action=action)[0]
    return REPLAYED, admission_answer(REPLAYED, action=told, control=control)


def policies_of(row: Any) -> tuple[Policies, bool]:
    """The policies that facts name, and whether the team works now."""
    known = policies.known(row) or policies.learn(
        row, every(sql.POLICY_DOCUMENTS, ids=policies.named(row))
    )
    if not known.needs_calendar:
        return known, True
    return known, policies.works_at(row.now_at, first(sql.CALENDAR, team=row.team_id))


def offence(proposed: Proposed) -> dict[str, Any]:
    """What was about to happen, for the person who looks at the trip."""
    request = proposed.request
    return {
        "item": proposed.item,
        "tool": request.tool,
        "proposal": {
            "tool": request.tool,
            "subject": request.subject,
            "arguments": proposed.arguments,
        },
    }


@transaction.atomic
def claim(key: bytes, action_id: UUID, request: Claim) -> bytes:
    """Take an action for execution, once. Returns the Action as JSON."""
    row = checked_action(first(sql.ACTION_FACTS, key=key, action=action_id))
    params = weigh_claim(row, action_id, request, *policies_of(row))
    if params is None:
        return bytes(first(sql.ACTION_JSON, action=action_id)[0], "utf-8")
    if params["probe"] is not None:
        become_probe(action_id, params["probe"])
    try:
        told = first(sql.WRITE_CLAIM, **params)[0]
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != NO_ROOM:
            raise
        raise Conflict(USED_UP, code="budget") from None
    ring(
        f"run.{row.run_id}",
        f"agent.{row.agent_id}",
        f"agents.{row.team_id}",
        "agents",
        f"hold.{action_id}",
    )
    return bytes(told, "utf-8")


def become_probe(action: UUID, breaker: BreakerFacts) -> None:
    """It was allowed before probation began, and is begun in it. Raises Conflict when all probes are out."""
    if not probation.lease_probe(breaker):
        raise Conflict(out_of_probes(breaker).reason, code="probation")
    Action.objects.filter(pk=action).update(
        probe_of=breaker.id, probe_generation=breaker.generation
    )


@together.whole_team
def settle(key: bytes, action_id: UUID, request: Settle) -> bytes:
    """Write how an action ended. Returns `{action, control}` as JSON."""
    row = checked_action(first(sql.ACTION_FACTS, key=key, action=action_id))
    book = prices.known(row.prices_version) or prices.learn(every(sql.PRICES))
    weighed = weigh_settlement(row, action_id, request, book)
    if weighed is None:
        told = first(sql.ACTION_JSON, action=action_id)[0]
    else:
        interrupted = request.outcome == "interrupted"
        written = first(sql.WRITE_RELEASE if interrupted else weighed.statement, **weighed.params)
        told = written[0]
        if not interrupted and written.low:
            spending.tell_low(written.low)
        if row.state == "unknown":
            signals.action_found.send(
                Action, action=Action.objects.select_related("agent", "run").get(pk=action_id)
            )
        under_way = row.agent_state == "active" and row.run_state == "running"
        stopped = None
        if under_way and (weighed.trip is not None or weighed.shadows):
            stopped = tripping.opened(
                weighed.trip,
                weighed.shadows,
                weighed.event,
                steps=weighed.steps,
                agent_id=row.agent_id,
                run_id=row.run_id,
                at=row.now_at,
                evidence={"tool": row.tool, "action": str(action_id)},
            )
        if stopped is None and row.probe_of is not None and not interrupted:
            probation.settle_probe(
                row.probe_of,
                row.probe_generation,
                failed=request.outcome == "failed",
                at=row.now_at,
                agent_id=row.agent_id,
            )
        ring(
            f"run.{row.run_id}",
            f"agent.{row.agent_id}",
            f"agents.{row.team_id}",
            "agents",
            f"hold.{action_id}",
        )
    control = first(sql.CONTROL_JSON, run=row.run_id)[0]
    return b'{"action":%s,"control":%s}' % (told.encode(), control.encode())


def lock(action: Action | UUID) -> Action:
    """Lock agent, run and action, in the order everybody follows. Raises NotFound."""
    pk = action.pk if isinstance(action, Action) else action
    found = Action.objects.filter(pk=pk).values_list("agent_id", "run_id").first()
    if found is None:
        raise NotFound("There is no such action.")
    agent = Agent.objects.select_for_update(no_key=True).get(pk=found[0])
    run = Run.objects.select_for_update(no_key=True).get(pk=found[1])
    fresh = Action.objects.select_for_update(no_key=True).get(pk=pk)
    fresh.agent, fresh.run = agent, run
    return fresh


def approve(
    action: Action,
    *,
    by: Recordable,
    digest: bytes,
    message: str = "",
    arguments: dict[str, Any] | None = None,
    valid_for: timedelta = APPROVAL_VALID,
) -> Action:
    """Let a locked, held action go ahead, with `arguments` in place of the proposed ones if given.

    `digest` is their `binding`. Sending `decision_of` then is left to the caller, who can send it together with the
    rest: an agent waits for it.
    """
    expect(action, ActionState.HELD)
    now = timezone.now()
    action.state = ActionState.APPROVED
    action.decision = "approved" if arguments is None else "edited"
    action.approved_arguments = action.arguments if arguments is None else arguments
    action.approval_digest = digest
    action.expires_at = now + valid_for
    say_decided(action, by=by, message=message, now=now)
    return action


def binding(action: Action, arguments: dict[str, Any]) -> bytes:
    """What a yes to these arguments binds, under the policy that judged the action last."""
    try:
        return approval_digest(
            agent=str(action.agent_id),
            run=str(action.run_id),
            tool=action.tool,
            arguments=arguments,
            policy_version=action.policy_version,
        )
    except NotCanonical as error:
        raise Invalid(f"The arguments cannot be bound exactly: {error}") from error


def reject(
    action: Action, *, by: Recordable, message: str, decision: Decision = Decision.REJECTED
) -> Action:
    """Refuse a locked, held action, answer it in words, or ask about it; `message` is read by the model."""
    expect(action, ActionState.HELD)
    action.state = ActionState.REJECTED
    action.decision = decision
    return decided(action, by=by, message=message, now=timezone.now())


def expire(action: Action, *, by: str = "clock") -> Action:
    """Nobody answered in time: the answer is no."""
    expect(action, ActionState.HELD)
    action.state = ActionState.EXPIRED
    return decided(action, by=by, message="Nobody answered in time.", now=timezone.now())


def decided(action: Action, *, by: Recordable | str, message: str, now: datetime) -> Action:
    """Write a decision that lets nothing happen."""
    probation.return_probe(action)
    release(action)
    say_decided(action, by=by, message=message, now=now)
    send(decision_of(action))
    ring(*decision_topics(action))
    return action


def say_decided(action: Action, *, by: Recordable | str, message: str, now: datetime) -> None:
    """Tell those in this transaction who follow it what is about to be written."""
    action.message, action.decided_at = message, now
    action.decided_by = signature_of(by)
    signals.action_decided.send(Action, action=action)


DECIDE = """
update agents_action
   set state = %(state)s, decision = %(decision)s, approved_arguments = %(arguments)s::jsonb,
       policy_version = %(policy_version)s, approval_digest = %(digest)s, expires_at = %(expires_at)s,
       message = %(message)s, decided_by = %(by)s, decided_at = %(at)s
 where id = %(action)s
"""


def decision_of(action: Action) -> Statement:
    """Writes what was decided: by hand, so that it may travel in one trip with others."""
    approved = action.approved_arguments
    return DECIDE, {
        "state": action.state,
        "decision": action.decision,
        "arguments": None if approved is None else json.dumps(approved),
        "policy_version": action.policy_version,
        "digest": bytes(action.approval_digest) if action.approval_digest else None,
        "expires_at": action.expires_at,
        "message": action.message,
        "by": action.decided_by,
        "at": action.decided_at,
        "action": action.pk,
    }


def decision_topics(action: Action) -> list[str]:
    """Who is told: the agent that waits first."""
    return [
        f"action.{action.pk}",
        f"decided.{action.run_id}",
        f"hold.{action.pk}",
        f"run.{action.run_id}",
        f"agent.{action.agent_id}",
    ]


@transaction.atomic
def cancel(action: Action, *, by: Recordable, reason: str = "") -> Action:
    """The agent withdraws what waits, or what it was allowed but has not begun."""
    action = lock(action)
    if action.state == ActionState.CANCELLED:
        return action
    if action.state not in (ActionState.HELD, ActionState.APPROVED, ActionState.ALLOWED):
        raise Conflict(f"This action is {action.state}.", code="not_cancellable")
    cancel_all([action], by=by, reason=reason or "The agent withdrew it.")
    return action


def release(action: Action) -> None:
    """What never runs reserves nothing."""
    if action.estimated_tokens or action.estimated_cost_usd:
        with connection.cursor() as cursor:
            cursor.execute(sql.RELEASE_ACCOUNTS, {"action": action.pk})
            cursor.execute(sql.RELEASE, {"action": action.pk, "team": action.agent.team_id})


def cancel_all(actions: list[Action], *, by: Recordable | str, reason: str) -> None:
    """Cancel locked actions that have not begun, with their holds."""
    now = timezone.now()
    if any(action.accounts for action in actions):
        every(sql.LOCK_ACCOUNTS, actions=[action.pk for action in actions])
    for action in actions:
        before = action.state
        action.state = ActionState.CANCELLED
        action.state_reason = reason
        decided(action, by=by, message=reason, now=now)
        action.save(update_fields=["state_reason"])
        tell("cancelled", action, before=before, by=by, summary=reason)
    if actions:
        signals.action_closed.send(Action, actions=actions, reason=reason, by=by)


def waiting_of(*, agent: Agent, run: Run | None = None) -> list[Action]:
    """Held and approved actions of a locked agent or run, locked too, in id order."""
    found = Action.objects.select_for_update(no_key=True).filter(agent=agent).waiting()
    if run is not None:
        found = found.filter(run=run)
    actions = list(found.order_by("id"))
    for action in actions:
        action.agent = agent
        if run is not None:
            action.run = run
    return actions


@transaction.atomic
def lose(action: Action) -> Action:
    """The lease ran out and no outcome came: nobody knows, so a person must look. Twice is harmless."""
    action = lock(action)
    overdue = action.lease_until is not None and action.lease_until < timezone.now()
    if action.state != ActionState.EXECUTING or not overdue:
        return action
    action.state = ActionState.UNKNOWN
    action.state_reason = "The agent claimed this action and never said how it ended."
    action.save(update_fields=["state", "state_reason"])
    was, now = {"state": ActionState.EXECUTING}, {"state": action.state}
    record(
        "action.unknown",
        actor="clock",
        about=action,
        summary=action.state_reason,
        before=was,
        after=now,
    )
    signals.action_lost.send(Action, action=action)
    ring(f"run.{action.run_id}", f"agent.{action.agent_id}", f"action.{action.pk}")
    return action


@transaction.atomic
def clear_up(action: Action, *, happened: bool, by: Recordable, note: str = "") -> Action:
    """A person found out how an unknown action ended."""
    action = lock(action)
    expect(action, ActionState.UNKNOWN)
    action.state = ActionState.SUCCEEDED if happened else ActionState.FAILED
    action.state_reason = note
    action.settled_at = timezone.now()
    action.save(update_fields=["state", "state_reason", "settled_at"])
    if happened:
        spending.assume(action)
    else:
        release(action)
    tell(action.state, action, before=ActionState.UNKNOWN, by=by, summary=note)
    ring(f"run.{action.run_id}", f"agent.{action.agent_id}", f"action.{action.pk}")
    return action


def tell(what: str, action: Action, *, before: str, by: Recordable | str, summary: str) -> None:
    """Its entry, with what exactly was allowed, under which policies and for whom it was asked."""
    digest = action.approval_digest or action.digest
    record(
        f"action.{what}",
        actor=by,
        about=action,
        summary=summary,
        data={
            "tool": action.tool,
            "digest": bytes(digest).hex() if digest else "",
            "policy_version": action.policy_version,
            "on_behalf_of": action.on_behalf_of,
        },
        before={"state": before},
        after={"state": action.state},
    )


def expect(action: Action, state: ActionState) -> None:
    if action.state != state:
        raise Conflict(f"This action is {action.get_state_display().lower()}.")
