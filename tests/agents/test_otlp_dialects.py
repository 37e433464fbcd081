"""Spans of three dialects, told as what was done."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.otlp.content import LONGEST, digest_of
from agents.otlp.reading import read
from agents.rules.digest import item_of, proposal_digest
from agents.rules.done import Done
from tests.agents.spans import JSON, NOW, TRACE, as_json, read_all, span

GENAI: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.2",
    "gen_ai.response.model": "gpt-5.2-2026-08-01",
    "gen_ai.usage.input_tokens": 800,
    "gen_ai.usage.output_tokens": 60,
    "gen_ai.usage.cache_read.input_tokens": 500,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Yes"}]}]',
}
OLDER_GENAI: dict[str, Any] = {
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-opus-4-8",
    "gen_ai.usage.prompt_tokens": 70,
    "gen_ai.usage.completion_tokens": 7,
}
GENAI_TOOL: dict[str, Any] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "search",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.call.arguments": '{"query": "card", "limit": 10}',
    "gen_ai.tool.call.result": '{"hits": 3}',
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-5.2",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 5,
    "llm.token_count.total": 15,
    "llm.token_count.prompt_details.cache_read": 4,
    "llm.cost.total": 0.00125,
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Where is my card?",
    "llm.output_messages.0.message.content": "It comes.",
    "input.value": '{"messages": [{"id": "6f0c", "content": "Where is my card?"}]}',
    "session.id": "s-1",
}
OPENINFERENCE_TOOL = {
    "openinference.span.kind": "TOOL",
    "tool.name": "search",
    "input.value": "card",
    "output.value": '{"type": "tool", "data": {"content": "found", "tool_call_id": "call_7"}}',
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "Langchain",
    "gen_ai.request.model": "gpt-5.2",
    "gen_ai.usage.input_tokens": 11,
    "gen_ai.usage.output_tokens": 4,
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Where?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Here.",
}
OPENLLMETRY_TOOL = {
    "traceloop.span.kind": "tool",
    "traceloop.entity.name": "search",
    "traceloop.entity.input": '{"input_str": "x", "inputs": {"query": "card"}, "metadata": {"try": 7}}',
    "traceloop.entity.output": '{"output": "found"}',
    "traceloop.association.properties.session_id": "s-9",
}


def done(attributes: dict[str, Any], **more: Any) -> Done:
    (trace,) = read_all(span(attributes, **more)).traces
    (one,) = trace.done
    return one


@pytest.mark.parametrize(
    ("attributes", "tool", "tokens", "cost"),
    [
        (GENAI, "gpt-5.2-2026-08-01", (800, 60, 500), None),
        (OLDER_GENAI, "claude-opus-4-8", (70, 7, 0), None),
        (OPENINFERENCE, "gpt-5.2", (10, 5, 4), Decimal("0.001250")),
        (OPENLLMETRY, "gpt-5.2", (11, 4, 0), None),
        ({"openinference.span.kind": "LLM", "llm.token_count.total": 9}, "span", (9, 0, 0), None),
        (
            {"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai"},
            "openai/embeddings",
            (0, 0, 0),
            None,
        ),
    ],
)
def test_an_inference_is_a_model_call_with_its_tokens(
    attributes: dict[str, Any], tool: str, tokens: tuple[int, int, int], cost: Decimal | None
) -> None:
    one = done(attributes)

    assert (one.kind, one.tool) == ("model", tool)
    assert (one.input_tokens, one.output_tokens, one.cached_tokens) == tokens
    assert one.cost_usd == cost
    assert (one.failed, one.duration_ms) == (False, 250)
    assert one.call_id == f"{TRACE:032x}.{1:016x}"


@pytest.mark.parametrize(
    ("attributes", "arguments", "result", "also"),
    [
        (GENAI_TOOL, {"query": "card", "limit": 10}, {"hits": 3}, ("call_1",)),
        (OPENINFERENCE_TOOL, {"input": "card"}, "found", ("call_7",)),
        (OPENLLMETRY_TOOL, {"query": "card"}, {"output": "found"}, ()),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, {}, None, ()),
    ],
)
def test_a_tool_call_has_its_arguments_and_result(
    attributes: dict[str, Any], arguments: Any, result: Any, also: tuple[str, ...]
) -> None:
    one = done(attributes)

    assert (one.kind, one.tool) == ("tool", "search")
    assert json.loads(one.arguments_json) == arguments
    assert (json.loads(one.result_json) if one.result_json else None) == result
    assert one.also_called == also


def test_what_was_said_is_kept_as_messages() -> None:
    assert json.loads(done(GENAI).arguments_json)["input"][0]["role"] == "user"
    assert json.loads(done(OPENINFERENCE).arguments_json) == {
        "input": [{"role": "user", "content": "Where is my card?"}]
    }
    assert json.loads(done(OPENLLMETRY).result_json or "") == [
        {"role": "assistant", "content": "Here."}
    ]


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "CHAIN"},
        {"openinference.span.kind": "AGENT", "llm.token_count.total": 99},
        {"openinference.span.kind": "RETRIEVER"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 99},
        {"gen_ai.operation.name": "invoke_workflow"},
        {"traceloop.span.kind": "workflow"},
        {"traceloop.span.kind": "task"},
    ],
)
def test_structure_names_the_run_and_counts_nothing_twice(attributes: dict[str, Any]) -> None:
    (trace,) = read_all(span(attributes, service="triage")).traces

    assert trace.done == []
    assert trace.name == "triage"


@pytest.mark.parametrize("attributes", [{"http.request.method": "POST"}, {"db.system": "x"}, {}])
def test_other_spans_are_taken_and_left_alone(attributes: dict[str, Any]) -> None:
    export = read_all(span(attributes))

    assert (export.spans, export.rejected) == (1, 0)
    assert not any(trace.is_about_an_agent for trace in export.traces)


def test_the_agents_name_comes_before_the_services() -> None:
    export = read_all(
        span(GENAI, service="web"),
        span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Ada"}, n=2),
    )

    assert export.traces[0].name == "Ada"


def test_a_failed_span_failed_whether_by_status_or_by_its_error_type() -> None:
    by_status = done(GENAI, failed="rate limited")
    by_type = done(GENAI | {"error.type": "TimeoutError"})

    assert by_status.failed
    assert json.loads(by_status.error_json or "") == {"type": "", "message": "rate limited"}
    assert by_type.failed
    assert json.loads(by_type.error_json or "") == {
        "type": "TimeoutError",
        "message": "TimeoutError",
    }


def test_an_exception_event_says_what_went_wrong() -> None:
    failing = span(GENAI, failed="")
    message = json.loads(json.dumps(as_json(failing)))
    message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["events"] = [
        {
            "name": "exception",
            "attributes": [
                {"key": "exception.type", "value": {"stringValue": "ValueError"}},
                {"key": "exception.message", "value": {"stringValue": "no such card"}},
            ],
        }
    ]

    (trace,) = read(json.dumps(message).encode(), JSON, now_ns=NOW).traces

    assert json.loads(trace.done[0].error_json or "") == {
        "type": "ValueError",
        "message": "no such card",
    }


def test_calls_whose_arguments_nobody_told_are_no_repeats() -> None:
    silent = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    export = read_all(span(silent, n=1), span(silent, n=2), span(OLDER_GENAI, n=3))

    assert len({one.item for one in export.traces[0].done}) == 3
    assert all(one.is_single for one in export.traces[0].done)


def test_the_same_call_is_the_same_item_in_a_span_and_in_a_proposal() -> None:
    digest = proposal_digest(tool="search", subject="", arguments={"limit": 10, "query": "card"})

    assert done(GENAI_TOOL).item == item_of(subject="", digest=digest)


def test_the_same_words_to_a_model_are_one_item_whatever_their_ids() -> None:
    one = done(OPENINFERENCE)
    other = done(OPENINFERENCE | {"input.value": '{"messages": [{"id": "b7aa"}]}'})

    assert one.item == other.item


def test_a_subject_is_an_item() -> None:
    assert done(GENAI | {"watchfloor.subject": "mail:7"}).item == "mail:7"


def test_long_content_is_cut_and_still_told_apart() -> None:
    long = "é" * LONGEST
    one, other = (done(GENAI_TOOL | {"gen_ai.tool.call.arguments": long + end}) for end in "ab")
    model, again = (done(GENAI | {"gen_ai.input.messages": long + end}) for end in "ab")

    assert len(one.arguments_json.encode()) < LONGEST + 100
    assert json.loads(one.arguments_json)["input"].endswith("…")
    assert one.item != other.item
    assert model.item != again.item


def test_json_and_protobuf_tell_the_same() -> None:
    spans = [
        span(GENAI, n=1, service="triage"),
        span(GENAI_TOOL, n=2, failed="broken", service="triage"),
        span({"openinference.span.kind": "CHAIN"}, n=3, parent=None, service="triage"),
    ]

    told = read(json.dumps(as_json(*spans)).encode(), JSON, now_ns=NOW)

    assert told == read_all(*spans)


def test_unknown_members_and_structured_values_are_understood() -> None:
    message = as_json(span(GENAI_TOOL))
    wire = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    wire["novelty"] = {"x": 1}
    wire["attributes"] = [
        one for one in wire["attributes"] if one["key"] != "gen_ai.tool.call.arguments"
    ]
    wire["attributes"].append(
        {
            "key": "gen_ai.tool.call.arguments",
            "value": {
                "kvlistValue": {
                    "values": [
                        {"key": "ids", "value": {"arrayValue": {"values": [{"intValue": "7"}]}}}
                    ]
                }
            },
        }
    )

    (trace,) = read(json.dumps(message).encode(), JSON, now_ns=NOW).traces

    assert json.loads(trace.done[0].arguments_json) == {"ids": [7]}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"traceId": "00" * 16}, "A trace id has 16 bytes"),
        ({"traceId": "ab"}, "A trace id has 16 bytes"),
        ({"spanId": "00" * 8}, "A span id has 8 bytes"),
        ({"spanId": "no hex at all!!"}, "not what opentelemetry-proto says"),
        ({"startTimeUnixNano": "soon"}, "not what opentelemetry-proto says"),
        (
            {"attributes": [{"key": "gen_ai.tool.name", "value": {"stringValue": "t" * 201}}]},
            "longer than 200 characters",
        ),
        (
            {"attributes": [{"key": "gen_ai.tool.name", "value": {"stringValue": "a\0b"}}]},
            "U+0000",
        ),
        (
            {
                "attributes": [
                    {"key": "gen_ai.tool.name", "value": {"stringValue": "t"}},
                    {"key": "input.value", "value": {"stringValue": '{"a": "\\u0000"}'}},
                ]
            },
            "U+0000",
        ),
    ],
)
def test_a_span_that_cannot_be_stored_is_rejected_alone(changes: dict[str, Any], why: str) -> None:
    message = as_json(span(GENAI, n=1), span(GENAI, n=2))
    message["resourceSpans"][0]["scopeSpans"][0]["spans"][1] |= changes

    export = read(json.dumps(message).encode(), JSON, now_ns=NOW)

    assert (export.spans, export.rejected) == (2, 1)
    assert why in export.why
    assert len(export.traces[0].done) == 1


def test_clocks_that_tell_nonsense_are_drawn_back() -> None:
    never_set = done(GENAI, start=7)
    ahead = done(GENAI, start=NOW + 10**15)

    assert never_set.started_at.year == 2000
    assert ahead.ended_at.timestamp() == NOW // 10**9 + 300


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(arguments=st.dictionaries(st.text(max_size=6), json_values, max_size=4))
def test_the_quick_digest_is_the_canonical_one(arguments: dict[str, Any]) -> None:
    text = json.dumps(arguments, ensure_ascii=False)
    try:
        expected = proposal_digest(tool="t", subject="s", arguments=arguments)
    except ValueError:
        return

    assert digest_of("t", "s", text, arguments) == expected
