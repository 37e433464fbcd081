"""Saving a policy: who may, what is refused, what the record keeps. And `manage.py policy`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from agents.models import Action, Agent, Policy, PolicyVersion, Run, ToolSchema
from agents.replay import replay
from agents.transitions import policy as policies
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Group, Person, Team

pytestmark = pytest.mark.django_db

BIG: dict[str, Any] = {
    "name": "Large refunds",
    "tools": ["refund.issue"],
    "when": "double(args.amount) > 90.0",
    "then": "approve",
    "approval": {"votes": 2, "groups": ["leads"]},
}


@pytest.fixture
def policy(scout: Agent, support: Team) -> Policy:
    Group.objects.create(team=support, name="leads")
    return policies.of_agent(scout)


def document(*rules: dict[str, Any], tools: Any = ("search", "refund.issue")) -> dict[str, Any]:
    return {"tools": list(tools), "rules": list(rules)}


def test_a_saved_version_is_in_force_and_says_who_and_why(policy: Policy, ada: Person) -> None:
    version = policies.save(policy, document(BIG), by=ada, why="Money.", expected=1)

    policy.refresh_from_db()
    assert policy.current == version
    assert (version.number, version.author, version.why) == (2, "person:ada", "Money.")
    entry = Entry.objects.filter(kind="policy.saved").latest("id")
    assert (entry.summary, entry.data["before"]["version"], entry.data["version"]) == (
        "Money.",
        1,
        2,
    )
    assert entry.data["changes"]["tools_removed"] == ["mail.read", "model"]
    kinds = [(rule["kind"], rule["name"]) for rule in entry.data["changes"]["rules"]]
    assert kinds == [("added", "Large refunds"), ("removed", "refund.issue needs a person")]


def test_a_version_never_changes(policy: Policy) -> None:
    assert policy.current
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyVersion.objects.filter(pk=policy.current.pk).update(why="other")


def test_who_was_second_is_told_who_was_first(policy: Policy, ada: Person, otto: Person) -> None:
    policies.save(policy, document(BIG), by=otto, why="First.", expected=1)

    with pytest.raises(Conflict, match=r"otto saved version 2 meanwhile, “First[.]”"):
        policies.save(policy, document(), by=ada, why="Second.", expected=1)


@pytest.mark.parametrize("who", ["bob", "iris", "eve"])
def test_only_who_decides_for_the_team_writes_its_rules(
    policy: Policy, who: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(PermissionDenied, match="a lead, ops or admin of its team"):
        policies.save(policy, document(), by=request.getfixturevalue(who), why="x")


REFUSED: list[tuple[dict[str, Any], str]] = [
    (BIG | {"approval": {"groups": ["laeds"]}}, "has no group “laeds”. Did you mean “leads”?"),
    (BIG | {"approval": {"people": ["adda"]}}, "no person “adda” who may decide for it. Did you"),
    (BIG | {"approval": {"people": ["bob"]}}, "no person “bob” who may decide for it."),
    (BIG | {"approval": {"people": ["eve"]}}, "no person “eve” who may decide for it."),
    (BIG | {"approval": {"people": ["ada"], "votes": 2}}, "needs 2 votes and names 1 who"),
    (BIG | {"when": "args.amuont > 1"}, "no “args.amuont”. Did you mean “amount”?"),
    (BIG | {"then": "maybe"}, "then must be allow, deny or approve"),
]


@pytest.mark.parametrize(("rule", "sentence"), REFUSED, ids=[s for _, s in REFUSED])
def test_what_does_not_exist_is_refused_in_words(
    policy: Policy,
    ada: Person,
    bob: Person,
    eve: Person,
    scout: Agent,
    rule: dict[str, Any],
    sentence: str,
) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
    ToolSchema.objects.create(agent=scout, tool="refund.issue", schema=schema)

    with pytest.raises(Invalid) as refused:
        policies.save(policy, document(rule), by=ada, why="x")

    assert sentence in refused.value.detail
    assert policy.versions.count() == 1


@pytest.mark.parametrize(
    ("why", "saved", "sentence"),
    [
        (" ", document(BIG), "Say why"),
        ("x" * 2001, document(BIG), "2,000 characters"),
        ("x", {"rules": []}, "which tools the agent may use"),
    ],
)
def test_nothing_is_saved_without_reason_or_tools(
    policy: Policy, ada: Person, why: str, saved: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence):
        policies.save(policy, saved, by=ada, why=why)


def test_what_stays_the_same_is_no_new_version(policy: Policy, ada: Person) -> None:
    with pytest.raises(Invalid, match="Nothing has changed: this is version 1"):
        policies.save(policy, policy.document, by=ada, why="x")


def test_an_old_version_is_in_force_again_as_a_new_one(policy: Policy, ada: Person) -> None:
    first = policy.document
    policies.save(policy, document(BIG), by=ada, why="Try.")

    version = policies.roll_back(policy, 1, by=ada, why="It was too much.", expected=2)

    assert (version.number, version.document) == (3, first)
    with pytest.raises(Invalid, match="has no version 9"):
        policies.roll_back(policy, 9, by=ada, why="x")


# -- the past, judged anew -------------------------------------------------------------------------


def proposed(run: Run, number: int, **more: Any) -> Action:
    fields: dict[str, Any] = {
        "tool": "refund.issue",
        "item": "a",
        "state": "succeeded",
        "arguments": {"amount": number},
        "created_at": timezone.now(),
    }
    return Action.objects.create(
        agent=run.agent, run=run, call_id=str(number), digest=b"x", **fields | more
    )


def test_the_last_week_is_judged_by_what_is_tried(policy: Policy, run: Run) -> None:
    proposed(run, 60, state="succeeded", decision="approved", rule="old", requirement={"votes": 1})
    large = proposed(run, 120)
    proposed(run, 5, tool="mail.read")
    proposed(run, 6, tool="rm", state="denied", code="tool_not_listed")
    proposed(run, 7, gated=False)
    tried = {"name": "tried", "then": "deny", "when": "args.amount > 50", "shadow": True}

    found = replay(policy, document(tried, BIG), now=timezone.now())

    assert found.counts == {
        ("approved", "allow"): 1,
        ("allowed", "approve"): 1,
        ("allowed", "deny"): 1,
        ("denied", "deny"): 1,
    }
    assert found.changed_count == 3
    assert next(c for c in found.changed if c.would == "approve").id == str(large.pk)
    assert [(s.rule, s.answer, s.of, s.count) for s in found.shadows] == [
        ("tried", "deny", "agent", 2)
    ]


def test_a_teams_policy_is_tried_beside_those_of_its_agents(
    scout: Agent, run: Run, support: Team
) -> None:
    proposed(run, 5, tool="search")
    proposed(run, 6, tool="rm", state="denied", code="tool_not_listed")
    team = policies.of_team(support)

    found = replay(
        team,
        {"rules": [{"name": "No search", "tools": ["search"], "then": "deny"}]},
        now=timezone.now(),
    )

    assert found.counts == {("allowed", "deny"): 1, ("denied", "deny"): 1}


def test_what_is_older_than_a_week_is_not_looked_at(policy: Policy, run: Run) -> None:
    proposed(run, 5)

    assert replay(policy, document(), now=timezone.now()).looked_at == 1
    assert replay(policy, document(), now=timezone.now() + timedelta(days=8)).looked_at == 0


# -- as a file -------------------------------------------------------------------------------------


def told(*words: str) -> str:
    out = StringIO()
    call_command("policy", *words, stdout=out)
    return out.getvalue()


FILE = """\
policies:
  - team: support
    rules:
      - name: Nothing at night
        when: now.getHours() < 6
        then: deny
  - team: support
    agent: scout
    tools: [search, refund.issue]
    rules:
      - name: Large refunds
        tools: [refund.issue]
        when: double(args.amount) > 90.0
        then: approve
"""


@pytest.fixture
def file(tmp_path: Path, scout: Agent) -> Path:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE)
    return path


def test_what_is_shown_can_be_applied_and_changes_nothing(scout: Agent, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(told("show"))

    assert told("diff", str(path)) == "Nothing differs.\n"
    assert told("apply", str(path)) == "support/scout: unchanged\n"
    assert PolicyVersion.objects.count() == 1


def test_a_difference_is_told_and_changes_nothing(file: Path) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as exited:
        call_command("policy", "diff", str(file), stdout=out)

    assert exited.value.code == 1
    assert "+ Nothing at night: any tool when now.getHours() < 6: denied" in out.getvalue()
    assert "- tool model" in out.getvalue()
    assert Policy.objects.count() == 1
    assert PolicyVersion.objects.count() == 1


def test_a_file_is_applied_once(file: Path, ada: Person) -> None:
    told("apply", str(file), "--why", "From the repository.", "--by", "ada")
    again = told("apply", str(file))

    assert again == "support: unchanged\nsupport/scout: unchanged\n"
    assert told("show") == FILE
    history = told("history", "--team", "support", "--agent", "scout")
    assert "support/scout 2 " in history
    assert "ada: From the repository." in history


def test_a_file_is_applied_as_a_whole_or_not_at_all(file: Path) -> None:
    file.write_text(FILE.replace("then: approve", "then: approve\n        approval: {groups: [x]}"))

    with pytest.raises(CommandError, match="Policy of support/scout: Rule “Large refunds”"):
        told("apply", str(file))

    assert PolicyVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("policies: [{team: nobody}]", "There is no team “nobody”. There are: support."),
        ("policies: [{team: support, agent: x, tools: []}]", "support has no agent “x”. It has:"),
        ("policies: [{team: support, rules: 5}]", "Policy of support: rules must be a list"),
        ("][", "This is no YAML"),
    ],
)
def test_mistakes_get_a_sentence(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)

    with pytest.raises(CommandError, match=sentence):
        told("diff", str(file))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["diff", "/nowhere.yaml"], "/nowhere.yaml cannot be read"),
        (["show", "--agent", "scout"], "Say of which team"),
        (["history", "--team", "x"], "There is no team “x”"),
    ],
)
def test_mistaken_words_get_a_sentence(scout: Agent, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        told(*words)


def test_a_person_in_whose_name_a_file_is_applied_must_be_allowed_to(
    file: Path, bob: Person
) -> None:
    with pytest.raises(CommandError, match="There is no person “carla”"):
        told("apply", str(file), "--by", "carla")
    with pytest.raises(CommandError, match="Your role may not change this policy"):
        told("apply", str(file), "--by", "bob")
