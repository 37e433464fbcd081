"""pending → approved | denied | expired | cancelled

What a request over the Agent Approval Protocol does is done by its action's verbs; these keep the protocol's
promises on top: one outcome that never changes, a deadline that never moves, and a request that comes while
its agent is paused is kept and judged when the agent runs again. The agent is always locked first. What an
instance does with an approval is in `aap_use.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Refused
from audit.record import Recordable, record
from people.models import Person

from .. import signals
from ..aap import notices
from ..aap.shapes import Submitted, json_value, proposal
from ..models import Action, ActionState, Agent, AgentKey, AgentState, Run, RunState, Trip
from ..models.aap import AAPRequest, AAPStatus
from ..rules import exact
from ..rules.digest import canonical
from ..shapes import Proposed
from . import action as actions
from . import run as runs
from . import together

RUN = "aap"
AT_ONCE = 50
"""Deferred requests judged by one answer to a stop; the sweep goes on with the rest."""
CALL = "aap:"
"""Begins the call ids of actions that came over AAP."""
USABLE = timedelta(hours=1)
"""How long a call that policy allowed may take to begin."""


@together.whole_team
def ask(key: AgentKey, submitted: Submitted, *, idempotency: bytes) -> tuple[AAPRequest, bool]:
    """Take a request in and judge it at once where that is possible. Returns it and whether it is new."""
    agent = lock(key.agent_id)
    known = AAPRequest.objects.filter(agent=agent, idempotency=idempotency).first()
    if known is not None:
        if bytes(known.digest) != submitted.digest:
            raise Conflict(
                "The idempotency key was already used for a different request.",
                code="idempotency_conflict",
            )
        return known, False
    now = timezone.now()
    request = AAPRequest(
        agent=agent,
        key=key,
        idempotency=idempotency,
        digest=submitted.digest,
        tool=submitted.tool,
        server=submitted.server,
        arguments=submitted.arguments,
        context=submitted.context,
        timeout=submitted.timeout,
        agent_reasoning=submitted.agent_reasoning,
        created_at=now,
        deadline_at=now + submitted.window,
    )
    proposed_of(request)  # what nobody could be shown is refused now, not when it is judged
    request.save(force_insert=True)
    if not judge(request):
        told = {"tool": request.qualified_tool, "exactly": bytes(request.digest).hex()}
        record(
            "request.deferred",
            actor=agent,
            about=request,
            summary=request.qualified_tool,
            data=told,
        )
    return request, True


def judge(request: AAPRequest) -> bool:
    """Propose a request that has no action yet; its agent is locked. False when it has to wait on."""
    try:
        run = standing_run(request)
        if request.agent.is_paused or run.is_paused:
            return False
        if (edited := approved_edit(request, run)) is not None:
            take_over(request, edited)
            return True
        judgement, told = actions.propose(
            bytes(request.key.hash), run.pk, proposed_of(request), collapse=False
        )
    except Refused as refusal:
        resolve(request, AAPStatus.DENIED, by="policy", note=refusal.detail)
        return True
    if judgement.admission == "retry_later":
        return False
    admitted(request, msgspec.json.decode(told)["action"]["id"])
    return True


def proposed_of(request: AAPRequest) -> Proposed:
    """The request as the action that it is. Raises Problem."""
    return proposal(
        call_id=f"{CALL}{request.pk}",
        tool=request.qualified_tool,
        arguments=request.arguments,
        reason=request.agent_reasoning or "",
        waits=request.deadline_at - timezone.now(),
    )


def standing_run(request: AAPRequest) -> Run:
    """The run that an agent's requests belong to; AAP knows none. Raises Conflict when it was terminated.

    Whoever terminates it means the program behind the key: only a key issued since then starts another.
    """
    agent = request.agent
    named = Run.objects.filter(agent=agent, key__regex=rf"^{RUN}(-\d+)?$")
    if live := named.live().order_by("-id").first():
        return live
    last = named.order_by("-id").first()
    if last is not None and last.state == RunState.TERMINATED:
        assert last.finished_at is not None
        if request.key.created_at <= last.finished_at:
            raise Conflict(
                f"{last.state_reason} What asks with this key was terminated; "
                "another key lets it start again.",
                code="terminated",
            )
    number = int(last.key.partition("-")[2] or 1) + 1 if last else 1
    return runs.start(agent, name=RUN, key=RUN if number == 1 else f"{RUN}-{number}")[0]


def admitted(request: AAPRequest, action_id: str) -> None:
    """Its action was written: allowed, held or refused."""
    action = Action.objects.get(pk=action_id)
    request.action = action
    if action.state == ActionState.ALLOWED:
        resolve(request, AAPStatus.APPROVED, by="policy", expires_at=timezone.now() + USABLE)
    elif action.state == ActionState.HELD:
        request.save(update_fields=["action"])
    else:
        note = action.message or action.state_reason
        resolve(request, AAPStatus.DENIED, by=decider(action), note=note)


def decider(action: Action) -> Recordable | str:
    """Who decided it, as far as that is still known: a row keeps the name, the record wants the person."""
    name = action.decided_by.removeprefix("person:")
    if name == action.decided_by:
        return action.decided_by or "policy"
    return Person.objects.filter(name=name).first() or "policy"


def approved_edit(request: AAPRequest, run: Run) -> Action | None:
    """A yes somebody gave to exactly this call when they changed another one, still to be used.

    The protocol cannot carry changed arguments, so the agent was told to ask for them: it need not wait again.
    """
    wanted = canonical(exact.plain(json_value(request.arguments)))
    given = Action.objects.filter(
        agent=request.agent,
        run=run,
        tool=request.qualified_tool,
        state=ActionState.APPROVED,
        decision="edited",
        expires_at__gt=timezone.now(),
        aap_requests__status=AAPStatus.DENIED,
        aap_requests__tool=request.tool,
        aap_requests__server=request.server,
    ).exclude(aap_requests__status=AAPStatus.APPROVED)
    return next((x for x in given if canonical(x.approved_arguments) == wanted), None)


def take_over(request: AAPRequest, action: Action) -> None:
    """Use the yes that was given to an edited action."""
    request.action = action
    resolve(
        request,
        AAPStatus.APPROVED,
        by=decider(action),
        note=action.message,
        expires_at=action.expires_at,
    )


@receiver(signals.action_decided)
def follow(action: Action, **_: Any) -> None:
    """An action of the protocol was decided, by whomever: in the same transaction its request is, too."""
    if not action.call_id.startswith(CALL):
        return
    request = (
        AAPRequest.objects.pending().select_related("agent", "key").filter(action=action).first()
    )
    if request is None:
        return
    request.action = action
    now = timezone.now()
    by, note = action.decided_by, action.message
    if action.state == ActionState.APPROVED:
        if request.deadline_at <= now:
            raise Conflict("The agent has stopped waiting for this; it has to ask again.")
        if action.decision == "edited":
            resolve(request, AAPStatus.DENIED, by=by, note=instead(request, action))
        else:
            resolve(request, AAPStatus.APPROVED, by=by, note=note, expires_at=action.expires_at)
    elif action.state == ActionState.EXPIRED:
        resolve(request, AAPStatus.EXPIRED, by=by, note=note)
    elif action.state == ActionState.CANCELLED and by.startswith(("agent:", "agents.")):
        resolve(request, AAPStatus.CANCELLED, by=by, note=note)
    else:
        resolve(request, AAPStatus.DENIED, by=by, note=note)


@receiver(signals.action_told_again)
def tell_again(action: Action, **_: Any) -> None:
    """Its receiver is told once more; what the approval says stays as it was told."""
    waiting = AAPRequest.objects.filter(action=action, status=AAPStatus.APPROVED, consumed_at=None)
    if (request := waiting.first()) is not None:
        notices.tell(request)


def instead(request: AAPRequest, action: Action) -> str:
    """What the model reads when its call was approved with other arguments."""
    wanted = exact.written(action.approved_arguments, json_value(request.arguments))
    words = f"{action.message.rstrip()}\n" if action.message.strip() else ""
    return (
        f"{words}Approved with other arguments only. Call {request.tool} again with exactly these, "
        f"and it may run: {wanted}"
    )


def resolve(
    request: AAPRequest,
    status: AAPStatus,
    *,
    by: Recordable | str,
    note: str = "",
    expires_at: datetime | None = None,
    tell: bool = True,
) -> None:
    """Write the one outcome of a pending request, and who is to be told of it."""
    request.status, request.note = status, note
    request.decided_at = max(timezone.now(), request.created_at)
    request.expires_at = expires_at
    request.save(
        update_fields=["status", "note", "decided_at", "expires_at", "action"],
    )
    record(
        f"request.{status}",
        actor=by,
        about=request,
        summary=note or request.qualified_tool,
        data={
            "tool": request.qualified_tool,
            "exactly": bytes(request.digest).hex(),
            "action": str(request.action_id) if request.action_id else None,
        },
    )
    if tell:
        notices.tell(request)
    ring(f"aap.{request.pk}")


@transaction.atomic
def expire(request_id: UUID) -> None:
    """Its deadline is over: the answer is no. Twice is harmless."""
    request = AAPRequest.objects.filter(pk=request_id).values_list("agent_id", flat=True).first()
    if request is None:
        return
    agent = lock(request)
    due = AAPRequest.objects.due(timezone.now()).select_related("key").filter(pk=request_id).first()
    if due is None:
        return
    due.agent = agent
    if due.action_id is None:
        resolve(due, AAPStatus.EXPIRED, by="clock", note="Nobody decided in time.")
        return
    action = actions.lock(due.action_id)
    actions.expire(action)
    signals.action_closed.send(
        Action, actions=[action], reason="The agent stopped waiting.", by="clock"
    )


def judge_deferred(agent_id: UUID) -> None:
    """Propose what came while the agent was paused, in the order it came, until it has to wait again."""
    ids = AAPRequest.objects.filter(agent=agent_id).unjudged().order_by("id")
    for pk in list(ids.values_list("pk", flat=True)[:AT_ONCE]):
        if not judge_one(agent_id, pk):
            return


@together.whole_team
def judge_one(agent_id: UUID, pk: UUID) -> bool:
    """Judge what was put off, or expire it. False when it has to wait on."""
    agent = lock(agent_id)
    request = AAPRequest.objects.unjudged().select_related("key").filter(pk=pk).first()
    if request is None:
        return True
    request.agent = agent
    if request.deadline_at <= timezone.now():
        expire(pk)
        return True
    return judge(request)


def sweep(most: int) -> None:
    """Expire what is due, and judge what was put off and need not wait any more."""
    due = AAPRequest.objects.due(timezone.now()).order_by("deadline_at")
    for pk in due.values_list("pk", flat=True)[:most]:
        expire(pk)
    waiting = AAPRequest.objects.unjudged().exclude(agent__state=AgentState.PAUSED)
    for agent_id in (
        waiting.order_by("agent_id").values_list("agent_id", flat=True).distinct()[:most]
    ):
        judge_deferred(agent_id)


@receiver(signals.agent_started)
def catch_up(trip: Trip, **_: Any) -> None:
    """What was put off is judged once the answer to the stop is committed; a sweep finds what that misses."""
    agent_id = trip.agent_id
    transaction.on_commit(lambda: judge_deferred(agent_id), robust=True)


def lock(agent_id: UUID) -> Agent:
    return (
        Agent.objects.select_for_update(no_key=True, of=("self",))
        .select_related("team")
        .get(pk=agent_id)
    )
