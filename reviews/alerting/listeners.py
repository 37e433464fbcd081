"""What happened, as alerts, in the transaction of what happened.

Whatever goes wrong here is written to the log and nowhere else: a stop must stand although nobody can be told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from agents import signals as of_agents
from agents.models import Agent
from agents.models.policy import Policy
from people.models import Team

from .. import signals
from ..models import Hold, HoldKind
from ..rules.alert_routes import parse_routes
from ..transitions.alert import Happening, apply, fire

logger = logging.getLogger(__name__)


def told(happening: Callable[[], Happening]) -> None:
    """Write an alert, or leave everything as it is."""
    try:
        with transaction.atomic():
            fire(happening())
    except Exception:
        logger.exception("An alert could not be written")


KINDS = {HoldKind.TRIP: "trip", HoldKind.APPROVAL: "approval", HoldKind.REVIEW: "review"}


def about(hold: Hold, kind: str, title: str, text: str = "") -> Happening:
    return Happening(
        kind=kind,
        title=title,
        text=text,
        team=hold.agent.team,
        agent=hold.agent,
        hold=hold,
        link=hold.get_absolute_url(),
    )


@receiver(signals.hold_opened)
def tell_of_hold(hold: Hold, **_: Any) -> None:
    told(lambda: about(hold, KINDS[HoldKind(hold.kind)], hold.title, hold.reason))


@receiver(signals.holds_opened)
def tell_of_many(holds: list[Hold], **_: Any) -> None:
    """One alert a team, whatever the number: whoever is called looks at the floor."""
    for team in {hold.agent.team for hold in holds}:
        mine = [hold for hold in holds if hold.agent.team == team]
        first = mine[0]
        many = f"{len(mine)} agents of {team} are paused: {first.reason}"[:300]
        title = many if len(mine) > 1 else first.title
        kind = KINDS[HoldKind(first.kind)]
        told(lambda one=first, words=title, kind=kind: about(one, kind, words, one.reason))  # type: ignore[misc]


@receiver(signals.hold_reminded)
def tell_of_deadline(hold: Hold, share: int, **_: Any) -> None:
    left = hold.expires_at - timezone.now() if hold.expires_at else None
    rest = f"{int(left.total_seconds()) // 60} min are left." if left else ""
    words = f"{share} % of the time to answer is over. {rest}".strip()
    told(lambda: about(hold, "reminder", hold.title, words))


@receiver(signals.hold_escalated)
def tell_of_escalation(hold: Hold, before: str, why: str, **_: Any) -> None:
    words = f"From {before} to {hold.queue.name}. {why}"
    told(lambda: about(hold, "escalation", hold.title, words))


@receiver(signals.hold_expired)
def tell_of_expiry(hold: Hold, **_: Any) -> None:
    told(lambda: about(hold, "expiry", hold.title, "Nobody answered in time, so the answer is no."))


@receiver(of_agents.breaker_shadowed)
def tell_of_shadow(agent: Agent, sentence: str, **_: Any) -> None:
    title = f"{agent} would have been stopped: {sentence}"
    link = agent.get_absolute_url()
    told(lambda: Happening("shadow", title, agent.team, agent, text=sentence, link=link))


@receiver(of_agents.budget_low)
def tell_of_budget(
    team: Team, sentence: str, about: str = "", agent: Agent | None = None, **_: Any
) -> None:
    key = f"budget:{about}"[:200] if about else ""
    link = agent.get_absolute_url() if agent else ""
    told(lambda: Happening("budget", sentence, team, agent, link=link, key=key))


@receiver(of_agents.fleet_guarded)
def tell_of_fleet(sentence: str, team: Team | None = None, **_: Any) -> None:
    told(lambda: Happening("fleet", sentence, team, link="/agents/"))


@receiver(of_agents.policy_saved)
def route_as_written(policy: Policy, document: dict[str, Any], by: Any, **_: Any) -> None:
    """A team's document says which alerts go where; one that does not leaves them as they are.

    What cannot be meant refuses the document as a whole.
    """
    if policy.agent_id is None and "alerts" in document:
        apply(policy.team, parse_routes(document["alerts"]), by=by)
