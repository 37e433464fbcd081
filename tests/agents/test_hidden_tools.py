"""A tool's name that looks like another's is no way past the rules for that other one."""

from __future__ import annotations

import pytest

from agents.models import Agent
from agents.transitions import policy as policies
from tests.cast import Door


@pytest.mark.parametrize(
    "name",
    ["refund.issue ", " refund.issue", "refund.issue\n", "refund.is\u200bsue", "refund.issue\u00a0",
     "refund\u202e.issue", "refund.issue\u2060", "refund.issue\t", "refund.\u00adissue"],
)  # fmt: skip
@pytest.mark.parametrize("listed", ["*", "refund.*"])
@pytest.mark.django_db(transaction=True)
def test_a_name_that_no_rule_could_write_is_never_listed(
    door: Door, scout: Agent, name: str, listed: str
) -> None:
    rule = {"name": "No refunds", "tools": ["refund.issue"], "then": "deny"}
    document = {"tools": [listed], "rules": [rule]}
    policies.write(policies.of_agent(scout), document, by="test", why="")

    told = door.propose(tool=name).json()

    assert (told["admission"], told["code"]) == ("denied", "tool_not_listed")
