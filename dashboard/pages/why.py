"""Why a person is asked: the rule, whose yes it needs, how soon, and who has said yes so far."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps, loads
from typing import Any
from uuid import UUID

from django.db import connection
from django.urls import NoReverseMatch, reverse

from agents.models import Action
from agents.rules.policy import sentences
from people import step_up
from people.models import Person
from reviews.models import Hold, HoldKind, Vote
from reviews.transitions import seating

RULE = """
select v.policy_id, v.number, p.agent_id is not null,
       jsonb_path_query_first(v.document, '$.rules[*] ? (@.name == $name)', %(named)s::jsonb)
  from agents_policy p join agents_policyversion v on v.policy_id = p.id
 where p.team_id = %(team)s and p.agent_id is null and v.number = %(shared)s
    or p.agent_id = %(agent)s and v.number = %(own)s
"""

UNREAD = "could not be read here"
"""In a ruling's reason: the condition failed, and that was read the strict way."""


@dataclass(frozen=True)
class Why:
    """The rule that asked. `url` leads to the policy, where there is a page for it."""

    rule: str
    needed: str
    """`2 approvals of trading-leads within 4 hours, else denied`."""
    policy: str = ""
    number: int = 0
    condition: str = ""
    url: str = ""
    because: str = ""
    """The reason that was recorded, unless it only says the same once more."""


def why(hold: Hold, action: Action) -> Why:
    needed, because = sentences.approval(hold.requirement), action.state_reason
    if not action.rule:
        return Why("", needed, because=because)
    for policy, number, is_own, rule in _found(hold, action):
        return Why(
            action.rule,
            needed,
            policy=hold.agent.name if is_own else hold.team.name,
            number=number,
            condition=str(rule.get("when", "")),
            url=_url(policy),
            because=because if rule.get("because") or UNREAD in because else "",
        )
    return Why(action.rule, needed, because=because)


def _found(hold: Hold, action: Action) -> list[tuple[UUID, int, bool, dict[str, Any]]]:
    """The rule in the versions that judged; the agent's own first, which decides a tie."""
    shared, _, own = action.policy_version.partition(".")
    with connection.cursor() as cursor:
        cursor.execute(
            RULE,
            {
                "team": hold.team_id,
                "agent": hold.agent_id,
                "shared": int(shared) if shared.isdigit() else 0,
                "own": int(own) if own.isdigit() else 0,
                "named": dumps({"name": action.rule}),
            },
        )
        rows = [(*row, loads(rule)) for *row, rule in cursor.fetchall() if rule]
    asking = [row for row in rows if row[3].get("then") == "approve"]
    return sorted(asking or rows, key=lambda row: not row[2])


def _url(policy: UUID) -> str:
    try:
        return reverse("policy", args=[policy])
    except NoReverseMatch:
        return ""


# -- who said yes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Poll:
    """Votes for a request, dismissed ones included, and how many more it takes."""

    votes: list[Vote]
    needed: int
    revision: int

    @property
    def given(self) -> int:
        return sum(vote.dismissed_at is None for vote in self.votes)

    @property
    def next(self) -> int:
        """Which vote the next one is: `Approve (2 of 3)`."""
        return min(self.given + 1, self.needed)

    @property
    def missing(self) -> int:
        return max(0, self.needed - self.given)

    @property
    def is_shown(self) -> bool:
        return self.needed > 1 or any(
            vote.dismissed_at or vote.is_for_another for vote in self.votes
        )

    def of(self, person: Person) -> Vote | None:
        """This person's standing yes."""
        return next(
            (v for v in self.votes if v.person_id == person.pk and not v.dismissed_at), None
        )


def poll(hold: Hold) -> Poll:
    if hold.kind != HoldKind.APPROVAL:
        return Poll([], hold.votes_needed, hold.revision)
    votes = Vote.objects.filter(hold=hold).select_related("person", "seat").order_by("at")
    return Poll(list(votes), hold.votes_needed, hold.revision)


@dataclass(frozen=True)
class Obstacle:
    """Why this person may not say yes. `is_step_up`: only until they sign in again."""

    text: str

    @property
    def is_step_up(self) -> bool:
        return self.text == step_up.SENTENCE

    def __bool__(self) -> bool:
        return bool(self.text)


def obstacle(hold: Hold, person: Person, votes: Poll) -> Obstacle:
    if hold.kind != HoldKind.APPROVAL or not hold.is_open:
        return Obstacle("")
    for vote in votes.votes:
        if vote.seat_id == person.pk and vote.is_for_another and not vote.dismissed_at:
            return Obstacle(f"{vote.person} said yes in your seat already.")
    return Obstacle(seating.obstacle(hold, person))


# -- how soon --------------------------------------------------------------------------------------


def otherwise(hold: Hold) -> str:
    """What happens to it when nobody answers in time: `it is denied`."""
    if hold.kind != HoldKind.APPROVAL:
        return "it is closed without an answer"
    requirement = hold.requirement
    if requirement.otherwise == "escalate" and hold.escalated_at is None:
        return f"it goes to queue {requirement.escalate_to}"
    return "it is denied"
