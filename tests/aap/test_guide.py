"""What docs/aap.md tells an agent's author to type works as it stands."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading

import pytest
from django.core.management import call_command

from agents.aap.errors import STATUS
from dashboard.embedded.runtime import PROJECT
from people.models import Person, Role
from people.transitions import person as people
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.resilience.house import wait_for

GUIDE = (PROJECT / "docs" / "aap.md").read_text()


@pytest.fixture
def otto(db: None) -> Person:
    return people.create("otto", role=Role.ADMIN, by="test")


@pytest.mark.parametrize(
    ("answer", "printed"),
    [("approve", "Paid back."), ("reject", "Their note: too much")],
)
def test_the_ten_lines_wait_for_a_person(
    base: str, otto: Person, answer: str, printed: str
) -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    lines = found[1]
    out = io.StringIO()
    call_command("agent", "create", "payer", approve=["refund:amount>50"], json=True, stdout=out)
    key = json.loads(out.getvalue())["key"]
    told: list[subprocess.CompletedProcess[str]] = []
    program = threading.Thread(
        target=lambda: told.append(
            subprocess.run(
                [sys.executable, "-c", lines],
                env={**os.environ, "AAP_URL": base, "AAP_TOKEN": key},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        )
    )
    program.start()

    wait_for(Hold.objects.waiting().exists, "the refund to wait")
    getattr(holds, answer)(Hold.objects.get(), by=otto, note="too much")
    program.join(60)

    assert told[0].returncode == 0, told[0].stderr
    assert printed in told[0].stdout


def test_every_code_of_a_status_is_in_the_guide() -> None:
    assert [code for code in STATUS if f"`{code}`" not in GUIDE] == ["internal"]
