"""Answers in the request's own encoding: ExportTraceServiceResponse, and google.rpc.Status for refusals."""

from __future__ import annotations

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

INVALID_ARGUMENT, INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED = 3, 13, 8, 14, 16
"""google.rpc.Code"""


def accepted(encoding: str, *, rejected: int = 0, why: str = "") -> bytes:
    """Stored; `rejected` spans could not be, and sending them again would not help."""
    if encoding == JSON:
        if not rejected:
            return b"{}"
        told = {"rejectedSpans": str(rejected), "errorMessage": why}
        return msgspec.json.encode({"partialSuccess": told})
    if not rejected:
        return b""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = why
    return answer.SerializeToString()


def refused(encoding: str, *, code: int, message: str) -> bytes:
    """google.rpc.Status: `int32 code = 1; string message = 2`."""
    if encoding == JSON:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return b"\x08" + varint(code) + b"\x12" + varint(len(text)) + text


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
