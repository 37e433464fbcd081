"""Policies as YAML, what changed between two of them, and what they would have done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rules.policy import Case, compile_policy
from agents.rules.policy.difference import Field, difference
from agents.rules.policy.yaml import Written, dump, dump_one, load, load_one
from agents.rules.replay import Past, Shadowed, replay
from audit.errors import Invalid

FILE = """\
policies:
  - team: support
    rules:
      - name: Nothing at night
        when: |-
          now.getHours() < 6
          || now.getHours() >= 22
        then: deny
        because: Nobody is awake to help.
  - team: support
    agent: scout
    tools: [search, refund.issue]
    rules:
      - name: Large refunds
        tools: [refund.issue]
        when: double(args.amount) > 50.0
        then: approve
        approval:
          votes: 2
          groups: [trading-leads]
          within: 4h
          otherwise: escalate
          escalate_to: ops
"""


def test_a_file_holds_the_policies_of_several_owners() -> None:
    team, agent = load(FILE)

    assert (team.owner, agent.owner) == ("support", "support/scout")
    assert agent.document["tools"] == ["search", "refund.issue"]
    assert dump([team, agent]) == FILE


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    text = "tools: [on, 2026-11-21, 'true']\nrules:\n- {name: yes, then: deny, when: true}\n"

    document = load_one(text, of_agent=True)

    assert document["tools"] == ["on", "2026-11-21", "true"]
    assert document["rules"] == [{"name": "yes", "then": "deny"}]
    assert load_one(dump_one(document), of_agent=True) == document


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\na: 2", "at line 2, column 1: the key “a” stands there twice."),
        ("a: &x [1]\nb: *x", "references (*name) are not read; write it out."),
        ("{", "This is no YAML at line 1"),
        ("a: !!python/object:x {}", "could not determine a constructor"),
        ("a: !!binary aGk=", "could not determine a constructor"),
        ("a: !!int x", "cannot be read"),
        ("? [1]\n: 2", "unhashable key"),
        ("<<: {a: 1}", "The file has no key “<<”."),
        ("\0", "a character that YAML does not allow"),
        ("[" * 5_000, "nested too deeply"),
        ("a: " + "9" * 5_000, "cannot be read"),
        ("", "The file must be written as “key: value”, not as nothing."),
        ("--- 1\n--- 2", "This is no YAML"),
        ("policies: {}", "policies must be a list"),
        ("policies: [{rules: []}]", "Policy 1 does not say whose it is"),
        ("policies: [{team: 5}]", "Policy 1: team must be text, not the number 5"),
        ("policies: [{team: a}, {team: a}]", "The policy of a stands in the file twice."),
        ("policies: [{team: a, tools: []}]", "this one holds for a whole team"),
        ("policies: [{team: a, agent: b}]", "which tools the agent may use"),
        ("policies: [{team: a, rules: [{name: x, then: no}]}]", "Policy of a: Rule “x”: then must"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(text)

    assert sentence in refused.value.detail


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: bool(name.strip()) and name.strip().isprintable()
)


def stripped(name: Any) -> str:
    """As the loader takes a name."""
    return str(name).strip()


whens = st.sampled_from(["true", "args.a > 1", "args.a > 1\n  || tool == 'x: y # z'"])
spoken = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
written_rules = st.lists(
    st.fixed_dictionaries(
        {"name": names, "then": st.sampled_from(["allow", "deny", "approve"])},
        optional={"when": whens, "because": spoken, "shadow": st.booleans()},
    ),
    max_size=4,
    unique_by=lambda rule: stripped(rule["name"]),
)


@given(written_rules, st.lists(names, max_size=3, unique_by=stripped))
def test_what_is_loaded_and_dumped_stays_as_it_is(rules: Any, tools: Any) -> None:
    document = load_one(dump_one({"tools": tools, "rules": rules}), of_agent=True)
    policies = (Written("a", "b", document),)

    assert load(dump(policies)) == policies
    assert dump(load(dump(policies))) == dump(policies)


def with_names(*names: str, **changed: Any) -> dict[str, Any]:
    return {"rules": [{"name": name, "then": "deny"} | changed.get(name, {}) for name in names]}


def test_a_difference_tells_each_rule_with_its_fields() -> None:
    before = {"tools": ["a", "b"], **with_names("gone", "kept", "changed")}
    after = {
        "tools": ["b", "c"],
        **with_names(
            "kept", "changed", "new", changed={"then": "approve", "approval": {"votes": 2}}
        ),
    }

    found = difference(before, after)

    assert (found.tools_added, found.tools_removed) == (("c",), ("a",))
    assert [(rule.kind, rule.name, rule.moved) for rule in found.rules] == [
        ("changed", "changed", False),
        ("added", "new", False),
        ("removed", "gone", False),
    ]
    assert Field("then", "deny", "approve") in found.rules[0].fields
    assert Field("approval.votes", None, 2) in found.rules[0].fields
    assert "+ tool c" in list(found.lines())
    assert "    then: deny → approve" in list(found.lines())


def test_only_the_rule_that_was_moved_is_said_to_have_moved() -> None:
    found = difference(with_names(*"abcde"), with_names(*"eabcd"))

    assert [(r.kind, r.name, r.number_before, r.number_after) for r in found.rules] == [
        ("moved", "e", 5, 1)
    ]


def test_the_same_policy_written_otherwise_is_no_difference() -> None:
    spelled_out = with_names("a", a={"tools": ["*"], "when": "true", "shadow": False})

    assert not difference(spelled_out, with_names("a"))


def test_what_an_older_release_saved_and_this_one_cannot_read_can_still_be_replaced() -> None:
    old = {"rules": [{"name": "a", "then": "ask"}]}

    assert [rule.kind for rule in difference(old, with_names("a")).rules] == ["added"]
    assert "then: ask" in dump_one(old)


def test_the_past_is_judged_anew_and_counted() -> None:
    agent = compile_policy(
        {
            "tools": ["pay"],
            "rules": [
                {"name": "tried", "then": "deny", "shadow": True, "when": "args.n > 5"},
                {"name": "large", "then": "approve", "when": "args.n > 9"},
            ],
        }
    )

    def past(number: int, happened: Any, tool: str = "pay") -> Past:
        now = datetime(2026, 11, 14, tzinfo=UTC)
        was: Any = {"allowed": "allow", "denied": "deny"}.get(happened, "approve")
        return Past(str(number), Case(tool=tool, arguments={"n": number}, now=now), happened, was)

    found = replay(
        [past(1, "allowed"), past(7, "approved"), past(10, "allowed"), past(11, "rejected")]
        + [past(3, "allowed", "drop"), past(4, "denied", "drop")],
        None,
        agent,
        most_named=2,
    )

    assert found.counts == {
        ("allowed", "allow"): 1,
        ("approved", "allow"): 1,
        ("allowed", "approve"): 1,
        ("rejected", "approve"): 1,
        ("allowed", "deny"): 1,
        ("denied", "deny"): 1,
    }
    assert (found.looked_at, found.changed_count) == (6, 3)
    assert [(c.id, c.would, c.rule) for c in found.changed] == [
        ("7", "allow", ""),
        ("10", "approve", "large"),
    ]
    assert found.shadows == (Shadowed("tried", "deny", "agent", 3, ("7", "10", "11")),)
