"""Runs, checkpoints, versions, observations: what is not hot goes through Django."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status

from audit.errors import Invalid, NotFound

from .. import statements as sql
from ..models import Action, Agent, Checkpoint, Run
from ..shapes import OPAQUE_BYTES
from ..transitions import action as actions
from ..transitions import agent as agents
from ..transitions import observation as observations
from ..transitions import policy as policies
from ..transitions import run as runs
from ..transitions.rows import first
from . import answers, shapes
from .door import agent_of, limited

router = Router()

CHECKPOINT_BYTES = 1024 * 1024
LONGEST_NAME = 80


def control_of(run_id: UUID) -> dict[str, Any]:
    control: dict[str, Any] = msgspec.json.decode(first(sql.CONTROL_JSON, run=run_id)[0])
    return control


def run_out(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "name": run.name,
        "key": run.key,
        "state": run.state,
        "state_reason": run.state_reason,
        "version": run.version.label if run.version else None,
        "trace_url": run.trace_url,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "control": control_of(run.pk),
    }


def run_of(request: HttpRequest, run_id: UUID) -> Run:
    return get_object_or_404(
        Run.objects.select_related("agent", "version"), pk=run_id, agent=agent_of(request)
    )


@router.get("/agent", response=shapes.AgentOut)
def agent(request: HttpRequest) -> dict[str, Any]:
    """Whose key this is."""
    me: Agent = agent_of(request)
    return {
        "id": me.pk,
        "name": me.name,
        "team": me.team.name,
        "state": me.state,
        "state_reason": me.state_reason,
        "tools": policies.of_agent(me).document.get("tools", []),
        "versions": list(me.versions.all()[:20]),
    }


@router.post("/versions", response={200: shapes.VersionOut, 201: shapes.VersionOut})
def register_version(request: HttpRequest, body: shapes.RegisterVersion) -> Any:
    """Say what was deployed, once per label."""
    limited(body.metadata, "metadata", OPAQUE_BYTES)
    version, made = agents.register_version(agent_of(request), **body.dict())
    return Status(201 if made else 200, version)


@router.post("/runs", response={200: shapes.RunOut, 201: shapes.RunOut})
def start_run(request: HttpRequest, body: shapes.StartRun) -> Any:
    """Begin a run, or find the unfinished one with this key."""
    limited(body.metadata, "metadata", OPAQUE_BYTES)
    run, made = runs.start(agent_of(request), **body.dict())
    return Status(201 if made else 200, run_out(run))


@router.get("/runs/{uuid:run_id}", response=shapes.RunOut)
def read_run(request: HttpRequest, run_id: UUID) -> Any:
    """How the run stands, and what it must obey."""
    return run_out(run_of(request, run_id))


@router.post("/runs/{uuid:run_id}/finish", response=shapes.RunOut)
def finish_run(request: HttpRequest, run_id: UUID, body: shapes.FinishRun) -> Any:
    """Say that the run is over; what waits is cancelled."""
    limited(body.output, "output", OPAQUE_BYTES)
    run = runs.finish(run_of(request, run_id), by=agent_of(request), **body.dict())
    return run_out(run)


@router.post("/runs/{uuid:run_id}/directives/ack", response=shapes.Acknowledged)
def acknowledge(request: HttpRequest, run_id: UUID, body: shapes.Acknowledge) -> Any:
    """Say that these directives stand in durable state; they are not repeated any more."""
    return {"acknowledged": runs.acknowledge(run_of(request, run_id), body.ids)}


@router.post("/runs/{uuid:run_id}/observations", response=shapes.ObservedOut)
def observe(request: HttpRequest, run_id: UUID, body: shapes.Observations) -> Any:
    """Report what was done without asking. Evidence for breakers, which may open."""
    run = run_of(request, run_id)
    accepted = observations.add(run, body.observations)
    return {
        "accepted": accepted,
        "duplicates": len(body.observations) - accepted,
        "control": control_of(run_id),
    }


@router.put("/runs/{uuid:run_id}/checkpoints/{name}", response=shapes.CheckpointSaved)
def save_checkpoint(
    request: HttpRequest, run_id: UUID, name: str, body: shapes.SaveCheckpoint
) -> Any:
    """Save what the run continues from; `expected_version` guards against another process."""
    limited(body.state, "state", CHECKPOINT_BYTES)
    return runs.save_checkpoint(
        run_of(request, run_id),
        name=kept(name),
        state=body.state,
        expected_version=body.expected_version,
    )


@router.get("/runs/{uuid:run_id}/checkpoints/{name}", response=shapes.CheckpointOut)
def read_checkpoint(request: HttpRequest, run_id: UUID, name: str) -> Any:
    """What was saved last."""
    run = run_of(request, run_id)
    found = Checkpoint.objects.filter(run=run, name=kept(name)).first()
    if found is None:
        raise NotFound("Nothing was saved under this name.", code="no_checkpoint")
    return found


def kept(name: str) -> str:
    """A checkpoint's name as the database keeps it. Raises Invalid: cut short, two names would be one."""
    if len(name) > LONGEST_NAME or "\x00" in name:
        raise Invalid(f"A checkpoint's name can be {LONGEST_NAME} characters long, without U+0000.")
    return name


@router.post("/actions/{uuid:action_id}/cancel", response=answers.Action)
def cancel(request: HttpRequest, action_id: UUID, body: shapes.CancelAction) -> HttpResponse:
    """Withdraw a held action, or one that was not begun."""
    action = get_object_or_404(Action, pk=action_id, agent=agent_of(request))
    actions.cancel(action, by=agent_of(request), reason=body.reason)
    told = first(sql.ACTION_JSON, action=action_id)[0]
    return HttpResponse(told, content_type="application/json")
