"""running ⇄ paused → completed | failed | terminated"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, NotFound
from audit.record import Recordable, record, signature_of
from people.models import Person
from people.permitting import check
from people.rules.permissions import Permission

from ..models import Action, Agent, AgentVersion, Directive, Run, RunState, Trip
from ..models.breaker import Condition
from ..models.run import Checkpoint, DirectiveKind
from . import action as actions
from . import schedule, stopping, together


@together.whole_team
def start(
    agent: Agent,
    *,
    name: str,
    key: str = "",
    version: str = "",
    on_behalf_of: str = "",
    metadata: dict[str, Any] | None = None,
    trace_url: str = "",
) -> tuple[Run, bool]:
    """Begin a run, or find the unfinished one with this key. Returns it and whether it is new.

    One that begins too soon after others is begun all the same, and paused with its agent, or by itself.
    """
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
    if agent.is_retired:
        raise Conflict(f"{agent} is retired.", code="retired")
    if key and (known := Run.objects.filter(agent=agent, key=key).first()):
        if not known.is_live:
            raise Conflict(
                f"The run with key {key} is {known.state}.",
                code="terminated" if known.state == RunState.TERMINATED else "run_finished",
            )
        return known, False
    now = timezone.now()
    watching = schedule.watching(agent, None, Condition.OFTEN, now)
    run = Run.objects.create(
        agent=agent,
        name=name,
        key=key,
        version=version_of(agent, version),
        on_behalf_of=on_behalf_of,
        metadata=metadata or {},
        trace_url=trace_url,
    )
    Directive.objects.filter(agent=agent, run=None).waiting().update(run=run)
    facts = {"key": key, "version": version, "on_behalf_of": on_behalf_of, "trace": trace_url}
    told = {name: value for name, value in facts.items() if value}
    record("run.started", actor=agent, about=run, summary=name, data=told)
    schedule.judge_start(agent, run, watching, now)
    ring(f"agent.{agent.pk}", f"agents.{agent.team_id}", "agents")
    return run, True


def version_of(agent: Agent, label: str) -> AgentVersion | None:
    """The version of this label, registered when it is new."""
    return AgentVersion.objects.get_or_create(agent=agent, label=label)[0] if label else None


@transaction.atomic
def finish(run: Run, *, outcome: str, output: Any = None, error: str = "", by: Recordable) -> Run:
    """The agent says that the run is over. What waits is cancelled."""
    run = lock(run.pk)
    if run.state == RunState.TERMINATED:
        raise Conflict("This run was terminated.", code="terminated")
    if not run.is_live:
        if run.state != outcome:
            raise Conflict(f"This run {run.state} already.", code="run_finished")
        return run
    stopping.abandon(run)
    before = run.state
    run.state, run.output, run.error = RunState(outcome), output, error
    run.finished_at = timezone.now()
    run.control_version += 1
    run.save()
    actions.cancel_all(
        actions.waiting_of(agent=run.agent, run=run), by=by, reason=f"The run {outcome}."
    )
    record(
        f"run.{outcome}",
        actor=by,
        about=run,
        summary=run.name,
        data={"error": error, "on_behalf_of": run.on_behalf_of},
        before={"state": before},
        after={"state": run.state},
    )
    ring_run(run)
    return run


@transaction.atomic
def stop(run: Run, *, by: Person, reason: str) -> Trip:
    """Pause one run by hand and ask what now."""
    run = lock(run.pk, by=by, permission=Permission.PAUSE)
    if run.state != RunState.RUNNING:
        raise Conflict(f"This run is {run.get_state_display().lower()} already.")
    why = reason.strip() or f"Stopped by {by}."
    return stopping.stop(
        run.agent,
        run,
        at=timezone.now(),
        reason=why,
        evidence={"in_flight": Action.objects.filter(agent=run.agent, run=run).executing().count()},
        by=by.signature,
    )


@transaction.atomic
def terminate(run: Run, *, by: Person, reason: str) -> Run:
    """End one run now. What waits is cancelled; what executes may still report."""
    run = lock(run.pk, by=by, permission=Permission.TERMINATE)
    if not run.is_live:
        raise Conflict(f"This run is {run.get_state_display().lower()} already.")
    end(run, by=by, reason=reason.strip() or f"Terminated by {by}.")
    actions.cancel_all(actions.waiting_of(agent=run.agent, run=run), by=by, reason=run.state_reason)
    return run


def end(run: Run, *, by: Recordable, reason: str) -> None:
    """Terminate a locked, live run."""
    stopping.abandon(run)
    before = run.state
    run.state, run.state_reason = RunState.TERMINATED, reason
    run.finished_at = timezone.now()
    run.control_version += 1
    run.save(update_fields=["state", "state_reason", "finished_at", "control_version"])
    record(
        "run.terminated",
        actor=by,
        about=run,
        summary=reason,
        data={"on_behalf_of": run.on_behalf_of},
        before={"state": before},
        after={"state": run.state},
    )
    ring_run(run)


def direct(
    agent: Agent, run: Run | None, *, kind: DirectiveKind, body: Any, by: Recordable
) -> list[Directive]:
    """Tell a run, or every live run of the agent (or else its next one), what to do differently."""
    told: list[Run | None] = (
        [run] if run and run.is_live else list(Run.objects.filter(agent=agent).live())
    )
    made = [
        Directive.objects.create(agent=agent, run=one, kind=kind, body=body, by=signature_of(by))
        for one in told or [None]
    ]
    for one in told:
        if one is not None:
            Run.objects.filter(pk=one.pk).update(control_version=F("control_version") + 1)
            ring(f"control.{one.pk}", f"run.{one.pk}")
    return made


@transaction.atomic
def acknowledge(run: Run, ids: list[UUID]) -> int:
    """The agent has these directives in durable state. Returns how many were new."""
    run = lock(run.pk)
    count = (
        Directive.objects.filter(run=run, pk__in=ids)
        .waiting()
        .update(acknowledged_at=timezone.now())
    )
    if count:
        Run.objects.filter(pk=run.pk).update(control_version=F("control_version") + 1)
        ring_run(run)
    return count


@transaction.atomic
def save_checkpoint(
    run: Run, *, name: str, state: Any, expected_version: int | None = None
) -> Checkpoint:
    """Save what the run continues from. Raises Conflict (version_conflict) when another save was first."""
    run = lock(run.pk)
    if not run.is_live:
        raise Conflict(f"This run is {run.state}.", code="run_finished")
    found = Checkpoint.objects.filter(run=run, name=name).first()
    current = found.version if found else 0
    if expected_version is not None and expected_version != current:
        refusal = Conflict(f"The checkpoint is at version {current}.", code="version_conflict")
        refusal.extra = {"current_version": current}
        raise refusal
    checkpoint = found or Checkpoint(run=run, name=name)
    checkpoint.version, checkpoint.state = current + 1, state
    checkpoint.saved_at = timezone.now()
    checkpoint.save()
    ring(f"run.{run.pk}")
    return checkpoint


def lock(
    run_id: UUID, *, by: Person | None = None, permission: Permission = Permission.PAUSE
) -> Run:
    """Lock the agent, then the run. Raises NotFound, PermissionDenied."""
    agent_id = Run.objects.filter(pk=run_id).values_list("agent_id", flat=True).first()
    if agent_id is None:
        raise NotFound("There is no such run.")
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
    if by is not None:
        check(permission, by, agent.team_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    run.agent = agent
    return run


def ring_run(run: Run) -> None:
    ring(
        f"control.{run.pk}",
        f"run.{run.pk}",
        f"agent.{run.agent_id}",
        f"agents.{run.agent.team_id}",
        "agents",
    )
