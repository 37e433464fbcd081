"""Which span is what: the three dialects, and the names they had before.

GenAI semantic conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (development); OpenInference:
https://github.com/Arize-ai/openinference/tree/main/spec; OpenLLMetry: its `traceloop.*` attributes.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from .spans import FLATTENED, Attributes

type Sort = Literal["model", "tool", "structure", "other"]

OPENINFERENCE: dict[str, Sort] = {"LLM": "model", "EMBEDDING": "model", "TOOL": "tool"}
OPERATIONS: dict[str, Sort] = {
    "chat": "model",
    "generate_content": "model",
    "text_completion": "model",
    "completion": "model",
    "embeddings": "model",
    "execute_tool": "tool",
}
"""Every other kind and operation is structure: what it took is told by the spans below it."""

MODEL = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
TOOL = ("gen_ai.tool.name", "tool.name", "traceloop.entity.name")
CALL_ID = ("gen_ai.tool.call.id", "tool_call.id", "tool.id")
SESSION = (
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
)
AGENT = ("gen_ai.agent.name", "gen_ai.workflow.name", "traceloop.workflow.name")
INPUT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
)
OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
)
ALL_TOKENS = ("llm.token_count.total", "gen_ai.usage.total_tokens", "llm.usage.total_tokens")
CACHED_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
MODEL_INPUT = ("gen_ai.input.messages",)
MODEL_INPUT_TEXT = ("input.value", "traceloop.entity.input", "gen_ai.prompt")
MODEL_OUTPUT = ("gen_ai.output.messages",)
MODEL_OUTPUT_TEXT = ("output.value", "traceloop.entity.output", "gen_ai.completion")
TOOL_INPUT = (
    "gen_ai.tool.call.arguments",
    "tool_call.function.arguments",
    "input.value",
    "traceloop.entity.input",
)
TOOL_OUTPUT = ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output")

MOST_TOKENS = 10**12
MOST_USD = Decimal(10) ** 11
NUMBERED = re.compile(
    r"(?:gen_ai|llm)\.(prompt|completion|input_messages|output_messages)\.(\d{1,4})\.(?:message\.)?"
    r"(role|content|tool_calls\.\d{1,3}\.(?:tool_call\.function\.)?(?:name|arguments)"
    r"|contents\.\d{1,3}\.message_content\.text)"
)


def sort_of(held: Attributes) -> Sort:
    """Inference, tool call, structure around them, or none of an agent's business."""
    if kind := held.get("openinference.span.kind"):
        return OPENINFERENCE.get(str(kind).upper(), "structure")
    if operation := held.get("gen_ai.operation.name"):
        return OPERATIONS.get(str(operation), "structure")
    if kind := held.get("traceloop.span.kind"):
        return "tool" if kind == "tool" else "structure"
    if held.get("llm.request.type") or text(held, MODEL):
        return "model"
    return "tool" if text(held, ("gen_ai.tool.name",)) else "other"


def text(held: Attributes, names: tuple[str, ...]) -> str:
    """The first of these attributes that is a text and not empty."""
    for name in names:
        found = held.get(name)
        if found and isinstance(found, str):
            return found
    return ""


def content(held: Attributes, names: tuple[str, ...]) -> Any:
    """The first of these attributes that says anything."""
    for name in names:
        found = held.get(name)
        if found is not None and found != "":
            return found
    return None


def count(held: Attributes, names: tuple[str, ...]) -> int | None:
    """The first of these attributes that is a whole number, within reason."""
    for name in names:
        found = held.get(name)
        if isinstance(found, (int, float)) and 0 <= found <= MOST_TOKENS:
            return int(found)
    return None


def tokens(held: Attributes) -> tuple[int, int, int]:
    """`(input, output, cached)`; cached and reasoning tokens stand inside already."""
    given, made = count(held, INPUT_TOKENS), count(held, OUTPUT_TOKENS)
    if given is None and made is None:
        given = count(held, ALL_TOKENS)
    given = given or 0
    return given, made or 0, min(given, count(held, CACHED_TOKENS) or 0)


def cost(held: Attributes) -> Decimal | None:
    """US dollars as reported (OpenInference), else None."""
    found = held.get("llm.cost.total")
    if not isinstance(found, (int, float, str)):
        return None
    try:
        reported = Decimal(str(found))
    except InvalidOperation:
        return None
    if not reported.is_finite() or not 0 <= reported < MOST_USD:
        return None
    return round(reported, 6)


def said(held: Attributes) -> Any:
    """What was said to a model."""
    return (
        content(held, MODEL_INPUT)
        or numbered(held, "prompt", "input_messages")
        or content(held, MODEL_INPUT_TEXT)
    )


def answered(held: Attributes) -> Any:
    """What a model said."""
    return (
        content(held, MODEL_OUTPUT)
        or numbered(held, "completion", "output_messages")
        or content(held, MODEL_OUTPUT_TEXT)
    )


def numbered(held: Attributes, *which: str) -> list[dict[str, Any]] | None:
    """Messages that stand one attribute each: `gen_ai.prompt.0.content`, `llm.input_messages.0.message.role`."""
    messages: dict[int, dict[str, Any]] = {}
    for key, found in held.items():
        if key.startswith(FLATTENED) and (match := NUMBERED.fullmatch(key)) and match[1] in which:
            name = match[3].replace("tool_call.function.", "").replace("message_content.", "")
            messages.setdefault(int(match[2]), {})[name] = found
    return [messages[n] for n in sorted(messages)] or None
