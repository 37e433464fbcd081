"""OTLP traces, read: bytes → spans → what was done, in which run. Pure; nothing here reads or writes.

Formats: opentelemetry-proto 1.x (OTLP/HTTP, protobuf and JSON), the GenAI semantic conventions with their
older names, OpenInference and OpenLLMetry.
"""
