"""Spans a second over OTLP/HTTP, each answered when it is stored as an action and the breakers have judged it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agents.models import Action, Trip
from agents.transitions import agent as agents

from .figures import percentile
from .floor import Floor
from .people import agent, team
from .wire import Wire

AGENTS, CLIENTS, SECONDS, ROUNDS = 8, 8, 3.0, 3
WARM_S = 4.0
"""Until the processes that store spans have come up, and their statements are prepared."""
LATE = float("inf")
"""Answered after the time was over: stored, not counted."""
TRACE = b"\x11" * 16
FIRST = b"\x33" * 8
TOKEN = b"~~~~~~~~~~"
"""What every request has its own of: the trace, its first span, and what is said in it."""
OF_TRACE = 100


def measure(floor: Floor) -> dict[str, Any]:
    keys = [agent(f"agent-{n}")[2] for n in range(AGENTS)]
    figures: dict[str, Any] = {}
    asyncio.run(load(floor, keys, spans=100, seconds=WARM_S))
    for name, spans in (("batch100", 100), ("single", 1)):
        before = Action.objects.count()
        rounds = sorted(
            (asyncio.run(load(floor, keys, spans=spans, seconds=SECONDS)) for _ in range(ROUNDS)),
            key=len,
        )
        stored = Action.objects.count() - before
        assert stored == spans * sum(map(len, rounds)), "not every answered span is stored"
        middle = [took for took in rounds[ROUNDS // 2] if took < LATE]
        figures[f"spans_per_s_{name}_c{CLIENTS}"] = round(len(middle) * spans / SECONDS)
        figures[f"p50_ms_{name}"] = percentile(middle, 0.5)
        figures[f"p95_ms_{name}"] = percentile(middle, 0.95)
    prove_judging(floor)
    return figures


async def load(floor: Floor, keys: list[str], *, spans: int, seconds: float) -> list[float]:
    """Milliseconds of every request that `CLIENTS` connections began within `seconds`."""
    times: list[float] = []
    bodies = [requests(spans) for _ in range(CLIENTS)]
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        wire = await Wire.open(floor.port)
        while time.perf_counter() < end:
            started = time.perf_counter()
            await send(wire, keys[number % len(keys)], next(bodies[number]))
            answered = time.perf_counter()
            times.append((answered - started) * 1000 if answered < end else LATE)
        wire.close()

    await asyncio.gather(*(client(n) for n in range(CLIENTS)))
    return times


async def send(wire: Wire, key: str, body: bytes) -> None:
    status, told = await wire.ask(
        "POST", "/v1/traces", key=key, body=body, content_type="application/x-protobuf"
    )
    assert (status, told) == (200, b""), (status, told)


def prove_judging(floor: Floor) -> None:
    """The same two items six times trip a breaker that allows five, before the last answer."""
    made, key = agents.create("looping", team=team(), by="bench")
    asyncio.run(one_by_one(floor, key, list(islice(requests(1, item=b"the same"), 12))))
    assert Trip.objects.filter(agent=made).exists(), "six tries of one item did not trip"


async def one_by_one(floor: Floor, key: str, bodies: list[bytes]) -> None:
    wire = await Wire.open(floor.port)
    for body in bodies:
        await send(wire, key, body)
    wire.close()


def requests(spans: int, item: bytes = b"") -> Iterator[bytes]:
    """Bodies of which no span is like another; a trace has 100, whether they come together or one by one.

    Half of the spans are inferences, half are tool calls.
    """
    wholes = [request(spans, at=n) for n in range(2 if spans == 1 else 1)]
    for n in count():
        if n * spans % OF_TRACE == 0:
            trace = os.urandom(16)
        token = item.ljust(len(TOKEN)) if item else os.urandom(5).hex().encode()
        body = wholes[n % len(wholes)].replace(TRACE, trace).replace(TOKEN, token)
        yield body.replace(FIRST, os.urandom(8))


def request(spans: int, at: int = 0) -> bytes:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    service = group.resource.attributes.add()
    service.key, service.value.string_value = "service.name", "triage"
    into = group.scope_spans.add()
    now = time.time_ns()
    for n in range(at, at + spans):
        span = into.spans.add(
            trace_id=TRACE,
            span_id=FIRST if n == at else os.urandom(8),
            parent_span_id=b"\x22" * 8,
            name="execute_tool search" if n % 2 else "chat gpt-5.2",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 250_000_000,
        )
        for key, value in (tool if n % 2 else inference)(f"{TOKEN.decode()} {n}").items():
            attribute = span.attributes.add()
            attribute.key = key
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = value
    return made.SerializeToString()


def inference(said: str) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.2",
        "gen_ai.response.model": "gpt-5.2-2026-08-01",
        "gen_ai.response.id": "chatcmpl-9J3uyL1qTyeJj8ErKxR",
        "gen_ai.conversation.id": "thread-7",
        "gen_ai.usage.input_tokens": 812,
        "gen_ai.usage.output_tokens": 64,
        "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{said}"}}]}}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"card_arrival"}]}]',
    }


def tool(said: str) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "triage",
        "gen_ai.conversation.id": "thread-7",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": f'{{"query":"{said}","limit":10}}',
        "gen_ai.tool.call.result": '{"hits":[{"id":"faq-12","title":"When will my card arrive?"}]}',
    }
