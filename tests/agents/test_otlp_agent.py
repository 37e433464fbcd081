"""A real LangGraph agent, instrumented by OpenInference, watched through nothing but its spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from agents.models import Agent, Run, Trip
from reviews.models import Hold


class StandIn(FakeMessagesListChatModel):
    """A model that says what it was told to, and counts tokens as real ones do."""

    model_name: str = "gpt-5.2"

    def bind_tools(self, *_: Any, **__: Any) -> StandIn:
        return self

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}


def says(text: str, *calls: dict[str, Any]) -> AIMessage:
    return AIMessage(
        content=text,
        tool_calls=[
            {"name": "search", "args": args, "id": f"call_{n}"} for n, args in enumerate(calls)
        ],
        usage_metadata={"input_tokens": 20, "output_tokens": 7, "total_tokens": 27},
    )


@tool
def search(query: str) -> str:
    """Look something up."""
    if query == "broken":
        raise RuntimeError("the index is gone")
    return f"found {query}"


@pytest.fixture
def instrumented(live: str, scout_with_key: tuple[Agent, str]) -> Iterator[TracerProvider]:
    """Every LangChain run of this test is traced, and sent to the running server as its spans end."""
    exporter = OTLPSpanExporter(
        endpoint=f"{live}/v1/traces",
        headers={"Authorization": f"Bearer {scout_with_key[1]}"},
    )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    yield provider
    LangChainInstrumentor().uninstrument()
    provider.shutdown()


def ask(question: str, *answers: AIMessage) -> str:
    graph = create_agent(StandIn(responses=list(answers)), [search], name="triage")
    told = graph.invoke(
        {"messages": [("user", question)]}, config={"metadata": {"session_id": "thread-1"}}
    )
    return str(told["messages"][-1].content)


def test_an_instrumented_graph_is_a_run_with_its_calls(instrumented: TracerProvider) -> None:
    answer = ask("Where is my card?", says("", {"query": "card"}), says("It comes."))
    instrumented.force_flush()

    assert answer == "It comes."
    run = Run.objects.get()
    assert (run.name, run.state, run.metadata["session_id"]) == ("triage", "completed", "thread-1")
    assert (run.actions_count, run.input_tokens, run.output_tokens) == (3, 40, 14)
    first, call, last = run.actions.order_by("settled_at")
    assert (first.kind, first.tool) == ("model", "gpt-5.2")
    assert first.arguments["input"][0] == {"role": "user", "content": "Where is my card?"}
    assert (call.kind, call.tool, call.result) == ("tool", "search", "found card")
    assert last.result == [{"role": "assistant", "content": "It comes."}]


def test_a_graph_that_breaks_is_a_failed_run(instrumented: TracerProvider) -> None:
    with pytest.raises(RuntimeError):
        ask("Where?", says("", {"query": "broken"}), says("never"))
    instrumented.force_flush()

    run = Run.objects.get()
    assert (run.state, run.failures_count) == ("failed", 1)
    failed = run.actions.get(state="failed")
    assert failed.tool == "search"
    assert "the index is gone" in (failed.error or {})["message"]


def test_a_graph_that_calls_one_tool_over_and_over_is_stopped(
    live: str, scout_with_key: tuple[Agent, str]
) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"{live}/v1/traces",
        headers={"Authorization": f"Bearer {scout_with_key[1]}"},
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    try:
        ask("Where?", *[says("", {"query": "card"}) for _ in range(6)], says("At last."))
    finally:
        LangChainInstrumentor().uninstrument()
        provider.shutdown()

    trip = Trip.objects.get()
    assert trip.condition in ("repeats", "loop")
    assert "search" in trip.reason
    assert Hold.objects.get().kind == "trip"
