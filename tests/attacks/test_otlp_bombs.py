"""Small requests that would keep the one thread that reads spans busy for minutes, or leave things nobody can show."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from agents.otlp.reading import Export, read
from agents.otlp.spans import MOST_ATTRIBUTES, MOST_PARTS, Malformed
from agents.rules.breakers.loops import fingerprint
from agents.shapes import is_too_deep
from tests.agents.spans import JSON, PROTOBUF

NOW = 1_790_000_000 * 10**9
IDS = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
MANY = MOST_PARTS + 10
ATTRIBUTE = {"key": "service.name", "value": {"stringValue": "triage"}}


def part(field: int, content: bytes) -> bytes:
    """A length-delimited field."""
    size, rest = bytearray([field << 3 | 2]), len(content)
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    size.append(rest)
    return bytes(size) + content


def in_request(*spans: bytes) -> bytes:
    return part(1, part(2, b"".join(part(2, one) for one in spans)))


def in_json(*spans: Any, resource: Any = ()) -> bytes:
    groups = [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": spans}]}]
    return msgspec.json.encode({"resourceSpans": groups})


def chat(value: Any) -> dict[str, Any]:
    return {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "startTimeUnixNano": NOW,
        "endTimeUnixNano": NOW,
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.input.messages", "value": value},
        ],
    }


def parsed(body: bytes, encoding: str) -> Export:
    return read(body, encoding, now_ns=NOW)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(in_request(*[b""] * MANY), PROTOBUF, id="empty spans"),
        pytest.param(b"\x0a\x00" * MANY, PROTOBUF, id="empty groups"),
        pytest.param(part(1, b"\x12\x00" * MANY), PROTOBUF, id="empty scopes"),
        pytest.param(b"\x10\x00" * MANY, PROTOBUF, id="fields of no kind"),
        pytest.param(
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % b",".join([b"0"] * MANY),
            JSON,
            id="numbers for spans",
        ),
    ],
)
def test_millions_of_nothings_are_refused_as_a_whole(body: bytes, encoding: str) -> None:
    began = time.process_time()

    with pytest.raises(Malformed, match="more than"):
        parsed(body, encoding)

    assert time.process_time() - began < 3


def test_commas_alone_are_not_decoded() -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % b",".join([b"0"] * 5_000_000)
    began = time.process_time()

    with pytest.raises(Malformed, match="more than"):
        parsed(body, JSON)

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("tag", [b"\x4a\x00", b"\x5a\x00"], ids=["attributes", "events"])
def test_a_span_of_a_million_parts_is_refused_and_the_next_one_is_not(tag: bytes) -> None:
    export = parsed(in_request(IDS + tag * (MOST_ATTRIBUTES + 1), IDS), PROTOBUF)

    assert (export.spans, export.rejected) == (2, 1)
    assert "attributes or events" in export.why


def test_a_resource_of_a_million_attributes_is_refused() -> None:
    with pytest.raises(Malformed):
        parsed(part(1, part(1, b"\x0a\x00" * (MOST_ATTRIBUTES + 1))), PROTOBUF)
    with pytest.raises(Malformed):
        parsed(in_json(resource=[ATTRIBUTE] * (MOST_ATTRIBUTES + 1)), JSON)


def test_the_same_in_json() -> None:
    export = parsed(
        in_json(
            chat({"stringValue": "x"}) | {"attributes": [ATTRIBUTE] * (MOST_ATTRIBUTES + 1)},
            chat({"stringValue": "x"}) | {"events": [{}] * (MOST_ATTRIBUTES + 1)},
            chat({"stringValue": "x"}),
        ),
        JSON,
    )

    assert (export.spans, export.rejected) == (3, 2)


@pytest.mark.parametrize(
    "value",
    [{"intValue": "9" * 5000}, {"doubleValue": "much"}, {"intValue": "1.5"}],
)
def test_a_resource_that_says_nonsense_is_malformed_and_no_failure_of_ours(value: Any) -> None:
    with pytest.raises(Malformed):
        parsed(in_json(chat({}), resource=[{"key": "session.id", "value": value}]), JSON)


def nested(depth: int) -> Any:
    value: Any = {"intValue": 1}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_a_resource_that_is_nested_too_deep_is_malformed() -> None:
    deep = b'{"arrayValue":{"values":[' * 3000 + b'{"intValue":1}' + b"]}}" * 3000
    body = (
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"session.id","value":%s}]}}]}' % deep
    )

    with pytest.raises(Malformed):
        parsed(body, JSON)


@pytest.mark.parametrize("depth", [120, 500])
def test_what_is_nested_deeper_than_can_be_shown_is_kept_as_text(depth: int) -> None:
    export = parsed(in_json(chat(nested(depth))), JSON)

    done = export.traces[0].done[0]
    arguments = msgspec.json.decode(done.arguments_json)
    assert not is_too_deep(done.arguments_json.encode(), arguments)
    assert isinstance(arguments["input"], str)
    assert fingerprint(tool=done.tool, subject="", arguments=arguments, result=None)


@pytest.mark.parametrize("number", ["9" * 30, "9" * 4000, "-" + "9" * 400])
def test_integers_without_end_are_stored_or_refused_one_by_one(number: str) -> None:
    many = {"arrayValue": {"values": [{"intValue": number}]}}

    export = parsed(in_json(chat(many), chat({"stringValue": "x"})), JSON)

    assert len(export.traces[0].done) + export.rejected == 2
    assert export.traces[0].done[-1].arguments_json == '{"input":"x"}'
