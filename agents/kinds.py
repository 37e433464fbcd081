"""What is recorded of agents, runs, actions, breakers, policies, budgets, limits, prices and AAP."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from audit.kinds import Kind, declare

CHANGES = "before:dict? after:dict?"
BOUND = "digest policy_version on_behalf_of"
"""What exactly was allowed: SHA-256 over what is bound, the policies it was judged by, and for whom it was asked."""
ADMITTED = f"tool {BOUND} rule code claimed:bool"
SETTLED = f"tool input_tokens:int output_tokens:int cost_usd:decimal was {BOUND}"
ENDED = f"error {CHANGES} on_behalf_of"

declare(
    Kind("agent.created", _("{who} registered {what}"), "name environment", public=True),
    Kind("agent.moved", _("{who} moved {what} to another environment"), CHANGES, public=True),
    Kind(
        "agent.paused",
        _("{who} paused {what}: {summary}"),
        f"trip:id group:id {CHANGES}",
        public=True,
    ),
    Kind(
        "agent.resumed",
        _("{who} let {what} run again"),
        f"trip:id limit:decimal? extra:decimal? {CHANGES}",
        public=True,
    ),
    Kind("agent.retired", _("{who} retired {what}"), CHANGES, public=True),
    Kind("key.issued", _("{who} made the key {prefix}… for an agent"), "prefix label"),
    Kind(
        "key.refused",
        _("A call with an agent’s key was refused: {reason}"),
        "prefix code reason asked",
    ),
    Kind("key.revoked", _("{who} revoked the key {prefix}…"), "prefix label"),
    Kind(
        "version.registered",
        _("{who} reported its version {label}"),
        "label model deployed_by tools:list",
    ),
    Kind("tool.described", _("{who} told what {tool} takes"), "tool sha256"),
)
# -- runs and actions ------------------------------------------------------------------------------
declare(
    Kind("run.started", _("{who} began {what}"), "key version on_behalf_of trace", public=True),
    Kind("run.paused", _("{who} paused {what}: {summary}"), f"trip:id {CHANGES}", public=True),
    Kind(
        "run.resumed",
        _("{who} let {what} run again"),
        f"trip:id limit:decimal? extra:decimal? {CHANGES}",
        public=True,
    ),
    Kind("run.completed", _("{who} completed {what}"), ENDED, public=True),
    Kind("run.failed", _("{who} failed at {what}"), ENDED, public=True),
    Kind("run.terminated", _("{who} terminated {what}"), ENDED, public=True),
    Kind("action.unknown", _("Nobody knows how {what} ended"), CHANGES, public=True),
    Kind(
        "action.held",
        _("{who} asked to use {tool}, which waits for a person"),
        ADMITTED,
        public=True,
    ),
    Kind("action.denied", _("{who} was refused {tool}"), ADMITTED, public=True),
    Kind("action.allowed", _("{who} was allowed {tool}"), ADMITTED, public=True),
    Kind("action.remembered", _("{who} was refused {tool} as before"), ADMITTED, public=True),
    Kind("action.executing", _("{who} began {tool}"), f"tool was {BOUND}", public=True),
    Kind("action.succeeded", _("{what} succeeded"), f"{SETTLED} {CHANGES}", public=True),
    Kind("action.failed", _("{what} failed"), f"{SETTLED} {CHANGES}", public=True),
    Kind("action.interrupted", _("{who} gave {tool} back before it was done"), SETTLED),
    Kind(
        "action.cancelled",
        _("{who} cancelled {what}: {summary}"),
        f"tool {BOUND} {CHANGES}",
        public=True,
    ),
    Kind(
        "action.lapsed", _("{what} was not begun in time"), f"tool {BOUND} {CHANGES}", public=True
    ),
    Kind(
        "action.voided",
        _("{who} said that what {what} cost does not count: {reason}"),
        f"source reason {CHANGES}",
        public=True,
    ),
    Kind("action.cancel_asked", _("{who} asked that {what} be cancelled"), "tool"),
    Kind(
        "actions.observed",
        _("{who} reported {count} action"),
        "count:int first:id last:id sha256",
        plural=_("{who} reported {count} actions"),
        by="count",
    ),
)
# -- breakers and trips ----------------------------------------------------------------------------
declare(
    Kind("breaker.added", _("{who} set up {what}: {summary}"), CHANGES, public=True),
    Kind(
        "breaker.opened",
        _("{what} opened: {summary}"),
        f"trip:id value:decimal {CHANGES}",
        public=True,
    ),
    Kind(
        "breaker.reopened",
        _("{what} opened again: {summary}"),
        f"trip:id value:decimal {CHANGES}",
        public=True,
    ),
    Kind("breaker.closed", _("{what} closed: {summary}"), CHANGES, public=True),
    Kind("breaker.changed", _("{who} changed {what}: {summary}"), CHANGES, public=True),
    Kind(
        "breaker.granted", _("{who} gave {what} more room, once: {summary}"), CHANGES, public=True
    ),
    Kind(
        "breaker.guarded",
        _("{who} did not pause {what}, because too many agents tripped at once"),
        "breaker:id tripped stopped:int of:int",
        public=True,
    ),
    Kind("breaker.enabled", _("{who} let {what} watch again"), CHANGES, public=True),
    Kind("breaker.disabled", _("{who} disabled {what}: {summary}"), CHANGES, public=True),
    Kind(
        "breaker.forced",
        _("{who} keeps {what} open: {summary}"),
        f"trips:list {CHANGES}",
        public=True,
    ),
    Kind("breaker.released", _("{who} keeps {what} open no longer"), CHANGES, public=True),
    Kind("breaker.removed", _("{who} removed {what}: {summary}"), CHANGES, public=True),
    Kind(
        "breaker.shadowed", _("{who} lets {what} only say what it would do"), CHANGES, public=True
    ),
    Kind("breaker.would_open", _("{what} would have opened: {summary}"), "trip:id value:decimal"),
    Kind(
        "trip.judged",
        _("{who} said whether it was right to stop: {was_true}"),
        f"was_true:bool {CHANGES}",
        public=True,
    ),
    Kind(
        "team.stopped",
        _("{who} stopped {agents} agent of {what}: {summary}"),
        "group:id agents:int",
        public=True,
        plural=_("{who} stopped {agents} agents of {what}: {summary}"),
        by="agents",
    ),
    Kind(
        "house.stopped",
        _("{who} stopped everything, {agents} agent: {summary}"),
        "group:id agents:int",
        plural=_("{who} stopped everything, {agents} agents: {summary}"),
        by="agents",
    ),
)
# -- what they may do and spend --------------------------------------------------------------------
declare(
    Kind(
        "policy.saved",
        _("{who} saved version {version} of {policy}: {summary}"),
        f"policy version:int changes:dict {CHANGES}",
        public=True,
    ),
    Kind("budget.set", _("{who} set a budget: {summary}"), CHANGES, public=True),
    Kind(
        "budget.raised",
        _("{who} raised a budget: {summary}"),
        f"account:id owner:id until:moment? {CHANGES}",
        public=True,
    ),
    Kind("budget.removed", _("{who} removed a budget: {summary}"), CHANGES, public=True),
    Kind("limit.set", _("{who} set a limit: {summary}"), CHANGES, public=True),
    Kind("limit.removed", _("{who} removed a limit: {summary}"), CHANGES, public=True),
    Kind("price.added", _("{who} set a price: {summary}"), f"note {CHANGES}"),
    Kind("price.withdrawn", _("{who} withdrew a price: {summary}"), f"note {CHANGES}"),
    Kind(
        "price.repriced",
        _("{who} worked out what {changed} action cost"),
        "looked_at:int changed:int difference_usd:decimal",
        plural=_("{who} worked out what {changed} actions cost"),
        by="changed",
    ),
)
# -- AAP -------------------------------------------------------------------------------------------
ASKED = "tool exactly action:id?"
declare(
    Kind("provisioner.created", _("{who} made the provisioner {label}"), "label prefix"),
    Kind("provisioner.revoked", _("{who} revoked the provisioner {label}"), "label prefix"),
    Kind("instance.provisioned", _("{who} provisioned {summary}"), "agent:id"),
    Kind("instance.changed", _("{who} changed {summary}"), CHANGES),
    Kind("instance.deleted", _("{who} deleted {summary}"), "agent:id"),
    Kind("request.deferred", _("{who} asked to use {tool} while it was paused"), ASKED),
    Kind("request.approved", _("{who} approved the request to use {tool}"), ASKED),
    Kind("request.denied", _("{who} denied the request to use {tool}"), ASKED),
    Kind("request.expired", _("Nobody answered the request to use {tool} in time"), ASKED),
    Kind("request.cancelled", _("{who} cancelled the request to use {tool}"), ASKED),
)
