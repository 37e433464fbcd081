"""The first rule that matches decides, the stricter policy wins, and nothing an agent sends changes that."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rules.policy import Case, Compiled, Ruling, Shadow, compile_policy, judge_policies
from agents.rules.policy.patterns import fits

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # a Saturday


def case(tool: str = "pay", **more: Any) -> Case:
    given: dict[str, Any] = {"tool": tool, "arguments": {}, "now": NOW}
    return Case(**given | more)


def rule(name: str, then: str, when: str = "true", **more: Any) -> dict[str, Any]:
    return {"name": name, "then": then, "when": when} | more


def policy(*rules: dict[str, Any], tools: Any = ("*",)) -> Compiled:
    return compile_policy({"tools": list(tools), "rules": list(rules)})


def judged(when: str, then: str = "approve", **of_case: Any) -> Ruling:
    return policy(rule("A", then, when)).judge(case(**of_case))


@pytest.mark.parametrize(
    ("when", "of_case", "matches"),
    [
        ("args.amount > 50", {"arguments": {"amount": 50}}, False),
        ("args.amount > 50", {"arguments": {"amount": 50.01}}, True),
        ("args.amount > 50.0", {"arguments": {"amount": 51}}, True),
        ("double(args.amount) > 50.0", {"arguments": {"amount": "50.01"}}, True),
        ("double(args.amount) > 50.0", {"arguments": {"amount": "12"}}, False),
        ("args.a.b[1].c == null", {"arguments": {"a": {"b": [0, {"c": None}]}}}, True),
        ("args.n > 9007199254740992", {"arguments": {"n": 9007199254740993}}, True),
        ("amount > 3", {"amount": Decimal("3.01")}, True),
        ("amount == null", {}, True),
        ("cost_usd >= 0.25", {"cost_usd": Decimal("0.25")}, True),
        ("tokens > 10", {"tokens": 10}, False),
        ('tool == "pay" && kind == "write"', {"kind": "write"}, True),
        ('subject.startsWith("mail:")', {"subject": "mail:1"}, True),
        ('agent.name == "scout" && agent.team == "t"', {"agent": "scout", "team": "t"}, True),
        ('run.name == "n" && on_behalf_of == "ada"', {"run": "n", "on_behalf_of": "ada"}, True),
        ('environment == "production" && currency == ""', {}, True),
        ("now.getHours() < 6 && now.getDayOfWeek() == 6", {}, True),
        ('now.getHours("Asia/Tokyo") == 12', {}, True),
        ("working_time", {"working_time": False}, False),
        ("args.l.exists(x, x.p > args.q)", {"arguments": {"l": [{"p": 3}], "q": 2}}, True),
    ],
)
def test_what_conditions_see(when: str, of_case: dict[str, Any], matches: bool) -> None:
    assert (judged(when, **of_case).answer == "approve") is matches


@pytest.mark.parametrize(
    ("when", "arguments", "why"),
    [
        ("args.amount > 50", {}, "there is no “amount”"),
        ("args.amount > 50", {"amount": "51"}, "“>” cannot read text and a whole number"),
        ("args.amount > 50", {"amount": None}, "“>” cannot read nothing (null) and a whole number"),
        ("args.amount > 50", {"amount": 2**64}, "a number is too large"),
        ("args.other > 50", {"other": 1, "amount": -(2**70)}, "a number is too large"),
        ("args.a.b == 1", {"a": 1}, "a value has no parts"),
        ("1 / args.n > 1", {"n": 0}, "it divides by zero"),
        ("double(args.amount) > 50.0", {"amount": "1,000"}, "a text is no number"),
        ("double(args.amount) > 50.0", {"amount": "NaN"}, "a text is no number"),
        ("double(args.amount) > 50.0", {"amount": " -nan"}, "a text is no number"),
        ("double(args.amount) > 50.0", {"amount": "-inf"}, "a text is no number"),
        ("!(double(args.a.b) <= 50.0)", {"a": {"b": "nan"}}, "a text is no number"),
        ("args.l.all(x, double(x) > 1.0)", {"l": ["nan"]}, "a text is no number"),
        ('args.a == "x"', {"a": "\ud800"}, "a text is not valid Unicode"),
        ("args.l.all(x, x > 0)", {"l": [1] * 20_000}, "a list is too long"),
        ("amount > 3", {}, "“>” cannot read nothing (null) and a whole number"),
    ],
)
def test_what_cannot_be_worked_out_is_read_the_strict_way(
    when: str, arguments: dict[str, Any], why: str
) -> None:
    assert judged(when, "allow", arguments=arguments).rule == ""
    for then in ("deny", "approve"):
        ruling = judged(when, then, arguments=arguments)
        assert (ruling.answer, ruling.rule) == (then, "A")
        assert f"could not be read here: {why}." in ruling.why


def test_a_person_called_nan_is_no_number_that_has_no_end() -> None:
    arguments = {"amount": 12, "customer": "Nan Goldin"}

    assert judged("double(args.amount) > 50.0", "deny", arguments=arguments).answer == "allow"


def test_the_first_rule_that_matches_decides() -> None:
    found = policy(
        rule("small", "allow", "args.n < 10"),
        rule("never here", "deny", tools=["other"]),
        rule("large", "approve", "args.n > 100", approval={"votes": 2}),
        rule("rest", "deny"),
    )

    answers = {n: found.judge(case(arguments={"n": n})) for n in (1, 50, 500)}

    assert [(r.answer, r.rule, r.code) for r in answers.values()] == [
        ("allow", "small", ""),
        ("deny", "rest", "policy"),
        ("approve", "large", "approval"),
    ]
    assert answers[500].requirement is not None
    assert answers[500].requirement.votes == 2
    assert answers[500].why == "pay needs 2 approvals, else denied, by rule “large”."


def test_what_no_rule_matches_is_allowed_when_it_is_listed() -> None:
    assert judge_policies(case(), None, policy()) == Ruling("allow")


@pytest.mark.parametrize("agent", [None, policy(tools=()), policy(tools=("search", "pay.*"))])
def test_least_privilege_first(agent: Compiled | None) -> None:
    ruling = judge_policies(case(), policy(rule("all", "allow")), agent)

    assert (ruling.answer, ruling.code) == ("deny", "tool_not_listed")
    assert ruling.why == "pay is not among the tools this agent may use."


@pytest.mark.parametrize(
    ("pattern", "tool", "does"),
    [
        ("mail.*", "mail.read", True),
        ("mail.*", "mail", False),
        ("*", "", True),
        ("*.read", "mail.read", True),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*a", "a", False),
        ("*a*", "bab", True),
        ("mail", "mail", True),
        ("mail", "Mail", False),
        ("m[ai]l", "mal", False),
    ],
)
def test_patterns_of_tools(pattern: str, tool: str, does: bool) -> None:
    assert fits(pattern, tool) is does
    assert policy(tools=(pattern,)).may_use(tool) is does
    ruled = policy(rule("A", "deny", tools=[pattern])).judge(case(tool))
    assert (ruled.answer == "deny") is does


def test_a_tool_called_like_a_glob_has_no_rights_of_others() -> None:
    found = policy(rule("A", "deny", tools=["mail.*"]), tools=("mail.read",))

    assert not found.may_use("mail.*")
    assert found.judge(case("mail.*")).answer == "deny"


@pytest.mark.parametrize("then", ["allow", "deny", "approve"])
def test_a_rule_in_shadow_is_reported_and_decides_nothing(then: str) -> None:
    live = rule("live", "approve")
    found = policy(
        rule("tried", then, shadow=True), live, rule("too late", "deny", shadow=True)
    ).judge(case())

    assert (found.answer, found.rule) == ("approve", "live")
    assert found.shadows == (Shadow("tried", then),)  # type: ignore[arg-type]


def test_both_policies_report_their_shadows() -> None:
    tried = policy(rule("tried", "deny", shadow=True))

    ruling = judge_policies(case(), tried, tried)

    assert ruling.answer == "allow"
    assert ruling.shadows == (Shadow("tried", "deny", "team"), Shadow("tried", "deny", "agent"))


STRICT = [
    policy(),
    policy(rule("allow", "allow")),
    policy(rule("one", "approve")),
    policy(rule("two", "approve", approval={"votes": 2})),
    policy(rule("deny", "deny")),
]


@pytest.mark.parametrize(("one", "other"), list(product(STRICT, STRICT)))
def test_the_stricter_policy_wins_whosever_it_is(one: Compiled, other: Compiled) -> None:
    first, second = judge_policies(case(), one, other), judge_policies(case(), other, one)
    strictest = max(one.judge(case()).strictness, other.judge(case()).strictness)

    assert first.strictness == second.strictness == strictest


def test_a_tie_is_the_agents_own() -> None:
    one = policy(rule("team's", "approve"))
    other = policy(rule("agent's", "approve"))

    ruling = judge_policies(case(), one, other)

    assert (ruling.rule, ruling.of) == ("agent's", "agent")
    assert judge_policies(case(), one, policy()).of == "team"


texts = st.text(st.characters(), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
some_arguments = st.dictionaries(
    st.sampled_from(["a", "b", "amount", "l"]) | texts, json_values, max_size=5
)
WHENS = (
    "args.amount > 50",
    "double(args.amount) > 50.0",
    "int(args.a) < 3",
    'args.b.contains("x")',
    "args.l.exists(x, x == args.a)",
    "args.l.all(x, double(x.p) > 1.0)",
    'args.a == args.b || string(args.a) == "1"',
    "size(args) > 2",
    "has(args.a.b)",
    'args.a.b["c"][0] == null',
    'timestamp(args.a) < now && "k" in args.b',
    "amount > 1 && subject != ''",
)
some_rules = st.lists(
    st.tuples(
        st.sampled_from(["allow", "deny", "approve"]),
        st.sampled_from(WHENS),
        st.sampled_from([["*"], ["pay"], ["p*", "x"]]),
        st.booleans(),
    ),
    max_size=6,
)


def made(rules: list[tuple[str, str, list[str], bool]]) -> list[dict[str, Any]]:
    return [
        rule(f"r{n}", then, when, tools=tools, shadow=shadow)
        for n, (then, when, tools, shadow) in enumerate(rules)
    ]


@given(some_rules, some_arguments, texts)
def test_no_arguments_make_judging_fail(rules: Any, arguments: Any, subject: str) -> None:
    found = policy(*made(rules))
    asked = case(arguments=arguments, subject=subject)

    ruling = found.judge(asked)

    assert ruling.why != "The policy could not judge this."
    assert ruling == found.judge(asked)
    assert ruling == policy(*made(rules)).judge(asked)


@given(some_rules, some_arguments)
def test_rules_decide_in_order_as_if_each_were_alone(rules: Any, arguments: Any) -> None:
    asked = case(arguments=arguments)
    alone = [policy(each).judge(asked) for each in made(rules) if not each["shadow"]]
    expected = next((ruling for ruling in alone if ruling.rule), Ruling("allow"))

    ruling = policy(*made(rules)).judge(asked)

    assert (ruling.answer, ruling.rule, ruling.why) == (
        expected.answer,
        expected.rule,
        expected.why,
    )


@given(some_rules, some_arguments, st.integers(0, 6), st.sampled_from(WHENS))
def test_a_rule_more_in_shadow_changes_no_ruling(
    rules: Any, arguments: Any, place: int, when: str
) -> None:
    asked, written = case(arguments=arguments), made(rules)
    before = policy(*written).judge(asked)
    written.insert(place, rule("tried", "deny", when, shadow=True))

    after = policy(*written).judge(asked)

    assert (after.answer, after.rule, after.why, after.requirement) == (
        before.answer,
        before.rule,
        before.why,
        before.requirement,
    )


@given(st.sampled_from(WHENS), some_arguments)
def test_errors_never_help_whoever_sent_them(when: str, arguments: Any) -> None:
    """What is allowed by a condition is also caught by it when it denies."""
    asked = case(arguments=arguments)
    allows = policy(rule("A", "allow", when)).judge(asked).rule == "A"
    denies = policy(rule("A", "deny", when)).judge(asked).rule == "A"

    assert denies or not allows


@settings(max_examples=25)
@given(st.lists(st.integers(-5, 60), min_size=1, max_size=90), st.integers(-5, 60))
def test_asking_many_at_once_answers_as_asking_each(limits: list[int], amount: int) -> None:
    found = policy(*(rule(f"r{n}", "deny", f"args.n > {limit}") for n, limit in enumerate(limits)))
    first = next((f"r{n}" for n, limit in enumerate(limits) if amount > limit), "")

    assert found.judge(case(arguments={"n": amount})).rule == first


def test_threads_judge_at_once() -> None:
    found = policy(
        *(rule(f"r{n}", "deny", f"double(args.n) == {n}.0 || args.s == 's{n}'") for n in range(200))
    )
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def judge(thread: int) -> None:
        start.wait()
        for n in range(thread, 400, 8):
            ruling = found.judge(case(f"tool-{n}", arguments={"n": str(n), "s": f"s{n}"}))
            if ruling.rule != (f"r{n}" if n < 200 else ""):
                wrong.append((n, ruling))

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
