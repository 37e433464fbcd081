"""Random spans, sent in any order and as often as anyone likes: stored once, sums exact, judged as one by one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Action, Agent, Bucket, Run
from agents.otlp.reading import read
from agents.rules.breakers.batch import BatchWatch, Shared, Sums
from agents.rules.facts import BreakerFacts, Event
from agents.transitions import telemetry
from agents.transitions.telemetry import Told
from agents.transitions.watching import NOTHING
from tests.agents.spans import PROTOBUF, protobuf, span

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@st.composite
def spans(draw: st.DrawFn) -> dict[str, Any]:
    """One span's facts: which, of which trace, what it cost."""
    return {
        "n": draw(st.integers(1, 12)),
        "trace": draw(st.integers(1, 3)),
        "tokens": draw(st.integers(0, 1000)),
        "cents": draw(st.integers(0, 50)),
        "failed": draw(st.booleans()),
        "tool": draw(st.booleans()),
        "ago_s": draw(st.integers(0, 7200)),
    }


def as_span(facts: dict[str, Any], now: datetime) -> Any:
    sort = {"gen_ai.tool.name": "search"} if facts["tool"] else {"gen_ai.request.model": "m"}
    return span(
        {"gen_ai.usage.input_tokens": facts["tokens"], "llm.cost.total": facts["cents"] / 100}
        | sort,
        n=facts["n"],
        trace=facts["trace"],
        start=int(now.timestamp() - facts["ago_s"] - 1) * 10**9,
        failed="broken" if facts["failed"] else None,
    )


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_spans_are_stored_once_and_sums_are_exact(scout: Agent, data: st.DataObject) -> None:
    Action.objects.all().delete()
    Run.objects.all().delete()
    Bucket.objects.all().delete()
    made = data.draw(
        st.lists(spans(), min_size=1, max_size=20, unique_by=lambda s: (s["n"], s["trace"]))
    )
    order = data.draw(st.lists(st.sampled_from(made), max_size=40)) + made
    now = datetime.now(UTC)
    wires = [as_span(facts, now) for facts in order]

    while wires:
        requests = data.draw(st.integers(1, 3))
        batch = []
        for _ in range(requests):
            size = data.draw(st.integers(1, 6))
            part, wires = wires[:size], wires[size:]
            if part:
                export = read(protobuf(*part), PROTOBUF, now_ns=int(now.timestamp() * 1e9))
                batch.append(Told(scout.pk, export))
        telemetry.store(batch)

    models = [one for one in made if not one["tool"]]
    assert Action.objects.count() == len(made)
    assert Run.objects.count() == len({one["trace"] for one in made})
    of_runs = Run.objects.aggregate(
        actions=Sum("actions_count"), failures=Sum("failures_count"), tokens=Sum("input_tokens")
    )
    assert of_runs == {
        "actions": len(made),
        "failures": sum(one["failed"] for one in made),
        "tokens": sum(one["tokens"] for one in models),
    }
    for width in (10, 3600):
        of_slots = Bucket.objects.filter(owner=scout.pk, width=width)
        sums = of_slots.aggregate(
            actions=Sum("actions"), tokens=Sum("tokens"), cost=Sum("cost_usd")
        )
        assert sums["actions"] == len(made)
        assert sums["tokens"] == of_runs["tokens"]
        assert sums["cost"] == sum(Decimal(one["cents"]) / 100 for one in models)


CONDITIONS = (
    "repeats",
    "loop",
    "errors",
    "failure_rate",
    "drop",
    "slow",
    "spend",
    "malformed",
    "unusual",
)


@st.composite
def breakers(draw: st.DrawFn) -> BreakerFacts:
    return BreakerFacts(
        id=str(draw(st.integers(1, 10**6))),
        condition=draw(st.sampled_from(CONDITIONS)),
        unit=draw(st.sampled_from(["tokens", "usd"])),
        scope=draw(st.sampled_from(["run", "agent"])),
        run_id=None,
        state=draw(st.sampled_from(["closed", "half_open", "shadow", "open"])),
        limit=Decimal(draw(st.integers(1, 60))),
        window_s=600.0,
        value=Decimal(draw(st.integers(0, 40))),
        generation=1,
        probes_allowed=1,
        probes_leased=0,
        probes_succeeded=0,
        probation_until=None,
        minimum=draw(st.integers(0, 10)),
        threshold=Decimal(draw(st.integers(0, 60))),
        volume=draw(st.integers(0, 40)),
        base=draw(st.integers(0, 10)),
        base_volume=draw(st.integers(10, 40)),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    failed = draw(st.booleans())
    step = draw(st.integers(0, 3))
    return Event(
        "observed",
        tool=draw(st.sampled_from(["a", "b"])),
        item=draw(st.sampled_from(["x", "y", "z"])),
        failed=failed,
        malformed=failed and draw(st.booleans()),
        tokens=draw(st.integers(0, 3)),
        cost_usd=Decimal(draw(st.integers(0, 3))),
        duration_ms=draw(st.integers(0, 90_000)),
        fingerprint=bytes([step]) * 8 if step else b"",
        kind=draw(st.sampled_from(["model", "tool"])),
        at=AT,
    )


def sums_of(report: list[Event], watching: BatchWatch, before: Counter[str]) -> Sums:
    from agents.rules.breakers import loops

    alike = Counter(one.fingerprint[: loops.KEPT] for one in report if one.fingerprint)
    alike.update(loops.split(watching.steps))
    return Sums(
        events=len(report),
        failures=sum(one.failed for one in report),
        malformed=sum(one.malformed for one in report),
        tokens=sum(one.tokens for one in report),
        cost_usd=sum((one.cost_usd for one in report), NOTHING),
        most_tries=watching.most_tries(Counter((one.item, one.tool) for one in report)),
        longest_ms=max(one.duration_ms or 0 for one in report),
        uses=before[""],
        fewest_uses=min(before[one.tool] for one in report),
        most_alike=max(alike.values(), default=0),
    )


def in_turn(report: list[Event], before: Counter[str]) -> list[Event]:
    """Each event knowing how often the agent acted before it."""
    from msgspec.structs import replace

    uses, told = Counter(before), []
    for one in report:
        told.append(replace(one, uses=uses[""], tool_uses=uses[one.tool]))
        uses.update(("", one.tool))
    return told


@settings(max_examples=600, deadline=None)
@given(
    found=st.lists(breakers(), max_size=4, unique_by=lambda one: one.id),
    report=st.lists(events(), min_size=1, max_size=12),
    history=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_a_report_that_is_counted_as_a_whole_would_have_opened_nothing(
    found: list[BreakerFacts], report: list[Event], history: tuple[int, int]
) -> None:
    before = Counter({"a": history[0], "b": history[1], "": sum(history)})
    report = in_turn(report, before)
    whole, single = (
        BatchWatch(found, Shared({}), now=AT + timedelta(minutes=1), steps=b"", tries={})
        for _ in range(2)
    )

    calm = whole.stays_calm(sums_of(report, whole, before))
    opened = [tripped for one in report for tripped in single.step(one)]

    if calm:
        assert opened == []


@settings(max_examples=300, deadline=None)
@given(
    found=st.lists(breakers(), max_size=4, unique_by=lambda one: one.id),
    first=st.lists(events(), min_size=1, max_size=8),
    then=st.lists(events(), min_size=1, max_size=8),
)
def test_what_was_counted_as_a_whole_counts_for_the_next_run_of_the_batch(
    found: list[BreakerFacts], first: list[Event], then: list[Event]
) -> None:
    found = [
        one for one in found if one.scope == "agent" and one.condition not in ("loop", "unusual")
    ]
    whole, single = Shared({}), Shared({})
    watching, slow = (
        BatchWatch(found, shared, now=AT + timedelta(minutes=1), steps=b"", tries={})
        for shared in (whole, single)
    )
    sums = sums_of(first, watching, Counter())
    if not watching.stays_calm(sums):
        return
    watching.skip(sums, Counter((one.item, one.tool) for one in first))
    for one in first:
        slow.step(one)

    after, expected = (
        BatchWatch(found, shared, now=AT + timedelta(minutes=1), steps=b"", tries={})
        for shared in (whole, single)
    )

    assert [after.step(one) for one in then] == [expected.step(one) for one in then]
