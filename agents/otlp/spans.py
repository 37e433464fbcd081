"""A span as both encodings give it, and what makes one unfit."""

from __future__ import annotations

from typing import Any

import msgspec

type Attributes = dict[str, Any]

MOST_PARTS = 200_000
"""Spans, their groups and whatever else stands beside them in one request. What is empty takes two bytes, and
ten million of them compress to nothing; there is one thread that reads, for all agents."""
MOST_ATTRIBUTES = 10_000
"""Of one span, or one resource; as many events. The SDKs stop at 128."""
MOST_COMMAS = 2_000_000
"""In a request in JSON: each may begin another object, before anything can count them."""


class Malformed(Exception):
    """The body is no ExportTraceServiceRequest."""


def too_many(most: int, what: str = "parts") -> Malformed:
    return Malformed(f"The request has more than {most:,} {what}. Send fewer spans at a time.")


class Exception_(msgspec.Struct, gc=False):
    """An `exception` event."""

    type: str
    message: str


class Span(msgspec.Struct, kw_only=True, gc=False):
    """One span; ids in hex, times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    is_root: bool
    name: str
    start_ns: int
    end_ns: int
    is_error: bool = False
    message: str = ""
    attributes: Attributes = {}
    exception: Exception_ | None = None
    resource: Attributes = {}


class Unfit(msgspec.Struct, gc=False):
    """A span that cannot be stored, with the sentence that says why."""

    why: str


WANTED = frozenset(
    [
        "watchfloor.run.id",
        "watchfloor.action.id",
        "watchfloor.subject",
        "service.name",
        "session.id",
        "error.type",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.system",
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        "gen_ai.workflow.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.usage.total_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.tool.name",
        "gen_ai.tool.call.id",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt",
        "gen_ai.completion",
        "openinference.span.kind",
        "llm.model_name",
        "llm.provider",
        "llm.system",
        "llm.token_count.prompt",
        "llm.token_count.completion",
        "llm.token_count.total",
        "llm.token_count.prompt_details.cache_read",
        "llm.cost.total",
        "embedding.model_name",
        "tool.name",
        "tool.id",
        "tool_call.id",
        "tool_call.function.arguments",
        "input.value",
        "output.value",
        "traceloop.span.kind",
        "traceloop.entity.name",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "traceloop.workflow.name",
        "traceloop.association.properties.session_id",
        "llm.request.type",
        "llm.usage.total_tokens",
    ]
)
"""Attributes that are looked at; the others are not even decoded."""

FLATTENED = ("gen_ai.prompt.", "gen_ai.completion.", "llm.input_messages.", "llm.output_messages.")
"""Messages one attribute each: OpenLLMetry's, and OpenInference's, whose `input.value` beside them is full of ids
that differ from call to call."""


CROWDED = f"A span has more than {MOST_ATTRIBUTES:,} attributes or events."


def is_wanted(key: str) -> bool:
    return key in WANTED or key.startswith(FLATTENED)


def flaw(trace_id: bytes, span_id: bytes) -> str:
    """What is wrong with these ids; empty when nothing is."""
    if len(trace_id) != 16 or not any(trace_id):
        return "A trace id has 16 bytes, not all zero."
    if len(span_id) != 8 or not any(span_id):
        return "A span id has 8 bytes, not all zero."
    return ""


REMOTE_PARENT = 0x300
"""`flags` when the parent is known to be in another process: here, this span is the root."""


def is_root(parent: bytes | str, flags: int) -> bool:
    return not parent or flags & REMOTE_PARENT == REMOTE_PARENT
