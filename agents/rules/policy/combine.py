"""Two policies, one ruling: the stricter wins."""

from __future__ import annotations

from dataclasses import replace

from .compiled import Compiled
from .ruling import Case, Ruling


def judge_policies(case: Case, team: Compiled | None, agent: Compiled | None) -> Ruling:
    """What the team's and the agent's own policy say together. Never raises.

    Least privilege first: without a policy of its own, or in it, no tool is listed, so all are refused.
    Both are judged then; deny is stricter than approve, approve than allow, more votes than fewer.
    A tie is the agent's own.
    """
    if agent is None or not agent.may_use(case.tool):
        return Ruling(
            "deny",
            why=f"{case.tool} is not among the tools this agent may use.",
            code="tool_not_listed",
            of="agent",
        )
    own = labelled(agent.judge(case), "agent")
    if team is None:
        return own
    shared = labelled(team.judge(case), "team")
    winner = shared if shared.strictness > own.strictness else own
    if not winner.rule and shared.rule:
        winner = shared  # both allow, and only one of them can say by which rule
    return replace(winner, shadows=shared.shadows + own.shadows)


def labelled(ruling: Ruling, of: str) -> Ruling:
    return replace(
        ruling,
        of=of if ruling.rule else "",
        shadows=tuple(shadow._replace(of=of) for shadow in ruling.shadows),
    )
