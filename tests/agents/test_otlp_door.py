"""The OTLP door over real HTTP: what the OpenTelemetry SDK sends becomes actions of the right run."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from agents.hot import otlp
from agents.models import Account, Action, Agent, Breaker, Bucket, Budget, Price, Run, Trip
from agents.transitions import agent as agents
from agents.transitions import run as runs
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from tests.agents.spans import JSON, PROTOBUF, TRACE, as_json, protobuf, span
from tests.agents.test_otlp_dialects import GENAI, GENAI_TOOL, OPENINFERENCE
from tests.cast import Door


def now_ns(ago_s: float = 0) -> int:
    return int((timezone.now().timestamp() - ago_s) * 1e9)


in_both = pytest.mark.parametrize("http", ["here", "in children"], indirect=True)
"""Spans are stored by the web process itself, and by its children."""


@pytest.fixture
def http(
    live: str,
    scout_with_key: tuple[Agent, str],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[httpx.Client]:
    if getattr(request, "param", "here") == "in children":
        monkeypatch.setattr(otlp.ingest, "children", request.getfixturevalue("children"))
    headers = {"Authorization": f"Bearer {scout_with_key[1]}"}
    with httpx.Client(base_url=live, headers=headers, timeout=30) as client:
        yield client


def asking(n: int) -> dict[str, Any]:
    """An inference that is none of the others."""
    return GENAI | {"gen_ai.input.messages": f"mail {n}"}


def send(http: httpx.Client, *spans: Any, **headers: str) -> httpx.Response:
    return http.post(
        "/v1/traces", content=protobuf(*spans), headers={"Content-Type": PROTOBUF} | headers
    )


def recent(attributes: dict[str, Any], **more: Any) -> Any:
    return span(attributes, start=now_ns(1), **more)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_sdk_exports_a_trace_as_a_run(
    live: str, scout_with_key: tuple[Agent, str], compression: Compression
) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"{live}/v1/traces",
        headers={"Authorization": f"Bearer {scout_with_key[1]}"},
        compression=compression,
    )
    provider = TracerProvider(resource=Resource({"service.name": "triage"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    with tracer.start_as_current_span("invoke_agent Ada", attributes={"session.id": "s-1"}) as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        tracer.start_span("chat", attributes=GENAI).end()
        failing = tracer.start_span("execute_tool search", attributes=GENAI_TOOL)
        failing.set_status(Status(StatusCode.ERROR, "no index"))
        failing.end()
    provider.shutdown()

    run = Run.objects.get()
    assert (run.name, run.state, run.agent) == ("invoke_agent Ada", "completed", scout_with_key[0])
    assert run.metadata["session_id"] == "s-1"
    assert (run.actions_count, run.failures_count) == (2, 1)
    assert (run.input_tokens, run.output_tokens) == (800, 60)
    model, tool = run.actions.order_by("created_at", "kind")
    assert (model.kind, model.state, model.cached_tokens) == ("model", "succeeded", 500)
    assert (tool.kind, tool.state) == ("tool", "failed")
    assert (tool.error or {})["message"] == "no index"
    assert not tool.gated
    kinds = list(Entry.objects.order_by("id").values_list("kind", flat=True))
    assert kinds[-3:] == ["run.started", "actions.observed", "run.completed"]


@in_both
def test_json_is_taken_and_answered_in_json(http: httpx.Client) -> None:
    body = json.dumps(as_json(recent(GENAI), recent(GENAI_TOOL, n=2))).encode()

    told = http.post(
        "/api/v1/otlp/v1/traces",
        content=gzip.compress(body),
        headers={"Content-Type": f"{JSON}; charset=utf-8", "Content-Encoding": "gzip"},
    )

    assert (told.status_code, told.json()) == (200, {})
    assert told.headers["content-type"] == JSON
    assert Action.objects.count() == 2


@in_both
def test_spans_may_come_again_in_other_company(http: httpx.Client) -> None:
    one, two, three = (recent(GENAI, n=n) for n in (1, 2, 3))

    send(http, one, two)
    send(http, two, two, three)
    told = send(http, one)

    assert (told.status_code, told.content) == (200, b"")
    run = Run.objects.get()
    assert (run.actions_count, run.input_tokens) == (3, 2400)
    assert (
        sum(Bucket.objects.filter(owner=run.agent_id, width=10).values_list("actions", flat=True))
        == 3
    )


@in_both
def test_late_spans_are_added_to_a_run_that_is_over(http: httpx.Client) -> None:
    send(http, recent({"openinference.span.kind": "AGENT"}, parent=None, failed="gave up"))

    send(http, recent(GENAI, n=2))

    run = Run.objects.get()
    assert (run.state, run.error, run.actions_count) == ("failed", "gave up", 1)


def test_a_named_run_takes_the_spans_and_keeps_its_own_end(http: httpx.Client, run: Run) -> None:
    named = {"watchfloor.run.id": str(run.pk)}

    send(http, recent(GENAI | named), recent(GENAI | named, n=2, parent=None))

    run.refresh_from_db()
    assert (run.actions_count, run.state, run.name) == (2, "running", "nightly")
    assert Run.objects.count() == 1


@in_both
def test_a_run_of_somebody_else_is_not_written_to(http: httpx.Client, eve: Person) -> None:
    other, _ = agents.create("other", team=Team.objects.get(name="elsewhere"), by="test")
    theirs, _ = runs.start(other, name="theirs")

    send(http, recent(GENAI | {"watchfloor.run.id": str(theirs.pk)}))

    theirs.refresh_from_db()
    assert theirs.actions_count == 0
    assert Run.objects.get(key=f"trace:{TRACE:032x}").actions_count == 1


def test_a_span_about_a_proposed_action_is_that_action(
    http: httpx.Client, door: Door, settings: Any
) -> None:
    settings.WATCHFLOOR_TRACE_URL = "https://traces.example/t/{trace_id}"
    named = {"watchfloor.run.id": str(door.run.pk)}
    first = door.propose("call_1", arguments={"query": "card"}).json()["action"]["id"]
    second = door.propose("b").json()["action"]["id"]

    send(
        http,
        recent(GENAI_TOOL | named),
        recent({"gen_ai.tool.name": "x", "watchfloor.action.id": second} | named, n=2),
    )

    assert Action.objects.count() == 2
    url = f"https://traces.example/t/{TRACE:032x}"
    assert [Action.objects.get(pk=pk).trace_url for pk in (first, second)] == [url, url]
    assert Run.objects.get().trace_url == url


def test_what_a_terminated_run_still_did_is_kept_and_marked(
    http: httpx.Client, run: Run, ada: Person
) -> None:
    runs.terminate(run, by=ada, reason="enough")
    named = {"watchfloor.run.id": str(run.pk)}

    told = send(
        http, span(GENAI | named, start=now_ns(-1)), span(GENAI | named, n=2, start=now_ns(60))
    )

    assert told.status_code == 200
    assert set(Action.objects.values_list("code", flat=True)) == {"after_stop", ""}
    run.refresh_from_db()
    assert (run.actions_count, run.state) == (2, "terminated")


@in_both
def test_failures_in_spans_trip_and_ask_a_person(http: httpx.Client, scout: Agent) -> None:
    told = send(http, *(recent(asking(n), n=n, failed="down") for n in range(1, 13)))

    assert told.status_code == 200
    scout.refresh_from_db()
    assert scout.is_paused
    trip = Trip.objects.get()
    assert trip.condition == "errors"
    assert Hold.objects.filter(kind="trip").count() == 1
    assert len(trip.evidence["actions"]) >= 10
    assert Action.objects.count() == 12


@in_both
def test_the_same_words_to_a_model_again_and_again_trip(http: httpx.Client, scout: Agent) -> None:
    for n in range(1, 7):
        send(http, recent(OPENINFERENCE, n=n, trace=n))

    scout.refresh_from_db()
    assert scout.is_paused
    assert Trip.objects.get().condition == "repeats"


def test_what_happened_long_ago_trips_nothing(http: httpx.Client, scout: Agent) -> None:
    old = [span(OPENINFERENCE, n=n, start=now_ns(7200), failed="down") for n in range(1, 30)]

    send(http, *old)

    scout.refresh_from_db()
    assert not scout.is_paused
    assert Run.objects.get().failures_count == 29


def test_a_paused_agents_spans_are_kept(http: httpx.Client, scout: Agent, otto: Person) -> None:
    agents.stop(scout, by=otto, reason="wait")

    told = send(http, *(recent(GENAI, n=n, failed="down") for n in range(1, 15)))

    assert told.status_code == 200
    assert Trip.objects.count() == 1
    assert Action.objects.count() == 14


@pytest.mark.parametrize("path", ["/v1/traces", "/api/v1/otlp/v1/traces"])
def test_a_wrong_key_stores_nothing(live: str, path: str, scout: Agent) -> None:
    for headers in ({}, {"Authorization": "Bearer wf_wrong"}):
        told = httpx.post(
            f"{live}{path}",
            content=protobuf(recent(GENAI)),
            headers={"Content-Type": PROTOBUF} | headers,
        )
        assert told.status_code == 401
        assert told.headers["content-type"] == PROTOBUF
        assert b"key" in told.content
    assert not Run.objects.exists()


@in_both
def test_a_key_stores_nothing_from_the_moment_it_is_revoked(
    http: httpx.Client, scout: Agent, otto: Person
) -> None:
    send(http, recent(GENAI))

    agents.revoke_key(scout.keys.get(), by=otto)
    told = send(http, recent(GENAI, n=2))
    empty = http.post("/v1/traces", content=b"", headers={"Content-Type": PROTOBUF})

    assert (told.status_code, empty.status_code) == (401, 401)
    assert Action.objects.count() == 1


@in_both
def test_what_cannot_be_stored_is_counted_and_the_rest_is_stored(http: httpx.Client) -> None:
    bad = recent(GENAI_TOOL | {"gen_ai.tool.name": "t" * 201}, n=2)

    answer = send(http, recent(GENAI), bad)
    told = ExportTraceServiceResponse.FromString(answer.content)
    in_json = http.post("/v1/traces", json=as_json(bad))

    assert answer.status_code == 200
    assert told.partial_success.rejected_spans == 1
    assert "200 characters" in told.partial_success.error_message
    assert in_json.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert Action.objects.count() == 1


@in_both
def test_what_only_the_database_refuses_spoils_nothing_else(http: httpx.Client) -> None:
    spans = [recent(asking(n), n=n) for n in range(1, 9)]
    hostile = recent(GENAI_TOOL | {"gen_ai.tool.name": "unheard-of"}, n=99)
    with connection.cursor() as cursor:
        cursor.execute("alter table agents_action add constraint odd check (tool <> 'unheard-of')")
    try:
        answer = send(http, *spans[:4], hostile, *spans[4:])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table agents_action drop constraint odd")

    assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 1
    assert Action.objects.count() == 8
    assert Run.objects.get().actions_count == 8


@in_both
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {"Content-Type": JSON}, 400),
        (b"\xff\xff", {"Content-Type": PROTOBUF}, 400),
        (b"no gzip", {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 100)[:30], {"Content-Type": JSON, "Content-Encoding": "gzip"}, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {}, 415),
        (b"", {"Content-Type": PROTOBUF, "Content-Encoding": "br"}, 415),
        (b"\n" * (20 * 2**20 + 1), {"Content-Type": JSON}, 413),
        (
            gzip.compress(b" " * (200 * 2**20)),
            {"Content-Type": JSON, "Content-Encoding": "gzip"},
            413,
        ),
    ],
    ids=[
        "json",
        "protobuf",
        "gzip",
        "half gzip",
        "text",
        "nothing said",
        "brotli",
        "large",
        "bomb",
    ],
)
def test_what_is_no_export_is_refused(
    http: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    told = http.post("/v1/traces", content=body, headers=headers)

    assert told.status_code == status
    assert not Run.objects.exists()


@in_both
def test_an_empty_export_is_fine(http: httpx.Client) -> None:
    told = http.post("/v1/traces", content=b"", headers={"Content-Type": PROTOBUF})

    assert (told.status_code, told.content) == (200, b"")
    assert http.get("/v1/traces").status_code == 405


def test_who_comes_when_too_much_waits_is_told_when_to_come_again(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "MOST_HELD", -1)

    told = send(http, recent(GENAI))

    assert (told.status_code, told.headers["retry-after"]) == (429, "1")


@in_both
def test_an_agent_that_stays_locked_costs_others_nothing(
    http: httpx.Client, live: str, ada: Person, scout: Agent
) -> None:
    _, key = agents.create("other", team=scout.team, by="test")
    answers: list[int] = []

    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Agent.objects.select_for_update().get(pk=scout.pk)
            locked.set()
            release.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(10)
    stuck = threading.Thread(target=lambda: answers.append(send(http, recent(GENAI)).status_code))
    stuck.start()

    other = httpx.post(
        f"{live}/v1/traces",
        content=protobuf(recent(GENAI, trace=7)),
        headers={"Content-Type": PROTOBUF, "Authorization": f"Bearer {key}"},
        timeout=30,
    )
    stuck.join(30)
    release.set()
    holder.join(30)

    assert other.status_code == 200
    assert answers == [503]
    assert send(http, recent(GENAI)).status_code == 200


def test_buckets_know_when_things_happened(http: httpx.Client, scout: Agent) -> None:
    hour_ago = now_ns(3600)

    send(http, span(GENAI, start=hour_ago), recent(GENAI, n=2))

    slots = Bucket.objects.filter(owner=scout.pk, width=3600).order_by("slot")
    assert [(b.actions, b.finished, b.tokens) for b in slots] == [(1, 1, 860), (1, 1, 860)]
    first = Action.objects.order_by("created_at")[0]
    assert timezone.now() - first.created_at > timedelta(minutes=59)


STRANGE = [
    '"',
    "\a",
    "\a\a,\a",
    "\\",
    "\\N",
    "\\.",
    "\n\\.\n",
    "a\tb",
    "\r\n",
    ",",
    "'",
    "{,}",
    "\x01",
    "\u202e",
    "🦊",
    " ",
]


@pytest.mark.parametrize("at_once", [1, 4 * len(STRANGE)], ids=["one by one", "many"])
def test_every_text_is_stored_as_it_came(http: httpx.Client, at_once: int) -> None:
    """A few are inserted, many are copied."""
    texts = STRANGE * 4
    spans = [
        recent(
            GENAI_TOOL
            | {
                "gen_ai.tool.name": f"tool {text}",
                "watchfloor.subject": text,
                "gen_ai.tool.call.arguments": text,
                "gen_ai.tool.call.result": json.dumps({"said": text}, ensure_ascii=False),
            },
            n=n,
            failed=text,
        )
        for n, text in enumerate(texts, start=1)
    ]

    for first in range(0, len(spans), at_once):
        answer = send(http, *spans[first : first + at_once])
        assert answer.content == b""

    assert Entry.objects.filter(kind="actions.observed").count() == len(spans) // at_once
    stored = {action.call_id.split(".")[1]: action for action in Action.objects.all()}
    for n, text in enumerate(texts, start=1):
        one = stored[f"{n:016x}"]
        assert (one.tool, one.subject) == (f"tool {text}", text)
        assert (one.arguments["input"], one.result) == (text, {"said": text})
        assert one.error is not None
        assert one.error["message"] == text
        assert (one.reason, one.decided_by, one.estimated_tokens) == ("", "", 0)


def test_times_are_kept_to_the_microsecond(http: httpx.Client) -> None:
    start = now_ns(60) // 10**9 * 10**9 + 1_234_567

    send(http, *(span(asking(n), n=n, start=start, took_ms=1) for n in range(1, 20)))

    for action in Action.objects.all():
        began = (action.created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert began == start // 1000
        assert action.claimed_at == action.created_at
        assert action.settled_at == action.created_at + timedelta(milliseconds=1)


@in_both
def test_the_entry_proves_the_rows(http: httpx.Client) -> None:
    send(http, *(recent(asking(n), n=n) for n in range(1, 8)))
    send(http, recent(asking(8), n=8))

    run = Run.objects.get()
    for entry in Entry.objects.filter(kind="actions.observed"):
        with connection.cursor() as cursor:
            cursor.execute(PROOF, [run.pk, entry.data["first"], entry.data["last"]])
            assert cursor.fetchone() == (entry.data["sha256"], entry.data["count"])


PROOF = """
select encode(sha256(string_agg(format(E'%%s %%s %%s %%s %%s\\n', id, call_id, encode(digest, 'hex'),
       state, input_tokens + output_tokens), '' order by id)::bytea), 'hex'), count(*)
  from agents_action where run_id = %s and id between %s and %s and not gated
"""
"""As docs/telemetry.md has it."""


def test_what_nobody_said_the_cost_of_is_priced(http: httpx.Client) -> None:
    Price.objects.create(
        name="gpt-5.2*",
        input=Decimal(10),
        output=Decimal(20),
        cached_input=Decimal(1),
        valid_from=timezone.now() - timedelta(days=1),
        by="test",
    )

    send(http, recent(GENAI), recent(asking(2) | {"llm.cost.total": 0.5}, n=2))

    priced, reported = Action.objects.order_by("call_id")
    assert (priced.cost_usd, priced.cost_source) == (Decimal("0.0047"), "priced")
    assert (reported.cost_usd, reported.cost_source) == (Decimal("0.5"), "reported")
    assert Run.objects.get().cost_usd == Decimal("0.5047")


@in_both
def test_spans_use_up_a_budget_and_stop_the_agent(http: httpx.Client, scout: Agent) -> None:
    Budget.objects.create(
        team=scout.team, agent=scout, name="Day", scope="agent", period="day", limit=Decimal(1)
    )

    send(http, recent(asking(1) | {"llm.cost.total": 0.6}, n=1))
    scout.refresh_from_db()
    before = scout.is_paused
    send(http, recent(asking(2) | {"llm.cost.total": 0.6}, n=2))

    scout.refresh_from_db()
    assert (before, scout.is_paused) == (False, True)
    assert "Day" in Trip.objects.get().reason
    assert Account.objects.get().spent == Decimal("1.2")
    assert Action.objects.get(call_id__endswith="2").accounts == [Account.objects.get().pk]


def test_traces_that_begin_too_often_stop_the_agent(http: httpx.Client, scout: Agent) -> None:
    Breaker.objects.create(
        agent=scout, condition="often", limit=Decimal(2), window=timedelta(hours=1)
    )

    send(http, *(recent(asking(n), n=n, trace=n) for n in (1, 2)))
    scout.refresh_from_db()
    before = scout.is_paused
    send(http, recent(asking(3), n=3, trace=3), span(asking(4), n=4, trace=4, start=now_ns(9000)))

    scout.refresh_from_db()
    assert (before, scout.is_paused) == (False, True)
    assert Trip.objects.get().condition == "often"
    assert Run.objects.count() == 4
