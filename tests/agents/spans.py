"""Spans as instruments send them: made by the OpenTelemetry SDK, encoded by its exporter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agents.otlp.reading import Export, read

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
NOW = 1_795_000_000 * 10**9
"""Nanoseconds since 1970."""
PROTOBUF, JSON = "application/x-protobuf", "application/json"

type Attributes = Mapping[str, Any]


def context(span_id: int, trace_id: int = TRACE) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(1))


def span(
    attributes: Attributes | None = None,
    *,
    n: int = 1,
    trace: int = TRACE,
    parent: int | None = 0xFFFF,
    name: str = "span",
    start: int = NOW,
    took_ms: int = 250,
    failed: str | None = None,
    service: str = "",
) -> ReadableSpan:
    """One ended span; without a parent it is its trace's root. `failed` is the status' message."""
    return ReadableSpan(
        name=name,
        context=context(n, trace),
        parent=context(parent, trace) if parent else None,
        resource=Resource({"service.name": service} if service else {}),
        attributes=dict(attributes or {}),
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.UNSET) if failed is None else Status(StatusCode.ERROR, failed),
        start_time=start,
        end_time=start + took_ms * 10**6,
    )


def message(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_spans(spans).SerializeToString())


def protobuf(*spans: ReadableSpan) -> bytes:
    return message(spans).SerializeToString()


def as_json(*spans: ReadableSpan) -> dict[str, Any]:
    """OTLP's JSON: as protobuf's, but ids are hex and enums are numbers."""
    made: dict[str, Any] = MessageToDict(message(spans), use_integers_for_enums=True)
    for group in made["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for one, wire in zip(
                scope["spans"],
                (s for s in spans if s.context is not None),
                strict=False,
            ):
                assert wire.context is not None
                one["traceId"] = f"{wire.context.trace_id:032x}"
                one["spanId"] = f"{wire.context.span_id:016x}"
                if wire.parent is not None:
                    one["parentSpanId"] = f"{wire.parent.span_id:016x}"
    return made


def read_all(*spans: ReadableSpan) -> Export:
    return read(protobuf(*spans), PROTOBUF, now_ns=NOW)


class Kept(SpanExporter):
    """Keeps what the SDK would send."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS
