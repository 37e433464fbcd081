"""The rules are pure, so their tests are tables."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rules.admission import judge
from agents.rules.breakers import span
from agents.rules.digest import NotCanonical, approval_digest, item_of, proposal_digest
from agents.rules.facts import AgentFacts, BreakerFacts, Proposal
from agents.rules.policy import Case, Ruling, compile_policy, judge_policies
from agents.rules.policy.shorthand import always, over

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ALLOWED = Ruling("allow")
REFUSED = Ruling("deny", rule="no rm", why="Nobody removes.", code="policy")


def breaker(condition: str = "repeats", **more: Any) -> BreakerFacts:
    facts: dict[str, Any] = {
        "id": "b",
        "condition": condition,
        "unit": "",
        "scope": "agent",
        "run_id": None,
        "state": "closed",
        "limit": Decimal(5),
        "window_s": 60.0,
        "value": Decimal(0),
        "generation": 1,
        "probes_allowed": 5,
        "probes_leased": 0,
        "probes_succeeded": 0,
        "probation_until": None,
    }
    return BreakerFacts(**facts | more)


def agent(**more: Any) -> AgentFacts:
    facts: dict[str, Any] = {
        "agent_state": "active",
        "agent_reason": "",
        "run_state": "running",
        "run_reason": "",
        "now": NOW,
        "breakers": [],
    }
    return AgentFacts(**facts | more)


@pytest.mark.parametrize(
    ("tool", "arguments", "answer"),
    [
        ("search", {}, "allow"),
        ("rm", {}, "deny"),
        ("pay", {"amount": 50}, "allow"),
        ("pay", {"amount": 50.01}, "approve"),
        ("pay", {"amount": "50"}, "allow"),
        ("pay", {"amount": "1e3"}, "approve"),
        ("pay", {"amount": "a lot"}, "approve"),
        ("pay", {"amount": -1000}, "approve"),
        ("pay", {"amount": True}, "approve"),
        ("pay", {"amount": None}, "approve"),
        ("pay", {"amount": "NaN"}, "approve"),
        ("pay", {}, "approve"),
        ("drop", {}, "approve"),
    ],
)
def test_a_tool_is_judged_by_its_rule(tool: str, arguments: dict[str, Any], answer: str) -> None:
    policy = compile_policy(
        {"tools": ["search", "pay", "drop"], "rules": [over("pay", "amount", 50), always("drop")]}
    )

    ruling = judge_policies(Case(tool=tool, arguments=arguments, now=NOW), None, policy)

    assert ruling.answer == answer


def test_an_empty_list_allows_nothing_and_a_star_everything() -> None:
    case = Case(tool="x", arguments={}, now=NOW)

    assert judge_policies(case, None, compile_policy({"tools": []})).answer == "deny"
    assert judge_policies(case, None, compile_policy({"tools": ["*"]})).answer == "allow"


@pytest.mark.parametrize(
    ("facts", "admission", "code"),
    [
        ({}, "allowed", ""),
        ({"agent_state": "paused"}, "retry_later", "paused"),
        ({"run_state": "paused"}, "retry_later", "paused"),
        ({"agent_state": "retired"}, "over", "retired"),
        ({"run_state": "terminated"}, "over", "terminated"),
        ({"run_state": "completed"}, "over", "run_finished"),
        ({"agent_state": "paused", "run_state": "terminated"}, "over", "terminated"),
        ({"breakers": [breaker(value=Decimal(5))]}, "retry_later", "tripped"),
        ({"breakers": [breaker(state="open")]}, "retry_later", "paused"),
        ({"breakers": [breaker(state="half_open")]}, "allowed", ""),
        ({"breakers": [breaker(state="half_open", probes_leased=5)]}, "retry_later", "probation"),
    ],
)
def test_admission(facts: dict[str, Any], admission: str, code: str) -> None:
    judgement = judge(agent(**facts), Proposal("search", {}), ALLOWED)

    assert (judgement.admission, judgement.code) == (admission, code)


def test_a_stop_comes_before_everything_else() -> None:
    facts = agent(agent_state="paused", breakers=[breaker(value=Decimal(99))])

    assert judge(facts, Proposal("rm", {}), REFUSED).code == "paused"


def test_what_policy_refuses_is_denied_before_breakers_count_it() -> None:
    judgement = judge(agent(breakers=[breaker(value=Decimal(99))]), Proposal("rm", {}), REFUSED)

    assert (judgement.admission, judgement.code, judgement.rule) == ("denied", "policy", "no rm")


@pytest.mark.parametrize(
    ("ruling", "admission"),
    [(ALLOWED, "held"), (Ruling("allow", rule="reads are fine"), "allowed"), (REFUSED, "denied")],
)
def test_who_asks_for_approval_needs_a_rule_that_says_yes(ruling: Ruling, admission: str) -> None:
    judgement = judge(agent(), Proposal("search", {}, ask_unless_ruled=True), ruling)

    assert judgement.admission == admission


def test_asking_holds_what_would_be_allowed() -> None:
    judgement = judge(agent(), Proposal("search", {}, ask=True), ALLOWED)

    assert judgement.admission == "held"
    assert judgement.needs_care


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(60, "60 s"), (90, "90 s"), (300, "5 min"), (3600, "1 h"), (86400, "1 d")],
)
def test_windows_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_the_order_of_members_does_not_matter(arguments: dict[str, Any]) -> None:
    turned = dict(reversed(list(arguments.items())))

    assert proposal_digest(tool="t", subject="", arguments=arguments) == proposal_digest(
        tool="t", subject="", arguments=turned
    )


def test_an_approval_binds_everything_it_names() -> None:
    bound: dict[str, Any] = {
        "agent": "a",
        "run": "r",
        "tool": "pay",
        "arguments": {"amount": 5},
        "policy_version": "0.1",
    }
    others = [
        bound | change
        for change in (
            {"agent": "b"},
            {"run": "s"},
            {"tool": "refund"},
            {"arguments": {"amount": 6}},
            {"arguments": {"amount": "5"}},
            {"policy_version": "0.2"},
        )
    ]

    digests = {approval_digest(**one) for one in [bound, *others]}

    assert len(digests) == 7


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        proposal_digest(tool="t", subject="", arguments={"x": value})


def test_an_item_is_the_subject_or_the_arguments() -> None:
    assert item_of(subject="mail:1", digest=b"x") == "mail:1"
    assert item_of(subject="", digest=b"\x01" * 32).startswith("sha256:0101")


@pytest.mark.parametrize("argument", ["amount", "in", "per cent", 'a"b', "__x", "betrag_€"])
@pytest.mark.parametrize(
    ("value", "answer"),
    [(50, "allow"), (50.5, "approve"), (-1, "approve"), ("nan", "approve"), (None, "approve")],
)
def test_a_limit_holds_for_an_argument_of_any_name(argument: str, value: Any, answer: str) -> None:
    policy = compile_policy({"tools": ["pay"], "rules": [over("pay", argument, 50)]})
    case = Case(tool="pay", arguments={argument: value}, now=NOW)

    assert judge_policies(case, None, policy).answer == answer
