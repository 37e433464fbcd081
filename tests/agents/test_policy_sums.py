"""Sums copy what they add, so a policy may only ask for so many of them: an agent chooses how long its texts are."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.rules.policy import Case, compile_policy
from audit.errors import Invalid


def policy(when: str, rules: int = 1) -> dict[str, Any]:
    made = [
        {"name": f"r{n}", "when": f"{when} && tokens >= 0", "then": "deny"} for n in range(rules)
    ]
    return {"tools": ["*"], "rules": made}


def test_a_chain_of_sums_is_refused() -> None:
    with pytest.raises(Invalid, match="additions"):
        compile_policy(policy(" + ".join(["args.s"] * 20) + " == 'x'"))


def test_many_rules_that_add_are_refused() -> None:
    with pytest.raises(Invalid, match="100"):
        compile_policy(policy("args.s + args.s == 'x'", rules=101))


def test_the_longest_text_in_as_many_sums_as_may_be_is_judged_soon() -> None:
    compiled = compile_policy(policy(" + ".join(["args.s"] * 5) + " == 'x'", rules=100))
    case = Case(tool="pay", arguments={"s": "a" * 250_000}, now=datetime.now(UTC))
    begun = time.perf_counter()

    assert compiled.judge(case).answer == "allow"

    assert time.perf_counter() - begun < 5
