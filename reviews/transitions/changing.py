"""What a person changes before an agent goes on: said to it, written down, and kept with what it was before"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agents.models import AgentVersion, Checkpoint, Directive, Policy, Trip
from agents.models.run import DirectiveKind
from agents.rules.breakers import plain
from agents.transitions import policy as policies
from agents.transitions import run as runs
from audit.errors import Invalid
from people.models import Person

from ..models import Hold

LONGEST_MODEL = 120
MOST_TOOLS = 500


@dataclass(frozen=True)
class Changes:
    """What is to be different. `tools` None leaves them; an empty list takes all of them away."""

    instruction: str = ""
    state: dict[str, Any] | None = None
    limit: Decimal | None = None
    extra: Decimal | None = None
    model: str = ""
    tools: list[str] | None = None

    def as_data(self) -> dict[str, Any]:
        """For the record."""
        return {
            "instruction": self.instruction,
            "state": self.state or {},
            "limit": None if self.limit is None else str(self.limit),
            "extra": None if self.extra is None else str(self.extra),
            "model": self.model,
            "tools": self.tools,
        }


def difference(hold: Hold, trip: Trip, changes: Changes) -> list[dict[str, Any]]:
    """`[{what, before, after}, …]`, only what differs. Raises Invalid in words."""
    check(trip, changes)
    found: list[dict[str, Any]] = []

    def differs(what: str, before: Any, after: Any) -> None:
        if before != after:
            found.append({"what": what, "before": before, "after": after})

    if changes.instruction:
        differs("instruction", None, changes.instruction)
    saved = checkpoint_of(hold) if changes.state else {}
    for key, value in (changes.state or {}).items():
        differs(f"state: {key}", saved.get(key), value)
    cause = trip.breaker or trip.budget
    if changes.limit is not None and cause is not None:
        differs("limit", plain(cause.limit), plain(changes.limit))
    if changes.extra is not None:
        differs("limit, once", None, f"{plain(changes.extra)} more")
    if changes.model:
        differs("model", model_of(hold), changes.model)
    if changes.tools is not None:
        differs("tools", tools_of(hold), changes.tools)
    if not found:
        raise Invalid(
            "Change something: an instruction, the state, the limit, the model or the tools."
        )
    return found


def check(trip: Trip, changes: Changes) -> None:
    if changes.limit is not None and trip.breaker is None and trip.budget is None:
        raise Invalid("This stop was made by hand; there is no limit to raise.")
    if changes.limit is not None and changes.extra is not None:
        raise Invalid("Raise the limit for good or once, not both.")
    if len(changes.model) > LONGEST_MODEL or not changes.model.isprintable():
        raise Invalid(f"A model's name has at most {LONGEST_MODEL} visible characters.")
    if changes.tools is not None and len(changes.tools) > MOST_TOOLS:
        raise Invalid(f"At most {MOST_TOOLS} tools.")


def make(hold: Hold, trip: Trip, changes: Changes, *, by: Person, note: str) -> None:
    """Tell the agent, and let its policy say which tools it may use."""
    if changes.instruction:
        tell(hold, DirectiveKind.INSTRUCTION, {"text": changes.instruction}, by)
    if changes.state:
        tell(hold, DirectiveKind.STATE, changes.state, by)
    if changes.model:
        tell(hold, DirectiveKind.MODEL, {"model": changes.model}, by)
    if changes.tools is not None and changes.tools != tools_of(hold):
        let_use(hold, changes.tools, by=by, why=note.strip() or f"After a stop: {trip.reason}")
        tell(hold, DirectiveKind.TOOLS, {"tools": changes.tools}, by)
    if changes.limit is not None:
        body: dict[str, Any] = {"condition": trip.condition, "limit": str(changes.limit)}
        tell(hold, DirectiveKind.LIMIT, body, by)
    elif changes.extra is not None:
        body = {"condition": trip.condition, "extra": str(changes.extra), "once": True}
        tell(hold, DirectiveKind.LIMIT, body, by)


def let_use(hold: Hold, tools: list[str], *, by: Person, why: str) -> None:
    """A new version of the agent's own policy, with these tools."""
    policy = policies.lock(policies.of_agent(hold.agent), by=by)
    document = {"rules": [], **policy.document, "tools": tools}
    policies.write(policy, document, by=by, why=why[: policies.LONGEST_WHY])


def tell(hold: Hold, kind: DirectiveKind, body: Any, by: Person) -> None:
    if kind == DirectiveKind.REVIEW and (hold.run is None or not hold.run.is_live):
        newest = hold.agent.runs.live().order_by("-id").first()
        runs.direct(hold.agent, newest, kind=kind, body=body, by=by)
        return
    runs.direct(hold.agent, hold.run, kind=kind, body=body, by=by)


# -- as it was -------------------------------------------------------------------------------------


def checkpoint_of(hold: Hold) -> dict[str, Any]:
    """What it saved last, in this run or, where the whole agent is paused, in any; empty where nobody can say."""
    mine = Checkpoint.objects.filter(run__agent=hold.agent_id)
    if hold.run_id is not None:
        mine = mine.filter(run=hold.run_id)
    saved = mine.order_by("-saved_at").first()
    return saved.state if saved is not None and isinstance(saved.state, dict) else {}


def model_of(hold: Hold) -> str | None:
    """The model it was last told to use, else the one its newest version names."""
    told = Directive.objects.filter(agent=hold.agent_id, kind=DirectiveKind.MODEL)
    last = told.order_by("-id").first()
    if last is not None:
        return str(last.body.get("model", ""))
    newest = AgentVersion.objects.filter(agent=hold.agent_id).order_by("-created_at").first()
    return newest.model or None if newest is not None else None


def tools_of(hold: Hold) -> list[str]:
    """The tools that the agent's own policy lists."""
    policy = Policy.objects.select_related("current").filter(agent=hold.agent_id).first()
    return list(policy.document.get("tools", [])) if policy is not None else []
