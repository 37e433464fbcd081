"""OTLP's JSON form: lowerCamelCase, ids in hex, enums as numbers, 64-bit numbers as text or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .spans import (
    CROWDED,
    MOST_ATTRIBUTES,
    MOST_COMMAS,
    MOST_PARTS,
    Attributes,
    Exception_,
    Malformed,
    Span,
    Unfit,
    flaw,
    is_root,
    is_wanted,
    too_many,
)

ERROR = 2
type Number = int | str | None


class Wire(msgspec.Struct, rename="camel"):
    """Base: unknown members are ignored."""


class Value(Wire):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number = None
    double_value: float | str | None = None
    array_value: ArrayValue | None = None
    kvlist_value: PairList | None = None


class ArrayValue(Wire):
    values: list[Value] = []


class Pair(Wire):
    key: str = ""
    value: Value | None = None


class PairList(Wire):
    values: list[Pair] = []


class Status(Wire):
    code: int = 0
    message: str = ""


class Event(Wire):
    name: str = ""
    attributes: list[Pair] = []


class SpanForm(Wire):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = ""
    flags: int | None = 0
    name: str = ""
    start_time_unix_nano: Number = 0
    end_time_unix_nano: Number = 0
    attributes: list[Pair] | None = None
    events: list[Event] | None = None
    status: Status | None = None


class ScopeSpans(Wire):
    spans: list[msgspec.Raw] | None = None


class ResourceForm(Wire):
    attributes: list[Pair] | None = None


class ResourceSpans(Wire):
    resource: ResourceForm | None = None
    scope_spans: list[ScopeSpans] | None = None


class Request(Wire):
    resource_spans: list[ResourceSpans] | None = None


request_decoder = msgspec.json.Decoder(Request)
span_decoder = msgspec.json.Decoder(SpanForm)


def spans(body: bytes) -> Iterator[Span | Unfit]:
    """Every span of the request. Raises Malformed. Spans are decoded one by one, see `protobuf`."""
    if body.count(b",") > MOST_COMMAS:
        raise too_many(MOST_COMMAS)
    try:
        request = request_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"The body is no ExportTraceServiceRequest: {error}") from error
    parts = 0
    for group in request.resource_spans or ():
        resource = of_resource(group.resource)
        for scope in group.scope_spans or ():
            for raw in scope.spans or ():
                parts += 1
                if parts > MOST_PARTS:
                    raise too_many(MOST_PARTS)
                yield span(raw, resource)


def of_resource(wire: ResourceForm | None) -> Attributes:
    """Raises Malformed: without it nobody knows whose spans follow."""
    pairs = wire.attributes if wire else None
    if pairs and len(pairs) > MOST_ATTRIBUTES:
        raise too_many(MOST_ATTRIBUTES, "attributes in a resource")
    try:
        return attributes(pairs)
    except (ValueError, RecursionError) as error:
        raise Malformed(
            f"A resource is not what opentelemetry-proto says: {error}"[:300]
        ) from error


def span(raw: msgspec.Raw, resource: Attributes) -> Span | Unfit:
    try:
        wire = span_decoder.decode(raw)
        if max(len(wire.attributes or ()), len(wire.events or ())) > MOST_ATTRIBUTES:
            return Unfit(CROWDED)
        trace_id, span_id = bytes.fromhex(wire.trace_id), bytes.fromhex(wire.span_id)
        start, end = int(wire.start_time_unix_nano or 0), int(wire.end_time_unix_nano or 0)
        held = attributes(wire.attributes)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Unfit(f"A span is not what opentelemetry-proto says: {error}"[:300])
    if wrong := flaw(trace_id, span_id):
        return Unfit(wrong)
    read = Span(
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        is_root=is_root(wire.parent_span_id or "", wire.flags or 0),
        name=wire.name,
        start_ns=start,
        end_ns=end,
        attributes=held,
        resource=resource,
    )
    if wire.status is not None and wire.status.code == ERROR:
        read.is_error, read.message = True, wire.status.message
    for event in wire.events or ():
        if event.name == "exception" and len(event.attributes) <= MOST_ATTRIBUTES:
            told = {p.key: (p.value.string_value if p.value else None) for p in event.attributes}
            read.exception = Exception_(
                told.get("exception.type") or "", told.get("exception.message") or ""
            )
    return read


def attributes(pairs: list[Pair] | None) -> Attributes:
    return {pair.key: value(pair.value) for pair in pairs or () if is_wanted(pair.key)}


def value(wire: Value | None) -> Any:
    """An AnyValue as Python has it; bytes are left out. Raises ValueError."""
    if wire is None:
        return None
    if wire.string_value is not None:
        return wire.string_value
    if wire.int_value is not None:
        return int(wire.int_value)
    if wire.double_value is not None:
        return float(wire.double_value)
    if wire.bool_value is not None:
        return wire.bool_value
    if wire.array_value is not None:
        return [value(one) for one in wire.array_value.values]
    if wire.kvlist_value is not None:
        return {pair.key: value(pair.value) for pair in wire.kvlist_value.values}
    return None
