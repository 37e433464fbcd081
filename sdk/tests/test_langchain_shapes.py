"""Three shapes of interrupt, read and answered; no LangChain needed."""

from __future__ import annotations

from typing import Any

import pytest

from watchfloor.errors import Answered, Asked, Denied, Expired, Refused, Rejected
from watchfloor.langchain.answers import no, reason, yes
from watchfloor.langchain.shapes import (
    KINDS,
    Answer,
    Question,
    Unanswerable,
    UnknownShape,
    fitting,
    read,
)
from watchfloor.langchain.shapes import Wanted as Call
from watchfloor.models import Action

APPROVE = Answer("approve")
EDIT = Answer("edit", "", {"amount": 5, "urgent": True, "note": None, "rate": 1.0})
REJECT = Answer("reject", "Too much.")
RESPOND = Answer("respond", "Paid by hand.")

BATCHED: dict[str, Any] = {
    "action_requests": [
        {"name": "pay", "args": {"amount": 900}, "description": "Pay"},
        {"name": "mail", "args": {"to": "a@b"}},
    ],
    "review_configs": [
        {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject", "respond"]},
        {"action_name": "mail", "allowed_decisions": ["approve", "reject"]},
    ],
}
PER_CALL = {
    "type": "tool_approval",
    "tool_call_id": "c1",
    "name": "pay",
    "args": {"amount": 900},
    "description": "Pay",
}
SCHEMA = {
    "$defs": {
        "Approve": {"properties": {"type": {"const": "approve"}}},
        "Reject": {"properties": {"type": {"enum": ["reject"]}}},
    },
    "oneOf": [{"$ref": "#/$defs/Approve"}, {"$ref": "#/$defs/Reject"}],
    "discriminator": {"propertyName": "type"},
}
INBOX = {
    "action_request": {"action": "pay", "args": {"amount": 900}},
    "config": {
        "allow_ignore": True,
        "allow_respond": True,
        "allow_edit": True,
        "allow_accept": True,
    },
    "description": "Pay",
}


def question(value: Any, schema: Any = None) -> Question:
    found = read("i1", value, schema)
    assert found is not None
    return found


def test_a_batch_is_answered_by_position() -> None:
    asked = question(BATCHED)

    assert [(c.name, c.arguments, c.allowed) for c in asked.calls] == [
        ("pay", {"amount": 900}, KINDS),
        ("mail", {"to": "a@b"}, ("approve", "reject")),
    ]
    assert asked.resume([EDIT, REJECT]) == {
        "decisions": [
            {"type": "edit", "edited_action": {"name": "pay", "args": EDIT.arguments}},
            {"type": "reject", "message": "Too much."},
        ]
    }
    with pytest.raises(ValueError, match="argument"):
        asked.resume([APPROVE])


def test_javascripts_names_are_read_and_answered_in_kind() -> None:
    asked = question(
        {
            "actionRequests": [{"name": "pay", "args": {"amount": 1}}],
            "reviewConfigs": [{"actionName": "pay", "allowedDecisions": ["approve", "edit"]}],
        }
    )

    assert asked.calls[0].allowed == ("approve", "edit")
    assert asked.resume([Answer("edit", "", {"amount": 2})]) == {
        "decisions": [{"type": "edit", "editedAction": {"name": "pay", "args": {"amount": 2}}}]
    }


def test_early_builds_said_arguments() -> None:
    asked = question(
        {
            "action_requests": [{"name": "pay", "arguments": {"amount": 1}}],
            "review_configs": [{"action_name": "pay", "allowed_decisions": ["edit"]}],
        }
    )

    assert asked.calls[0].arguments == {"amount": 1}
    assert asked.resume([Answer("edit", "", {"amount": 2})]) == {
        "decisions": [
            {"type": "edit", "edited_action": {"name": "pay", "arguments": {"amount": 2}}}
        ]
    }


def test_one_config_a_tool_serves_each_of_its_calls() -> None:
    twice = BATCHED["action_requests"][:1] * 3

    asked = question({"action_requests": twice, "review_configs": BATCHED["review_configs"]})

    assert [call.allowed for call in asked.calls] == [KINDS] * 3


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (APPROVE, {"type": "approve"}),
        (EDIT, {"type": "edit", "edited_action": {"name": "pay", "args": EDIT.arguments}}),
        (REJECT, {"type": "reject", "message": "Too much."}),
        (RESPOND, {"type": "respond", "message": "Paid by hand."}),
    ],
)
def test_a_single_call_gets_a_single_decision(answer: Answer, sent: Any) -> None:
    asked = question(PER_CALL)

    assert (asked.calls[0].tool_call_id, asked.calls[0].allowed) == ("c1", KINDS)
    assert asked.resume([answer]) == sent


def test_what_a_single_call_allows_stands_in_its_schema() -> None:
    assert question(PER_CALL, SCHEMA).calls[0].allowed == ("approve", "reject")
    only = {"properties": {"type": {"const": "respond"}}}
    assert question(PER_CALL, only).calls[0].allowed == ("respond",)


@pytest.mark.parametrize("value", [INBOX, [INBOX]])
@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (APPROVE, {"type": "accept", "args": None}),
        (EDIT, {"type": "edit", "args": {"action": "pay", "args": EDIT.arguments}}),
        (REJECT, {"type": "response", "args": "Too much."}),
        (Answer("reject"), {"type": "ignore", "args": None}),
        (RESPOND, {"type": "response", "args": "Paid by hand."}),
    ],
)
def test_the_agent_inbox_is_answered_by_a_list(value: Any, answer: Answer, sent: Any) -> None:
    assert question(value).resume([answer]) == [sent]


def test_the_inbox_says_what_it_allows() -> None:
    config = {"allowIgnore": True, "allowAccept": True, "allowEdit": False, "allowRespond": False}

    asked = question({**INBOX, "config": config})

    assert asked.calls[0].allowed == ("approve", "reject")
    assert asked.resume([REJECT]) == [{"type": "ignore", "args": None}]


def test_edited_values_keep_their_json_types() -> None:
    for value in (BATCHED | {"action_requests": BATCHED["action_requests"][:1]}, PER_CALL, INBOX):
        sent = str(question(value).resume([EDIT]))
        assert "{'amount': 5, 'urgent': True, 'note': None, 'rate': 1.0}" in sent


@pytest.mark.parametrize("value", ["How old are you?", 7, None, {}, [], [INBOX, 1], {"type": "x"}])
def test_other_interrupts_are_not_ours(value: Any) -> None:
    assert read("i1", value) is None


def test_langchain_38838_a_typo_in_a_policy_must_not_approve() -> None:
    def batch(allowed: Any) -> Any:
        config = {"action_name": "pay", "allowed_decisions": allowed}
        return {"action_requests": BATCHED["action_requests"][:1], "review_configs": [config]}

    for allowed in (["aprove"], ["approve", "rejct"], [], "approve", None):
        with pytest.raises(UnknownShape):
            read("i1", batch(allowed))
    with pytest.raises(UnknownShape, match="allow_acept"):
        read("i1", {**INBOX, "config": {"allow_acept": True}})
    with pytest.raises(UnknownShape, match="no answer"):
        read("i1", {**INBOX, "config": {"allow_accept": False}})
    with pytest.raises(UnknownShape, match="auto"):
        read("i1", PER_CALL, {"properties": {"type": {"const": "auto"}}})
    with pytest.raises(UnknownShape, match="no review_config"):
        read("i1", {**batch(["approve"]), "review_configs": [{"action_name": "pai"}]})


@pytest.mark.parametrize("kind", ["approve", "edit", "reject", "respond"])
@pytest.mark.parametrize("allowed", [("approve",), ("reject",), ("respond",), ("approve", "edit")])
def test_what_is_sent_is_always_allowed_and_never_a_yes_for_a_no(
    kind: Any, allowed: tuple[Any, ...]
) -> None:
    call, wanted = Call("pay", {"amount": 900}, allowed), Answer(kind, "Hm.", {"amount": 5})

    try:
        sent = fitting(wanted, call)
    except Unanswerable:
        assert not {"reject", "respond"} & set(allowed)
        return
    assert sent.kind in allowed
    assert sent.runs <= wanted.runs
    assert sent == wanted or not sent.runs


def test_an_edit_that_is_not_allowed_becomes_a_no_that_says_what_would_be_allowed() -> None:
    sent = fitting(EDIT, Call("pay", {"amount": 900}, ("approve", "reject")))

    assert sent.kind == "reject"
    assert "'amount': 5" in sent.message
    assert "call pay again" in sent.message


def test_langchain_40166_an_edit_cannot_rename_the_tool() -> None:
    """There is no way to say another name: what is sent names the tool that was asked about."""
    for value in (PER_CALL, INBOX):
        sent = question(value).resume([Answer("edit", "", {"name": "drop_tables", "amount": 1})])
        assert "'pay'" in str(sent)
        assert str(sent).count("drop_tables") == 1


ACTION = Action("a", tool="pay", requested_arguments={"n": 1}, arguments={"n": 1})


@pytest.mark.parametrize(
    ("refused", "kind", "words"),
    [
        (Rejected("No.", ACTION), "reject", "No."),
        (Rejected("No.", ACTION, remembered=True), "reject", "Do not repeat it"),
        (Answered("It is done.", ACTION), "respond", "It is done."),
        (Asked("Which order?", ACTION), "reject", "The reviewer asks: Which order?"),
        (Asked("Which order?", ACTION), "reject", "call pay again"),
        (Denied("policy", "Never on Sundays.", ACTION), "reject", "Not allowed: Never on Sundays."),
        (Expired("", ACTION), "reject", "Nobody decided in time"),
    ],
)
def test_refusals_have_words_for_the_model(refused: Refused, kind: str, words: str) -> None:
    assert no(refused).kind == kind
    assert words in no(refused).message


def test_an_approval_is_an_edit_when_its_values_are_others_even_if_python_sees_none() -> None:
    assert yes(ACTION).kind == "approve"
    assert yes(Action("a", requested_arguments={"n": 1}, arguments={"n": True})).kind == "edit"


def test_people_read_what_cannot_be_answered() -> None:
    call = Call("pay", {}, ("approve", "reject"), "Pay the invoice.")

    assert reason(call, "It is due today.") == (
        "It is due today.\n\nPay the invoice.\n\nIts graph does not take: edit, respond."
    )
    assert reason(Call("pay", {}), "") == ""
