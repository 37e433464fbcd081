"""OTLP's binary form. Spans are cut out by hand and parsed one by one.

Parsing 20 MiB at once would hold the interpreter for 60 ms, and every waiting agent with it; this
costs the same per span and gives way between any two. It also lets one broken span be refused alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire

from .spans import (
    CROWDED,
    FLATTENED,
    MOST_ATTRIBUTES,
    MOST_PARTS,
    WANTED,
    Attributes,
    Exception_,
    Malformed,
    Span,
    Unfit,
    flaw,
    is_root,
    too_many,
)

RESOURCE_SPANS = b"\x0a"[0]  # ExportTraceServiceRequest.resource_spans: field 1, length-delimited
RESOURCE = b"\x0a"[0]  # ResourceSpans.resource: field 1
SCOPE_SPANS = b"\x12"[0]  # ResourceSpans.scope_spans: field 2
SPAN = b"\x12"[0]  # ScopeSpans.spans: field 2
ERROR = 2


class Left:
    """How many parts a request may still have."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts = MOST_PARTS


def spans(body: bytes) -> Iterator[Span | Unfit]:
    """Every span of the request. Raises Malformed, possibly after some."""
    left = Left()
    try:
        for kind, start, end in fields(body, 0, len(body), left):
            if kind == RESOURCE_SPANS:
                yield from of_resource(body, start, end, left)
    except (IndexError, DecodeError) as error:
        raise Malformed("The body is no ExportTraceServiceRequest.") from error


def of_resource(body: bytes, start: int, end: int, left: Left) -> Iterator[Span | Unfit]:
    resource: Attributes = {}
    scopes = []
    for kind, first, last in fields(body, start, end, left):
        if kind == RESOURCE:
            found = Resource.FromString(body[first:last]).attributes
            if len(found) > MOST_ATTRIBUTES:
                raise too_many(MOST_ATTRIBUTES, "attributes in a resource")
            resource = attributes(found)
        elif kind == SCOPE_SPANS:
            scopes.append((first, last))
    for scope in scopes:
        for kind, first, last in fields(body, *scope, left):
            if kind == SPAN:
                yield span(body[first:last], resource)


def span(raw: bytes, resource: Attributes) -> Span | Unfit:
    try:
        wire = Wire.FromString(raw)
    except DecodeError:
        return Unfit("A span is not what opentelemetry-proto says.")
    if wrong := flaw(wire.trace_id, wire.span_id):
        return Unfit(wrong)
    if len(wire.attributes) > MOST_ATTRIBUTES or len(wire.events) > MOST_ATTRIBUTES:
        return Unfit(CROWDED)
    read = Span(
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        is_root=is_root(wire.parent_span_id, wire.flags),
        name=wire.name,
        start_ns=wire.start_time_unix_nano,
        end_ns=wire.end_time_unix_nano,
        attributes=attributes(wire.attributes),
        resource=resource,
    )
    if wire.HasField("status") and wire.status.code == ERROR:
        read.is_error = True
        read.message = wire.status.message
    for event in wire.events:
        if event.name == "exception" and len(event.attributes) <= MOST_ATTRIBUTES:
            told = {a.key: a.value.string_value for a in event.attributes}
            read.exception = Exception_(
                told.get("exception.type", ""), told.get("exception.message", "")
            )
    return read


def attributes(pairs: Any) -> Attributes:
    held: Attributes = {}
    for pair in pairs:
        key = pair.key
        if key in WANTED or key.startswith(FLATTENED):
            wire = pair.value
            held[key] = wire.string_value or value(wire)  # most are texts
    return held


def value(wire: AnyValue) -> Any:
    """An AnyValue as Python has it; bytes are left out."""
    kind = wire.WhichOneof("value")
    if kind == "string_value":
        return wire.string_value
    if kind == "array_value":
        return [value(one) for one in wire.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value(pair.value) for pair in wire.kvlist_value.values}
    return getattr(wire, kind) if kind and kind != "bytes_value" else None


def fields(body: bytes, at: int, end: int, left: Left) -> Iterator[tuple[int, int, int]]:
    """`(tag, start, end)` of the length-delimited fields; others are skipped. Raises IndexError, Malformed."""
    while at < end:
        left.parts -= 1
        if left.parts < 0:
            raise too_many(MOST_PARTS)
        tag, at = varint(body, at)
        kind = tag & 7
        if kind == 2:
            size, at = varint(body, at)
            if at + size > end:
                raise IndexError
            yield tag, at, at + size
            at += size
        elif kind == 0:
            _, at = varint(body, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise IndexError  # groups ended with proto2
    if at > end:
        raise IndexError


def varint(body: bytes, at: int) -> tuple[int, int]:
    """A base-128 number and where it ends."""
    first = body[at]
    if first < 128:
        return first, at + 1
    number, shift = first & 127, 7
    while shift < 70:
        at += 1
        byte = body[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
    raise IndexError
