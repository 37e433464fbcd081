"""The package's gates, its webhook receiver and its LangChain middleware, as an agent's author uses them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from agentapprovalprotocol import (
    Allow,
    AsyncClient,
    AsyncGate,
    Call,
    Client,
    Deny,
    Gate,
    Pending,
    Receiver,
    Request,
)
from agentapprovalprotocol.langgraph import ApprovalMiddleware, resumer
from asgiref.sync import sync_to_async
from celery import Celery
from django.db import connection
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agents.models import Action, Agent
from agents.models.aap import AAPRequest, Provisioner
from agents.transitions import agent as agents
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.resilience.house import wait_for

from .conftest import Service, provisioned

ASKED = Call(key="run:1", tool="refund.issue", arguments={"order": "A-17", "amount": 80})


def decide(answer: Callable[[Hold], object]) -> threading.Thread:
    """Answer the one hold as soon as it is there, as a person in another window would."""

    def work() -> None:
        try:
            wait_for(Hold.objects.waiting().exists, "a hold")
            answer(Hold.objects.waiting().get())
        finally:
            connection.close()

    person = threading.Thread(target=work)
    person.start()
    return person


def test_the_gate_lets_in_what_policy_allows_and_reports(client: Client) -> None:
    with Gate(client).guard(Call(key="1", tool="search", arguments={"q": 1})) as verdict:
        assert verdict

    assert Action.objects.get().state == "succeeded"


def test_the_gate_reports_a_failure(client: Client) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Gate(client).guard(Call(key="1", tool="search", arguments={})),
    ):
        raise ZeroDivisionError

    assert Action.objects.get().state == "failed"


def test_the_gate_waits_for_a_person(client: Client, ada: Person) -> None:
    person = decide(lambda hold: holds.approve(hold, by=ada))

    verdict = Gate(client).check(ASKED)
    person.join()

    assert isinstance(verdict, Allow)
    assert verdict.report("succeeded")
    assert Action.objects.get().state == "succeeded"


def test_the_gate_passes_a_refusal_on(client: Client, ada: Person) -> None:
    person = decide(lambda hold: holds.reject(hold, by=ada, note="Not this one."))

    verdict = Gate(client).check(ASKED)
    person.join()

    assert isinstance(verdict, Deny)
    assert "Not this one." in verdict.reason


def test_the_gate_gives_up_in_time_and_withdraws(client: Client) -> None:
    verdict = Gate(client, wait_limit=1).check(ASKED)

    assert isinstance(verdict, Deny)
    assert AAPRequest.objects.get().status == "cancelled"
    assert Hold.objects.get().state == "cancelled"


def test_the_gate_asks_once_over_a_resume(client: Client, ada: Person) -> None:
    gate = Gate(client, mode="async")

    first, second = gate.check(ASKED), gate.check(ASKED)
    holds.approve(Hold.objects.get(), by=ada)
    allowed, spent = gate.check(ASKED), gate.check(ASKED)

    assert isinstance(first, Pending)
    assert first == second
    assert isinstance(allowed, Allow)
    assert isinstance(spent, Deny)
    assert spent.status == "consumed"


@pytest.mark.django_db(transaction=True)
async def test_the_async_gate_waits_without_blocking(
    base: str, scout_with_key: tuple[Agent, str], ada: Person
) -> None:
    client = AsyncClient(base, scout_with_key[1])
    person = decide(lambda hold: holds.approve(hold, by=ada))

    async with AsyncGate(client).guard(ASKED) as verdict:
        assert verdict
    await client.aclose()
    await sync_to_async(person.join)()

    assert (await Action.objects.aget()).state == "succeeded"


def test_a_decision_wakes_the_receiver(
    serve: Callable[[Receiver], Service],
    base: str,
    provisioner: tuple[Provisioner, str],
    celery_worker: Celery,
    ada: Person,
) -> None:
    woken: list[Request] = []
    came = threading.Event()

    def wake(handle: Any, request: Request) -> None:
        woken.append(request)
        came.set()

    service = serve(Receiver(resumers={"test": wake}))
    made = provisioned(service, base, provisioner[1])
    client = Client(base, made.token)
    verdict = Gate(client, mode="async").check(
        Call(key="1", tool="deploy", arguments={}, resume={"framework": "test"})
    )
    assert isinstance(verdict, Pending)

    holds.approve(Hold.objects.get(), by=ada, note="Go.")

    assert came.wait(20)
    client.close()
    assert woken[0].id == verdict.request_id
    assert woken[0].status == "approved"


class Scripted(GenericFakeChatModel):
    """A model that says what it was given, and takes any tools."""

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Scripted:
        return self


def calling(*messages: AIMessage) -> Scripted:
    return Scripted(messages=iter(messages))


def refund_call(amount: int = 80) -> AIMessage:
    call = {"name": "refund_issue", "args": {"order": "A-17", "amount": amount}, "id": "call-1"}
    return AIMessage("The customer was charged twice.", tool_calls=[call])


@pytest.fixture
def paid() -> list[int]:
    return []


@pytest.fixture
def refund_issue(paid: list[int]) -> Callable[..., str]:
    def refund_issue(order: str, amount: int) -> str:
        """Pay money back."""
        paid.append(amount)
        return f"paid {amount} for {order}"

    return refund_issue


@pytest.fixture
def payer(support: Any) -> str:
    """The key of an agent whose refunds need a person."""
    rule = {"name": "Refunds", "tools": ["refund_issue"], "then": "approve"}
    return agents.create("payer", team=support, by="test", rules=[rule])[1]


def last_tool_message(state: dict[str, Any]) -> ToolMessage:
    return next(m for m in reversed(state["messages"]) if isinstance(m, ToolMessage))


@pytest.fixture
def middleware(base: str, payer: str) -> Iterator[ApprovalMiddleware]:
    made = ApprovalMiddleware(base, payer)
    yield made
    made.gate.client.close()


def test_a_langchain_agent_waits_for_a_person(
    middleware: ApprovalMiddleware,
    refund_issue: Callable[..., str],
    paid: list[int],
    ada: Person,
) -> None:
    model = calling(refund_call(), AIMessage("Done."))
    agent = create_agent(model, tools=[refund_issue], middleware=[middleware])
    person = decide(lambda hold: holds.approve(hold, by=ada))

    state = agent.invoke({"messages": [("user", "Refund A-17")]})
    person.join()

    assert paid == [80]
    assert last_tool_message(state).content == "paid 80 for A-17"
    action = Action.objects.get()
    assert (action.state, action.reason) == ("succeeded", "The customer was charged twice.")


def test_a_langchain_agent_reads_why_not_and_asks_for_what_was_approved(
    middleware: ApprovalMiddleware,
    refund_issue: Callable[..., str],
    paid: list[int],
    ada: Person,
) -> None:
    changed = AIMessage("", tool_calls=[{**refund_call(60).tool_calls[0], "id": "call-2"}])
    model = calling(refund_call(), changed, AIMessage("Done."))
    agent = create_agent(model, tools=[refund_issue], middleware=[middleware])
    person = decide(
        lambda hold: holds.edit(hold, by=ada, arguments={"order": "A-17", "amount": 60})
    )

    state = agent.invoke({"messages": [("user", "Refund A-17")]})
    person.join()

    denied = next(m for m in state["messages"] if isinstance(m, ToolMessage))
    assert denied.status == "error"
    assert '{"order": "A-17", "amount": 60}' in denied.content
    assert paid == [60]
    assert Hold.objects.count() == 1


def test_a_langgraph_agent_sleeps_until_a_webhook_wakes_it(
    serve: Callable[[Receiver], Service],
    base: str,
    provisioner: tuple[Provisioner, str],
    celery_worker: Celery,
    refund_issue: Callable[..., str],
    paid: list[int],
    ada: Person,
) -> None:
    service = serve(Receiver(resumers={}))
    made = provisioned(service, base, provisioner[1])
    middleware = ApprovalMiddleware(base, made.token, mode="async")
    graph = create_agent(
        calling(refund_call(), AIMessage("Done.")),
        tools=[refund_issue],
        middleware=[middleware],
        checkpointer=InMemorySaver(),
    )
    service.receiver.resumers["langgraph"] = resumer(graph)
    thread: Any = {"configurable": {"thread_id": "t-1"}}

    asleep = graph.invoke({"messages": [("user", "Refund A-17")]}, thread)
    assert "__interrupt__" in asleep
    assert paid == []
    holds.approve(Hold.objects.get(), by=ada)

    wait_for(lambda: not graph.get_state(thread).next and bool(paid), "the graph to finish")
    assert paid == [80]
    state = graph.get_state(thread).values
    assert state["messages"][-1].content == "Done."
    assert Action.objects.get().state == "succeeded"
    middleware.gate.client.close()
    service.run(middleware.async_gate.client.aclose())


def test_many_wait_at_once_and_cost_no_thread(client: Client, base: str, ada: Person) -> None:
    before = threading.active_count()
    requests = [
        client.create(
            {"tool": "refund.issue", "arguments": {"amount": 80 + n}, "timeout": "10m"}, f"{n}"
        )
        for n in range(20)
    ]
    token = client._headers["Authorization"].partition(" ")[2]
    statuses: list[str] = []

    def wait_all() -> None:
        async def work() -> None:
            waiting = AsyncClient(base, token)
            try:
                found = await asyncio.gather(*[waiting.get(r.id, wait=25) for r in requests])
                statuses.extend(r.status for r in found)
            finally:
                await waiting.aclose()

        asyncio.run(work())

    waiter = threading.Thread(target=wait_all)
    waiter.start()
    assert threading.active_count() <= before + 16
    for hold in Hold.objects.waiting():
        holds.reject(hold, by=ada, note="no")
    waiter.join(30)

    assert statuses == ["denied"] * 20
