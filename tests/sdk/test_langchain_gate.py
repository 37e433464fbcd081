"""A LangChain agent with a Gate: every tool call is proposed, and policy says which need a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver

from agents.models import Action
from people.models import Person
from reviews.transitions import hold as holds
from tests.sdk.conftest import hold_of, waiting_hold
from tests.sdk.graphs import Scripted, agent, calls, read_back, refunds
from watchfloor import AsyncClient, Client, Run
from watchfloor.langchain import AsyncWatch, Gate, Watch
from watchfloor.langchain.gate import NotWatched

Aside = Callable[..., "Future[Any]"]

THREAD: dict[str, Any] = {"configurable": {"thread_id": "t1"}}
HELLO = {"messages": [("user", "Please.")]}
SEARCH = {"name": "search", "args": {"q": "acme"}}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def run(client: Client) -> Iterator[Run]:
    with suppress(KeyboardInterrupt), client.run("payer", key="t1") as run:
        yield run


def gated(ledger: Path, *script: Any, saver: Any = None, more: Any = ()) -> Any:
    """No HumanInTheLoopMiddleware: who needs a yes stands in the policy, not in the agent."""
    return create_agent(
        Scripted(script=[*script, read_back]),
        [*refunds(ledger), *more],
        checkpointer=saver or InMemorySaver(),
        middleware=[Gate()],
    )


def rows() -> list[tuple[str, str]]:
    return list(Action.objects.order_by("id").values_list("tool", "state"))


def last(output: Any) -> str:
    return str(output["messages"][-1].content)


def test_policy_decides_what_waits_for_a_person(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    turn = calls(SEARCH, {"amount": 20}, {"amount": 900})
    answer = aside(Watch(run, gated(ledger, turn)).invoke, HELLO, THREAD)
    holds.edit(waiting_hold(), by=ada, arguments={"amount": 60, "order": "B"})

    told = last(answer.result(20))
    assert sorted(ledger.read_text().splitlines()) == ["20 A", "60 B", "search acme"]
    assert all(words in told for words in ("found acme", "refunded 20", "refunded 60"))
    assert sorted(rows()) == [("refund.issue", "succeeded")] * 2 + [("search", "succeeded")]
    assert "refunded 60" in str(Action.objects.get(arguments__amount=900).result)


def test_a_refusal_is_told_to_the_model_and_the_agent_goes_on(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    from langchain_core.tools import tool

    @tool
    def rm(path: str) -> str:
        """Not listed for this agent."""
        raise AssertionError

    turn = calls({"name": "rm", "args": {"path": "/"}}, {"amount": 900}, SEARCH)
    answer = aside(Watch(run, gated(ledger, turn, more=[rm])).invoke, HELLO, THREAD)
    holds.reject(waiting_hold(), by=ada, note="Too much.")

    told = last(answer.result(20))
    assert "Not allowed: " in told
    assert "Too much." in told
    assert ledger.read_text() == "search acme\n"


def test_ids_of_calls_that_begin_anew_with_every_message_mislead_nobody(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    """Every message of this model calls its first call `call_0`."""
    script = [calls({"amount": 900}), calls(SEARCH), calls({"amount": 901}), calls({"amount": 902})]
    answer = aside(Watch(run, gated(ledger, *script)).invoke, HELLO, THREAD)
    holds.approve(hold_of(900), by=ada)
    holds.reject(hold_of(901), by=ada, note="No more.")
    holds.approve(hold_of(902), by=ada)

    assert "No more." in last(answer.result(20))
    assert ledger.read_text().splitlines() == ["900 A", "search acme", "902 A"]
    assert [state for _, state in rows()] == ["succeeded", "succeeded", "rejected", "succeeded"]


def test_the_gate_and_langchains_own_review_ask_once(
    run: Run, ada: Person, aside: Aside, ledger: Path
) -> None:
    graph = agent(InMemorySaver(), ledger, calls({"amount": 900}), also=[Gate()])
    answer = aside(Watch(run, graph).invoke, HELLO, THREAD)
    holds.edit(waiting_hold(), by=ada, arguments={"amount": 70, "order": "C"})

    assert "refunded 70" in last(answer.result(20))
    assert ledger.read_text() == "70 C\n"
    assert rows() == [("refund.issue", "succeeded")]


def test_what_was_done_before_the_process_left_is_not_done_again(run: Run, ledger: Path) -> None:
    class Leaving(BaseCallbackHandler):
        raise_error = True
        run_inline = True

        def on_chain_start(self, *_: Any, name: str = "", **__: Any) -> None:
            if name == "model" and ledger.read_text():
                raise KeyboardInterrupt

    saver = InMemorySaver()
    watch = Watch(run, gated(ledger, calls(SEARCH), saver=saver))
    with pytest.raises(KeyboardInterrupt):
        watch.invoke(HELLO, {**THREAD, "callbacks": [Leaving()]})
    assert "found acme" in last(watch.invoke(None, THREAD))

    assert ledger.read_text() == "search acme\n"
    assert rows() == [("search", "succeeded")]


def test_an_agent_with_a_gate_does_nothing_by_itself(ledger: Path) -> None:
    with pytest.raises(NotWatched, match="through watchfloor"):
        gated(ledger, calls(SEARCH)).invoke(HELLO, THREAD)

    assert ledger.read_text() == ""


async def test_async_agents_have_the_same_gate(
    connect: Callable[..., AsyncClient], ada: Person, ledger: Path
) -> None:
    from django.db import connection

    def decide() -> None:
        holds.approve(waiting_hold(), by=ada)
        connection.close()

    async with connect() as client, client.run("payer", key="t1") as run:
        watch = AsyncWatch(run, gated(ledger, calls(SEARCH, {"amount": 900})))
        deciding = asyncio.ensure_future(asyncio.to_thread(decide))
        output = await watch.ainvoke(HELLO, THREAD)
        await deciding

    assert "refunded 900" in last(output)
    done = await asyncio.to_thread(ledger.read_text)
    assert sorted(done.splitlines()) == ["900 A", "search acme"]
