"""What people may write in a policy, and the sentence that refuses everything else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agents.rules.policy import Requirement, compile_policy, sentences
from agents.rules.policy.document import parse
from audit.errors import Invalid

BIG: dict[str, Any] = {
    "name": "Large refunds",
    "tools": ["refund.issue"],
    "when": "double(args.amount) > 50.0",
    "then": "approve",
    "approval": {
        "votes": 2,
        "groups": ["trading-leads"],
        "within": "4h",
        "otherwise": "deny",
    },
}


def rule(**more: Any) -> dict[str, Any]:
    return {"name": "A", "then": "deny"} | more


def approving(**approval: Any) -> dict[str, Any]:
    return {"name": "A", "then": "approve", "approval": approval}


def with_rules(*rules: Any) -> dict[str, Any]:
    return {"rules": list(rules)}


REFUSED: list[tuple[Any, str]] = [
    ([], "The policy must be written as “key: value”, not as a list."),
    (None, "The policy must be written as “key: value”, not as nothing."),
    ({"rule": []}, "The policy has no key “rule”. Did you mean “rules”?"),
    ({1: 2}, "the key 1 must be text"),
    ({"rules": "x"}, "rules must be a list, not the text “x”."),
    ({"tools": "search"}, "tools must be a list"),
    ({"tools": ["a", "a"]}, "tools names “a” twice."),
    ({"tools": [""]}, "tools is empty."),
    ({"tools": ["a\u202eb"]}, "a character that cannot be seen"),
    (with_rules("x"), "Rule 1 must be written as “key: value”"),
    (with_rules({"then": "deny"}), "Rule 1 has no name."),
    (with_rules(rule(), rule(name=3)), "Rule 2: name must be text, not the number 3"),
    (with_rules(rule(name="x" * 81)), "Rule 1: name has 81 characters; 80 are the most."),
    (with_rules(rule(), rule(name=" A")), "Two rules are called “A”"),
    (with_rules({"name": "A"}), "Rule “A” does not say what then: allow, deny or approve."),
    (with_rules(rule(then="alow")), "not “alow”. Did you mean “allow”?"),
    (with_rules(rule(then=True)), "then must be allow, deny or approve"),
    (with_rules(rule(whenn="x")), "Rule “A” has no key “whenn”. Did you mean “when”?"),
    (with_rules(rule(tools=[])), "tools names none, so the rule would never match."),
    (with_rules(rule(when=5)), "when must be text, not the number 5"),
    (with_rules(rule(when=" ")), "when is empty"),
    (with_rules(rule(when="x" * 2001)), "It has 2,001 characters; 2,000 are the most."),
    (with_rules(rule(when="tool == '\0'")), "when contains a NUL character."),
    (with_rules(rule(when="tool == '\ud800'")), "when is not valid Unicode."),
    (with_rules(rule(because=[])), "because must be text, not a list"),
    (with_rules(rule(because="\ud800")), "because is not valid Unicode."),
    (with_rules(rule(because="a\0")), "because contains a NUL character."),
    (with_rules(rule(shadow="yes")), "shadow must be true or false, not the text “yes”."),
    (with_rules(rule(approval={})), "approval goes only with “then: approve”, and this says deny."),
    (with_rules({"name": "A", "then": "approve", "approval": None}), "not as nothing"),
    (with_rules(approving(vote=1)), "Rule “A”: approval has no key “vote”. Did you mean “votes”?"),
    (with_rules(approving(votes=0)), "Rule “A”: approval.votes must be from 1 to 20, not 0."),
    (with_rules(approving(votes=21)), "votes must be from 1 to 20, not 21."),
    (with_rules(approving(votes=True)), "votes must be a whole number, not true or false."),
    (with_rules(approving(votes="2")), "votes must be a whole number, not the text “2”."),
    (with_rules(approving(groups="leads")), "groups must be a list, not the text “leads”."),
    (with_rules(approving(people=["a", "a"])), "people names “a” twice."),
    (with_rules(approving(within="4 h")), "within must be a time such as 30s, 15m, 4h or 2d"),
    (with_rules(approving(within=4)), "within must be a time such as"),
    (with_rules(approving(within="366d")), "at most 365d, not “366d”."),
    (with_rules(approving(within="0s")), "within must be longer than nothing."),
    (with_rules(approving(otherwise="allow")), "what nobody answered is never allowed."),
    (with_rules(approving(otherwise="maybe")), "otherwise must be deny or escalate, not “maybe”."),
    (with_rules(approving(otherwise="escalate")), "needs escalate_to, the queue it goes to."),
    (with_rules(approving(escalate_to="ops")), "escalate_to goes only with “otherwise: escalate”."),
    (with_rules(approving(step_up=1)), "step_up must be true or false"),
    (with_rules(*(rule(name=str(n)) for n in range(5001))), "5,001 rules; 5,000 are the most."),
]


@pytest.mark.parametrize(("document", "sentence"), REFUSED, ids=[s[:40] for _, s in REFUSED])
def test_what_cannot_be_meant_is_refused_in_words(document: Any, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        compile_policy(document)

    assert sentence in refused.value.detail


def test_a_document_is_kept_in_one_form() -> None:
    spelled_out = BIG | {
        "because": "",
        "shadow": False,
        "approval": BIG["approval"] | {"within": "240m", "step_up": False, "remember": "24h"},
    }

    assert parse(with_rules(spelled_out)).as_dict() == parse(with_rules(BIG)).as_dict()
    assert parse(with_rules(rule(when=True))).as_dict() == with_rules(rule())
    assert parse(with_rules(rule(when=False))).rules[0].when == "false"


def test_a_requirement_survives_being_written_and_read() -> None:
    requirement = Requirement(
        votes=3, groups=("a", "b"), within=timedelta(minutes=90), remember=timedelta(0)
    )

    assert requirement.as_dict()["within"] == "90m"
    assert Requirement.from_dict(requirement.as_dict()) == requirement
    assert Requirement.from_dict({}) == Requirement()


@pytest.mark.parametrize(
    ("had", "needed", "enough"),
    [
        ({}, {}, True),
        ({"votes": 2}, {"votes": 1}, True),
        ({"votes": 1}, {"votes": 2}, False),
        ({"groups": ("leads",)}, {}, True),
        ({}, {"groups": ("leads",)}, False),
        ({"groups": ("leads", "ops")}, {"groups": ("leads",)}, False),
        ({"groups": ("leads",)}, {"groups": ("leads", "ops")}, True),
        ({"groups": ("ada",)}, {"people": ("ada",)}, False),
        ({}, {"step_up": True}, False),
        ({"step_up": True}, {}, True),
    ],
)
def test_an_approval_is_enough_for_what_asks_no_more(
    had: dict[str, Any], needed: dict[str, Any], enough: bool
) -> None:
    assert Requirement(**had).satisfies(Requirement(**needed)) is enough


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            BIG,
            "refund.issue when double(args.amount) > 50.0: "
            "needs 2 approvals of trading-leads within 4 hours, else denied",
        ),
        (rule(), "any tool: denied"),
        (rule(then="allow", tools=["a", "b.*", "c"]), "a, b.* or c: allowed"),
        (approving(), "any tool: needs approval, else denied"),
        (
            approving(
                queue="refunds",
                people=["ada", "otto"],
                within="1d",
                working_time=True,
                step_up=True,
                otherwise="escalate",
                escalate_to="ops",
            ),
            "any tool: needs approval of ada or otto in refunds after a fresh sign-in "
            "within 1 day of working time, else it goes to ops",
        ),
        (rule(when="args.a >\n  1"), "any tool when args.a > 1: denied"),
    ],
)
def test_a_rule_reads_as_a_sentence(written: dict[str, Any], sentence: str) -> None:
    assert sentences.rule(parse(with_rules(written)).rules[0]) == sentence
