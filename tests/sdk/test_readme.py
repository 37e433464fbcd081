"""What the client's README shows of LangChain works as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool

from agents.rules.policy.shorthand import over
from agents.transitions import agent as agents
from people.models import Person, Team
from reviews.transitions import hold as holds
from tests.sdk.conftest import waiting_hold
from tests.sdk.graphs import Scripted, calls, read_back

README = Path(__file__).parents[2] / "sdk" / "README.md"


@pytest.fixture
def chapter(
    live: str, support: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, Any]:
    """The chapter's programs, with a model and a tool."""
    _, key = agents.create(
        "helper", team=support, by="test", tools=["refund"], rules=[over("refund", "amount", 50)]
    )
    monkeypatch.setenv("WATCHFLOOR_URL", live)
    monkeypatch.setenv("WATCHFLOOR_API_KEY", key)
    monkeypatch.chdir(tmp_path)

    @tool
    def refund(order: str, amount: int) -> str:
        """Give money back."""
        return f"refunded {amount} for {order}"

    asked = {"name": "refund", "args": {"order": "A-17", "amount": 80}}
    namespace: dict[str, Any] = {
        "model": Scripted(script=[calls(asked), read_back]),
        "tools": [refund],
    }
    text = README.read_text().partition("## LangChain and LangGraph")[2].partition("\n## ")[0]
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "def " in program:
            exec(program, namespace)
    return namespace


def test_the_agent_of_the_readme_waits_for_a_person(
    chapter: dict[str, Any], ada: Person, aside: Callable[..., Future[Any]]
) -> None:
    answer = aside(chapter["answer"], "t1", "My lamp is broken.")
    hold = waiting_hold()
    assert hold.action is not None
    assert hold.action.subject == "A-17"
    holds.approve(hold, by=ada)

    output = answer.result(30)
    assert output["messages"][-1].content == "refunded 80 for A-17"
    assert chapter["continue_all"]("t2") == {}
