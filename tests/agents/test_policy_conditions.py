"""Conditions are checked when they are saved, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rules.policy import compile_policy
from audit.errors import Invalid

SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "order": {"type": "object", "properties": {"id": {"type": "string"}}},
        "free": {"type": "object"},
    },
}


def compiled(when: str, **more: Any) -> None:
    rule = {"name": "A", "tools": ["pay"], "when": when, "then": "deny"}
    compile_policy({"rules": [rule]}, **more)


@pytest.mark.parametrize(
    "when",
    [
        'args.amount > 10000 && args.currency == "USD"',
        "double(args.amount) > 50.0",
        'agent.team == "support" && run.name.startsWith("nightly")',
        'environment == "production" && !working_time',
        'now.getHours("Europe/Berlin") >= 22 || now.getDayOfWeek() == 0',
        "cost_usd > 2.0 || tokens > 1000 || amount > 5",
        'has(args.to) && args.to.matches("@rival[.]com$")',
        "args.items.exists(i, i.price > args.limit)",
        'args.to.all(x, x in ["ada", "otto"]) && args.cc.all(x, x.endsWith("@us"))',
        'args["a key"] == null && args.note.contains("secret")',
        "args.a > 1 // because\n && true",
        'tool == "pay" && kind == "write" && subject != "" && on_behalf_of == "ada"',
        'timestamp(args.due) - now < duration("12h")',
    ],
)
def test_what_conditions_can_say(when: str) -> None:
    compiled(when)


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("amout > 1", "Rule “A”: when at column 1: It knows no “amout”. Did you mean “amount”?"),
        ("true ||\n amout > 1", "when at line 2, column 2: It knows no “amout”."),
        ('agent.nme == "x"', "It knows no “agent.nme”. Did you mean “agent.name”?"),
        ("price > 1", "It knows no “price”. What the agent sends is written args.price."),
        (
            'tool.startswith("a")',
            "at column 6: It knows no “startswith”. Did you mean “startsWith”?",
        ),
        ("size(tool, 3) > 1", "“size” is not used like this"),
        ("tool == 1", "“==” does not go with text and a whole number."),
        ("cost_usd > 1.0 && 2.0 > 1", "write 50.0 instead of 50."),
        ("true && 3", "“&&” joins yes-or-no questions, and one part is a whole number."),
        ("tool.contains(3)", "“contains” does not take text and a whole number."),
        ("tool.x", "Text has no parts, so no “.” can follow it."),
        ("args.x", "It must ask a yes-or-no question, and it is any value"),
        ("1", "It must ask a yes-or-no question, and it is a whole number"),
        ("args.x in [1, 2", "at column 16: It ends too early."),
        ("a b", "“b” is not expected here."),
        ("working_time = true", "two things are compared by “==”."),
        ("@", "“@” is not expected here."),
        ("(" * 400 + "true" + ")" * 400, "It is nested too deeply"),
        ("args.l.all(x, x.l.all(y, y > 1))", "cannot stand in one another"),
        ("args.l.exists(x, x.exists_one(y, y > 1))", "cannot stand in one another"),
        ("args.l.map(x, x).size() > 1", "map and filter take too long on long lists"),
        ("args.l.filter(x, x > 1) == []", "map and filter take too long on long lists"),
        ("{1: 2, 1: 3} == {}", "It can never be worked out (duplicate key in map)."),
        ("1" + " + 1" * 400 + " == 2", "It is nested too deeply"),
        (" && ".join(["args.l.all(x, x > 1)"] * 4), "At most 3 of exists, exists_one and all"),
        ("args.l.all(args, args > 1)", "“args” has a meaning already"),
        ('args.l.all(x, args.b.matches("x"))', "args can only be compared with the item"),
        ("args.l.all(x, x in args.m)", "args can only be compared with the item"),
        ("args.l.exists(x, size(args.l) > 1)", "args can only be compared with the item"),
        ("args.a.contains(args.b)", "What contains looks for must be written out"),
        ("args.a.matches(args.b)", "The pattern of matches must be written out"),
        ('tool.matches("(")', "“(” is no pattern (RE2)."),
        ('now.getHours("Mars") > 3', "“Mars” is no time zone"),
        ('timestamp("soon") > now', "“soon” is no point in time"),
        ("google.protobuf.Int64Value{value: 1} == 1", "It cannot make a"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(when: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        compiled(when)

    assert refused.value.detail.startswith("Rule “A”: when")
    assert sentence in refused.value.detail


ALPHABET = st.sampled_from(
    ["args", ".a", "tool", "(", ")", "[", "]", " && ", "||", "!", "1", "'x'", " == ", " < ", "has("]
    + ["exists(x,", "all(", "double(", "matches(", ".", ",", "{", "}", ":", "?", "-", " in ", "\n"]
    + ["//", "now", ".getHours(", "timestamp(", "null", "x", "@", "é", "'", '"', "\\", "1u", "2.5"]
)


@given(st.lists(ALPHABET, max_size=14).map("".join) | st.text(max_size=20))
def test_whatever_is_typed_compiles_or_is_refused_in_a_sentence(when: str) -> None:
    refused = Invalid("")
    try:
        compiled(when)
    except Invalid as refusal:
        refused = refusal

    assert not refused.detail or refused.detail.startswith("Rule “A”: when")
    assert not refused.detail or refused.detail.endswith((".", "?"))


def test_only_so_many_rules_look_through_lists() -> None:
    rule = {"then": "deny", "when": 'args.note.matches("x")'}

    with pytest.raises(Invalid, match="101 rules look through lists or texts"):
        compile_policy({"rules": [rule | {"name": str(n)} for n in range(101)]})


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("args.amount > 1", ""),
        ("has(args.order.id) && args.free.anything == 1", ""),
        ("args.amout > 1", "The tool takes no “args.amout”. Did you mean “amount”?"),
        ("has(args.amout)", "The tool takes no “args.amout”."),
        ('args["amout"] > 1', "The tool takes no “args.amout”."),
        ("args.order.idd == 1", "The tool takes no “args.order.idd”. Did you mean “id”?"),
        ("args.zzz == 1", "It takes amount, free, order."),
    ],
)
def test_what_the_tool_does_not_take_is_refused_where_its_schema_is_known(
    when: str, sentence: str
) -> None:
    compiled(when)
    compiled(when, schemas={"other": SCHEMA})

    if not sentence:
        compiled(when, schemas={"pay": SCHEMA})
        return
    with pytest.raises(Invalid) as refused:
        compiled(when, schemas={"pay": SCHEMA})
    assert sentence in refused.value.detail


def test_a_tool_that_takes_anything_more_is_asked_about_anything() -> None:
    compiled("args.zzz == 1", schemas={"pay": SCHEMA | {"additionalProperties": True}})


def test_a_rule_for_several_tools_is_not_held_to_the_schema_of_one() -> None:
    rule = {"name": "A", "tools": ["pay", "p*"], "when": "args.x > 1", "then": "deny"}

    compile_policy({"rules": [rule]}, schemas={"pay": SCHEMA})
