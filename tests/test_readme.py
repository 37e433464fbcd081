"""What the README tells a stranger to type works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest

from agents.models import Agent
from agents.rules.policy.shorthand import over
from agents.transitions import agent as agents
from dashboard.embedded.runtime import PROJECT
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.resilience.house import wait_for


@pytest.fixture
def lines() -> str:
    found = re.search(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("answer", "printed"),
    [("approve", "{'paid_back': 80, 'order': 'A-17'}"), ("reject", "A person said no: too much")],
)
def test_the_ten_lines_wait_for_a_person(
    live: str, support: Team, ada: Person, lines: str, answer: str, printed: str
) -> None:
    _, key = agents.create("payer", team=support, by="test", rules=[over("refund", "amount", 50)])
    assert Agent.objects.get().policy.document["tools"] == ["*"]
    told: list[subprocess.CompletedProcess[str]] = []
    program = threading.Thread(
        target=lambda: told.append(
            subprocess.run(
                [sys.executable, "-c", lines],
                env={**os.environ, "WATCHFLOOR_URL": live, "WATCHFLOOR_API_KEY": key},
                cwd=PROJECT / "sdk",
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        )
    )
    program.start()

    wait_for(Hold.objects.waiting().exists, "the refund to wait")
    getattr(holds, answer)(Hold.objects.get(), by=ada, note="too much")
    program.join(60)

    assert told[0].returncode == 0, told[0].stderr
    assert told[0].stdout.strip() == printed
