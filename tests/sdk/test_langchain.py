"""LangChain's agents and LangGraph's graphs, their people and the real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware, hook_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from agents.models import Action, Checkpoint
from agents.models import Run as RunRow
from agents.transitions import run as runs
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.sdk.conftest import eventually, hold_of, waiting_hold
from tests.sdk.graphs import agent, calls, inbox, read_back, refunds, single
from watchfloor import BindingBroken, Client, OutcomeUnknown, Run, StillHeld, Terminated
from watchfloor.langchain import UnknownShape, Watch

Aside = Callable[..., "Future[Any]"]

THREAD: dict[str, Any] = {"configurable": {"thread_id": "t1"}}
HELLO = {"messages": [("user", "Please.")]}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def run(client: Client) -> Iterator[Run]:
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        yield stack.enter_context(client.run("payer", key="t1"))


def last(output: Any) -> str:
    return str(output["messages"][-1].content)


def lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines()


def states() -> list[str]:
    return list(Action.objects.order_by("id").values_list("state", flat=True))


ANSWERS: list[Any] = [
    (lambda hold, ada: holds.approve(hold, by=ada), ["900 A"], "refunded 900", "succeeded"),
    (
        lambda hold, ada: holds.edit(hold, by=ada, arguments={"amount": 5, "order": "B"}),
        ["5 B"],
        "refunded 5",
        "succeeded",
    ),
    (lambda hold, ada: holds.reject(hold, by=ada, note="Too much."), [], "Too much.", "rejected"),
    (lambda hold, ada: holds.answer(hold, by=ada, note="By hand."), [], "By hand.", "rejected"),
]


@pytest.mark.parametrize("mode", ["batched", "per_call"])
@pytest.mark.parametrize(("decide", "done", "read", "state"), ANSWERS)
def test_what_a_person_says_is_what_happens(
    run: Run, ada: Person, aside: Aside, ledger: Path, mode: str,
    decide: Any, done: list[str], read: str, state: str,
) -> None:  # fmt: skip
    watch = Watch(run, agent(InMemorySaver(), ledger, calls({"amount": 900}), mode=mode))

    answer = aside(watch.invoke, HELLO, THREAD)
    decide(waiting_hold(), ada)

    assert read in last(answer.result(20))
    assert lines(ledger) == done
    assert states() == [state]


def test_an_approval_says_where_it_came_from(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    graph = agent(
        InMemorySaver(), ledger, calls({"amount": 900}, words="It is damaged."),
        allowed=["approve", "reject"],
    )  # fmt: skip
    watch = Watch(
        run, graph, describe=lambda call: {"subject": "order:A", "amount": call.arguments["amount"]}
    )
    answer = aside(watch.invoke, HELLO, THREAD)
    holds.approve(waiting_hold(), by=ada)
    answer.result(20)

    action = Action.objects.get()
    assert (action.tool, action.subject, str(action.amount)) == (
        "refund.issue",
        "order:A",
        "900.000000",
    )
    assert action.reason.startswith("It is damaged.")
    assert "does not take: edit, respond" in action.reason
    place: Any = action.resume
    assert place["langgraph"]["thread_id"] == "t1"
    assert place["langgraph"]["allowed"] == ["approve", "reject"]
    assert action.result == "refunded 900"


def test_langchainjs_11125_mixed_decisions_drop_no_approved_call(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    turn = calls(
        {"amount": 100}, {"name": "search", "args": {"q": "x"}}, {"amount": 200}, {"amount": 300}
    )
    answer = aside(Watch(run, agent(InMemorySaver(), ledger, turn)).invoke, HELLO, THREAD)
    holds.approve(hold_of(300), by=ada)
    holds.reject(hold_of(200), by=ada, note="No.")
    holds.edit(hold_of(100), by=ada, arguments={"amount": 10, "order": "A"})

    told = last(answer.result(20))
    assert sorted(lines(ledger)) == ["10 A", "300 A", "search x"]
    assert all(words in told for words in ("refunded 10", "found x", "No.", "refunded 300"))
    assert states() == ["succeeded", "rejected", "succeeded"]


def test_an_approved_call_that_the_graph_drops_goes_to_a_person(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    class Dropping(AgentMiddleware):  # type: ignore[misc]
        """As the bug did: the approved call is never made."""

        @hook_config(can_jump_to=["end"])  # type: ignore[untyped-decorator]
        def after_model(self, state: Any, runtime: Any) -> Any:
            return {"jump_to": "end"}

    # After the model, the last middleware speaks first: the review comes, then the bug.
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), before=[Dropping()])
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.approve(waiting_hold(), by=ada)

    with pytest.raises(OutcomeUnknown, match="without this call's result"):
        answer.result(20)
    assert (lines(ledger), states()) == ([], ["executing"])


def test_single_calls_are_answered_one_by_one_and_each_runs_once(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    graph = agent(InMemorySaver(), ledger, calls({"amount": 1}, {"amount": 2}), mode="per_call")
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.approve(hold_of(2), by=ada)
    eventually(lambda: lines(ledger) == ["2 A"])
    assert not answer.done()
    holds.approve(hold_of(1), by=ada)

    assert "refunded 1" in last(answer.result(20))
    assert lines(ledger) == ["2 A", "1 A"]
    assert states() == ["succeeded", "succeeded"]


def test_the_agent_inbox_is_answered_in_its_own_words(run: Run, ada: Person, aside: Aside) -> None:
    watch = Watch(run, inbox(InMemorySaver()))
    answer = aside(watch.invoke, {"amounts": [1, 2, 3]}, THREAD)
    holds.approve(hold_of(1), by=ada)
    holds.edit(hold_of(2), by=ada, arguments={"amount": 2.5, "fast": True, "note": None})
    holds.reject(hold_of(3), by=ada, note="No.")

    assert answer.result(20)["told"] == [
        {"type": "accept", "args": None},
        {
            "type": "edit",
            "args": {"action": "refund.issue", "args": {"amount": 2.5, "fast": True, "note": None}},
        },
        {"type": "response", "args": "No."},
    ]
    assert states() == ["succeeded", "succeeded", "rejected"]


def test_an_answer_that_is_not_allowed_becomes_one_that_is(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), allowed=["approve", "reject"])
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.edit(waiting_hold(), by=ada, arguments={"amount": 5})

    assert "would allow it with {'amount': 5}" in last(answer.result(20))
    assert (lines(ledger), states()) == ([], ["cancelled"])


def test_an_edit_that_the_tool_does_not_take_is_told_to_the_model(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), mode="per_call")
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.edit(waiting_hold(), by=ada, arguments={"amount": "a little"})

    assert "does not take" in last(answer.result(20))
    assert (lines(ledger), states()) == ([], ["failed"])


def test_a_question_comes_back_as_a_new_version_with_the_models_answer(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    again = calls({"amount": 900, "order": "B"}, words="It is order B.")
    watch = Watch(run, agent(InMemorySaver(), ledger, calls({"amount": 900}), again))
    answer = aside(watch.invoke, HELLO, THREAD)
    first = waiting_hold()
    holds.ask(first, by=ada, note="Which order?")
    second = eventually(lambda: Hold.objects.filter(state="open").exclude(pk=first.pk).first())
    holds.approve(second, by=ada)

    assert "The reviewer asks: Which order?" in last(answer.result(20))
    assert lines(ledger) == ["900 B"]
    asked, new = Action.objects.order_by("id")
    assert new.revises_id == asked.pk
    assert new.reason.startswith("It is order B.")


def test_deepagents_2946_a_rejected_call_that_is_made_again_is_answered_from_memory(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    stubborn = [calls({"amount": 900}) for _ in range(3)]
    answer = aside(Watch(run, agent(InMemorySaver(), ledger, *stubborn)).invoke, HELLO, THREAD)
    holds.reject(waiting_hold(), by=ada, note="Ask for a photo first.")

    told = last(answer.result(20))
    assert told.count("Ask for a photo first.") == 3
    assert told.count("Do not repeat it") == 2
    assert Hold.objects.count() == 1
    assert lines(ledger) == []


def test_langchain_38838_a_typo_asks_nobody_and_runs_nothing(run: Run, ledger: Path) -> None:
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), allowed=["aprove", "reject"])

    with pytest.raises(UnknownShape, match="aprove"):
        Watch(run, graph).invoke(HELLO, THREAD)

    assert (lines(ledger), Action.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    "change", [{"name": "search", "args": {"q": "1"}}, {"args": {"amount": 1}}]
)
def test_langchain_40166_what_is_changed_after_the_yes_does_not_run(
    run: Run, ada: Person, aside: Aside, ledger: Path, change: dict[str, Any]
) -> None:
    class Changing(AgentMiddleware):  # type: ignore[misc]
        """Anything between the decision and the tool: an edit that renames, a bug, an injection."""

        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            tool = next(t for t in tools if t.name == change.get("name", "refund.issue"))
            return handler(request.override(tool_call={**request.tool_call, **change}, tool=tool))

    tools = refunds(ledger)
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), also=[Changing()])
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.approve(waiting_hold(), by=ada)

    with pytest.raises(BindingBroken):
        answer.result(20)
    assert (lines(ledger), states()) == ([], ["failed"])


def test_agenta_5592_an_approval_whose_resume_fails_can_be_used_again(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    class Failing(InMemorySaver):
        reads = 0
        broken = False

        def get_tuple(self, config: Any) -> Any:
            if self.broken:
                raise ConnectionError("the checkpointer is away")
            return super().get_tuple(config)

    saver = Failing()
    watch = Watch(run, agent(saver, ledger, calls({"amount": 900})))
    answer = aside(watch.invoke, HELLO, THREAD)
    hold = waiting_hold()
    saver.broken = True
    holds.approve(hold, by=ada)
    with pytest.raises(ConnectionError):
        answer.result(20)
    assert (lines(ledger), states()) == ([], ["approved"])

    saver.broken = False
    assert watch.pick_up() != {}
    assert (lines(ledger), states()) == (["900 A"], ["succeeded"])


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_a_tool_that_raised_does_not_run_again_on_the_old_approval(
    run: Run, ada: Person, aside: Aside, ledger: Path, mode: str
) -> None:
    watch = Watch(run, agent(InMemorySaver(), ledger, calls({"amount": 13}), mode=mode))
    answer = aside(watch.invoke, HELLO, THREAD)
    holds.approve(waiting_hold(), by=ada)
    with pytest.raises(ValueError, match="unlucky"):
        answer.result(20)
    assert (lines(ledger), states()) == (["13 A"], ["failed"])

    error = OutcomeUnknown if mode == "batched" else StillHeld
    with pytest.raises(error):
        watch.invoke(None, THREAD, timeout=0)
    assert lines(ledger) == ["13 A"]


def test_the_same_call_twice_in_one_turn_is_one_request_and_done_once(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    turn = calls({"amount": 900}, {"amount": 900})
    answer = aside(Watch(run, agent(InMemorySaver(), ledger, turn)).invoke, HELLO, THREAD)
    eventually(Checkpoint.objects.exists)  # both were asked by now
    holds.approve(waiting_hold(), by=ada)

    assert "asked for twice" in last(answer.result(20))
    assert lines(ledger) == ["900 A"]


def test_a_tool_that_is_not_listed_is_refused_in_words(run: Run, ledger: Path) -> None:
    def ask(state: Any) -> Any:
        value = {"type": "tool_approval", "tool_call_id": "c1", "name": "rm", "args": {}}
        return {"told": [interrupt(value)]}

    output = Watch(run, single(InMemorySaver(), ask)).invoke({"amounts": []}, THREAD)

    assert output["told"][0]["type"] == "reject"
    assert output["told"][0]["message"].startswith("Not allowed: ")


def test_other_interrupts_are_handed_back(run: Run) -> None:
    graph = single(InMemorySaver(), lambda state: {"told": [interrupt("How old are you?")]})

    output = Watch(run, graph).invoke({"amounts": []}, THREAD)

    assert output["__interrupt__"][0].value == "How old are you?"


def test_a_termination_ends_the_waiting(run: Run, ada: Person, aside: Aside, ledger: Path) -> None:
    answer = aside(
        Watch(run, agent(InMemorySaver(), ledger, calls({"amount": 900}))).invoke, HELLO, THREAD
    )
    waiting_hold()
    runs.terminate(RunRow.objects.get(), by=ada, reason="Enough.")

    with pytest.raises(Terminated):
        answer.result(20)
    assert (lines(ledger), states()) == ([], ["cancelled"])


def test_a_graph_without_a_checkpointer_cannot_wait(run: Run) -> None:
    with pytest.raises(ValueError, match="checkpointer"):
        Watch(run, single(None, lambda state: {}))


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_an_agent_inside_a_graph_is_seen_through(
    run: Run, ada: Person, aside: Aside, ledger: Path, mode: str
) -> None:
    """Its messages reach the outer graph only when it has ended."""
    inner = agent(None, ledger, calls({"amount": 900}), calls({"amount": 900}), mode=mode)
    outer = StateGraph(MessagesState)
    outer.add_node("agent", inner)
    outer.add_edge(START, "agent")
    outer.add_edge("agent", END)
    answer = aside(Watch(run, outer.compile(checkpointer=InMemorySaver())).invoke, HELLO, THREAD)
    first = waiting_hold()
    holds.edit(first, by=ada, arguments={"amount": 60, "order": "A"})
    second = eventually(lambda: Hold.objects.filter(state="open").exclude(pk=first.pk).first())
    holds.approve(second, by=ada)

    assert "refunded 60" in last(answer.result(20))
    assert lines(ledger) == ["60 A", "900 A"]
    assert [str(each.result).split()[-1] for each in Action.objects.order_by("id")] == [
        "60",
        "900",
    ]


def test_what_a_tool_did_is_known_at_once_however_long_the_graph_goes_on(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    go_on = threading.Event()

    def thinks_long(messages: Any) -> Any:
        assert go_on.wait(20)
        return read_back(messages)

    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), thinks_long)
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.approve(waiting_hold(), by=ada)

    eventually(lambda: states() == ["succeeded"])
    assert not answer.done()
    go_on.set()
    assert "refunded 900" in last(answer.result(20))


def test_a_breakpoint_before_the_tools_leaves_the_approval_to_be_used_later(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    watch = Watch(run, agent(InMemorySaver(), ledger, calls({"amount": 900})))
    answer = aside(watch.invoke, HELLO, THREAD, interrupt_before=["tools"])
    holds.approve(waiting_hold(), by=ada)
    answer.result(20)
    assert (lines(ledger), states()) == ([], ["approved"])

    assert "refunded 900" in last(watch.invoke(None, THREAD))
    assert (lines(ledger), states()) == (["900 A"], ["succeeded"])
