"""active ⇄ paused → retired"""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.errors import Conflict, Invalid
from audit.record import Recordable, record
from people.models import Person, Team
from people.permitting import check
from people.rules.permissions import Permission

from ..models import Action, Agent, AgentKey, AgentState, AgentVersion, Run, ToolSchema, Trip
from ..models.agent import PRODUCTION
from ..rules.schemas import validator
from . import action as actions
from . import applying, stopping
from . import breaker as breakers
from . import policy as policies
from . import run as runs

LONGEST_ENVIRONMENT = 40
LARGEST_SCHEMA = 64 * 1024
"""Characters of JSON."""


@transaction.atomic
def create(
    name: str,
    *,
    team: Team,
    by: Recordable | str,
    tools: list[str] | None = None,
    rules: list[dict[str, Any]] | None = None,
    environment: str = PRODUCTION,
) -> tuple[Agent, str]:
    """Register an agent with the usual breakers and a policy. Returns it and its first key, shown only here.

    `tools` None means any tool, in so many words (`["*"]`); `rules` as in a policy's document.
    """
    try:
        with transaction.atomic():
            agent = Agent.objects.create(name=name, team=team, environment=environment)
    except IntegrityError as error:
        raise Conflict(f"{team} has an agent called {name} already.") from error
    breakers.install_defaults(agent)
    facts = {"name": name, "environment": environment}
    record("agent.created", actor=by, about=agent, summary=f"{name} joined {team}", data=facts)
    document = {"tools": ["*"] if tools is None else tools, "rules": rules or []}
    own = policies.of_agent(agent)
    document |= {"breakers": [applying.setting_of(b).as_dict() for b in applying.settings_of(own)]}
    policies.write(own, document, by=by, why="How it was registered.", made_so=True)
    return agent, issue_key(agent, by=by, label="first key")[1]


def issue_key(agent: Agent, *, by: Recordable | str, label: str = "") -> tuple[AgentKey, str]:
    """A new key and its secret (43 random characters after `wf_`); only the hash is kept."""
    secret = f"wf_{secrets.token_urlsafe(32)}"
    key = AgentKey.objects.create(
        agent=agent, prefix=secret[:9], hash=sha256(secret.encode()).digest(), label=label
    )
    record(
        "key.issued", actor=by, about=key, summary=f"{key.prefix}… for {agent}", data=said_of(key)
    )
    return key, secret


@transaction.atomic
def add_key(agent: Agent, *, by: Person, label: str = "") -> tuple[AgentKey, str]:
    """Another key for this agent; the secret is shown only here."""
    agent = lock(agent, by=by)
    if agent.is_retired:
        raise Conflict(f"{agent} is retired.")
    return issue_key(agent, by=by, label=label)


@transaction.atomic
def revoke_key(key: AgentKey, *, by: Person) -> AgentKey:
    """No call with this key is answered any more."""
    agent = lock(key.agent, by=by)
    key = AgentKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
    key.agent = agent
    return withdraw_key(key, by=by)


def withdraw_key(key: AgentKey, *, by: Recordable | str) -> AgentKey:
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        summary = f"{key.prefix}… of {key.agent}"
        record("key.revoked", actor=by, about=key, summary=summary, data=said_of(key))
    return key


def said_of(key: AgentKey) -> dict[str, Any]:
    """What may be known of a key."""
    return {"prefix": key.prefix, "label": key.label}


@transaction.atomic
def register_version(
    agent: Agent,
    *,
    label: str,
    tools: list[str],
    model: str,
    deployed_by: str,
    metadata: dict[str, Any],
    schemas: dict[str, dict[str, Any]] | None = None,
) -> tuple[AgentVersion, bool]:
    """What was deployed, once per label. What it declares is shown; it widens no permission. Raises Conflict.

    `schemas` are JSON Schemas of the tools' arguments; people's forms are made from the newest.
    """
    for tool, schema in (schemas or {}).items():
        describe(agent, tool, schema)
    version, made = AgentVersion.objects.select_for_update().get_or_create(
        agent=agent,
        label=label,
        defaults={
            "tools": tools,
            "model": model,
            "deployed_by": deployed_by,
            "metadata": metadata,
        },
    )
    said = {name: value for name, value in (("tools", tools), ("model", model)) if value}
    told = {name: getattr(version, name) for name in said}
    if told != said:
        if any(told.values()):
            raise Conflict(
                f"The label {label} was registered with other tools or another model. Choose another label."
            )
        # Until now it had only been named.
        AgentVersion.objects.filter(pk=version.pk).update(**said)
        made = True
    if made:
        facts = {"label": label, "model": model, "deployed_by": deployed_by, "tools": tools}
        record(
            "version.registered", actor=agent, about=version, summary=f"{agent} {label}", data=facts
        )
    return version, made


def describe(agent: Agent, tool: str, schema: dict[str, Any]) -> None:
    """Keep the newest schema of a tool. Raises Invalid when it is none."""
    if len(json.dumps(schema)) > LARGEST_SCHEMA:
        raise Invalid(f"schemas: that of {tool} is larger than {LARGEST_SCHEMA // 1024} KiB.")
    try:
        validator(schema)
    except Invalid as error:
        raise Invalid(f"schemas: {tool}: {error.detail}") from error
    known = ToolSchema.objects.filter(agent=agent, tool=tool).first()
    if known is not None and known.schema == schema:
        return
    ToolSchema.objects.update_or_create(
        agent=agent,
        tool=tool,
        defaults={"schema": schema, "description": str(schema.get("description", ""))},
    )
    digest = sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()
    record("tool.described", actor=agent, about=agent, data={"tool": tool, "sha256": digest})


@transaction.atomic
def move(agent: Agent, *, to: str, by: Recordable | str) -> Agent:
    """Say in which environment it acts. People say so, never the agent: policies may depend on it.

    So its policy gets a new version: what was allowed or approved before is judged again before it begins.
    """
    to = to.strip()
    if not 0 < len(to) <= LONGEST_ENVIRONMENT or not to.isprintable():
        raise Invalid(f"An environment's name has 1 to {LONGEST_ENVIRONMENT} visible characters.")
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
    before, agent.environment = agent.environment, to
    if before == to:
        return agent
    agent.save(update_fields=["environment"])
    own = policies.lock(policies.of_agent(agent), by="")
    if own.current is not None:
        policies.write(own, own.document, by=by, why=f"Moved from {before} to {to}.")
    record(
        "agent.moved",
        actor=by,
        about=agent,
        summary=f"from {before} to {to}",
        before={"environment": before},
        after={"environment": to},
    )
    return agent


@transaction.atomic
def stop(agent: Agent, *, by: Person, reason: str) -> Trip:
    """Trip by hand: pause the agent and ask what now."""
    agent = lock(agent, by=by, permission=Permission.PAUSE)
    if agent.state != AgentState.ACTIVE:
        raise Conflict(f"{agent} is {agent.get_state_display().lower()} already.")
    why = reason.strip() or f"Stopped by {by}."
    return stopping.stop(
        agent,
        None,
        at=timezone.now(),
        reason=why,
        evidence={"in_flight": Action.objects.filter(agent=agent).executing().count()},
        by=by.signature,
    )


@transaction.atomic
def retire(agent: Agent, *, by: Person) -> Agent:
    """For good: its runs end, what waits is cancelled, its keys are revoked."""
    agent = lock(agent, by=by, permission=Permission.RETIRE)
    if agent.is_retired:
        return agent
    for trip in Trip.objects.filter(agent=agent, ended_at=None).order_by("id"):
        breakers.resume(trip, by=by, for_good=True)
    agent.refresh_from_db()
    end_runs(agent, by=by, reason=f"{agent} was retired by {by}.")
    before = agent.state
    agent.state, agent.state_reason = AgentState.RETIRED, f"Retired by {by}."
    agent.control_version += 1
    agent.save(update_fields=["state", "state_reason", "control_version"])
    for key in AgentKey.objects.filter(agent=agent, revoked_at=None):
        revoke_key(key, by=by)
    record(
        "agent.retired",
        actor=by,
        about=agent,
        before={"state": before},
        after={"state": agent.state},
    )
    stopping.ring_control(agent, None)
    return agent


def end_runs(agent: Agent, *, by: Recordable, reason: str) -> int:
    """Terminate every live run of a locked agent. Returns how many."""
    live = list(
        Run.objects.select_for_update(no_key=True).filter(agent=agent).live().order_by("id")
    )
    for run in live:
        run.agent = agent
        runs.end(run, by=by, reason=reason)
    actions.cancel_all(actions.waiting_of(agent=agent), by=by, reason=reason)
    return len(live)


def lock(agent: Agent, *, by: Person, permission: Permission | None = None) -> Agent:
    """Lock the agent. Raises PermissionDenied when this person may not act on it."""
    agent = (
        Agent.objects.select_for_update(no_key=True, of=("self",))
        .select_related("team")
        .get(pk=agent.pk)
    )
    if permission is not None:
        check(permission, by, agent.team_id)
    elif not by.decides_for(agent.team_id):
        raise PermissionDenied("Your role may not act on this agent.")
    return agent
