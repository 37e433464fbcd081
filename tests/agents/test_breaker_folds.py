"""One live, all in a batch, and again from what was kept: three ways to judge, one answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.api.shapes import Observation
from agents.models import Agent, Breaker, Run, Trip
from agents.models.breaker import Scope
from agents.rules.breakers.evidence import rerun
from agents.shapes import Failure, Propose, Proposed, Settle
from agents.transitions import action as actions
from agents.transitions import observation as observations
from agents.transitions import run as runs


@dataclass(frozen=True)
class Deed:
    """One thing that an agent does."""

    tool: str
    item: str
    failed: bool
    malformed: bool
    cost: Decimal
    took_ms: int

    @property
    def kind(self) -> str:
        return "model" if self.tool == "model" else "tool"

    @property
    def error(self) -> dict[str, str] | None:
        named = "malformed_output" if self.malformed else "TimeoutError"
        return {"type": named, "message": "no"} if self.failed else None


deeds = st.lists(
    st.builds(
        Deed,
        tool=st.sampled_from(["search", "model"]),
        item=st.sampled_from(["a", "b", "c"]),
        failed=st.booleans(),
        malformed=st.booleans(),
        cost=st.sampled_from([Decimal(0), Decimal("0.25"), Decimal(2)]),
        took_ms=st.sampled_from([5, 3_000]),
    ),
    min_size=1,
    max_size=14,
)
limits = st.fixed_dictionaries(
    {
        "repeats": st.integers(1, 6),
        "loop": st.integers(2, 6),
        "errors": st.integers(1, 8),
        "failure_rate": st.integers(30, 90),
        "slow": st.integers(1, 6),
        "spend": st.integers(1, 9),
        "malformed": st.integers(1, 4),
    }
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(did=deeds, wanted=limits, shadow=st.sampled_from([None, "errors", "loop", "malformed"]))
def test_live_in_a_batch_and_rerun_agree(
    scout_with_key: tuple[Agent, str],
    did: list[Deed],
    wanted: dict[str, int],
    shadow: str | None,
) -> None:
    scout, key = scout_with_key
    seen = []
    for way in (proposed_and_settled, reported_singly, reported_at_once):
        with transaction.atomic():
            Breaker.objects.all().delete()
            Trip.objects.all().delete()
            watch(scout, wanted, shadow)
            run = runs.start(scout, name="nightly")[0]

            seen.append(way(run, key, did))

            for trip in Trip.objects.all():
                expect_explained(trip)
            transaction.set_rollback(True)
    assert seen[0] == seen[1] == seen[2]


def watch(scout: Agent, wanted: dict[str, int], shadow: str | None) -> None:
    for condition, limit in wanted.items():
        Breaker.objects.create(
            agent=scout,
            condition=condition,
            unit="usd" if condition == "spend" else "",
            scope=Scope.AGENT,
            state="shadow" if condition == shadow else "closed",
            limit=limit,
            minimum=4,
            threshold=1,
            window=timedelta(minutes=5),
        )


def expect_explained(trip: Trip) -> None:
    """What was kept of a trip trips again, with the same words."""
    kept = msgspec.json.decode(msgspec.json.encode(trip.evidence["judged"]))
    again = rerun(kept)
    assert isinstance(again, list)
    assert [one.verdict.reason for one in again] == [trip.reason]
    assert again[0].verdict.value == pytest.approx(trip.value)


def proposed_and_settled(run: Run, key: str, did: list[Deed]) -> int | None:
    """Which deed stopped the agent: one by one through propose and settle."""
    hashed = sha256(key.encode()).digest()
    for at, one in enumerate(did):
        asked = Propose(
            call_id=f"{at}",
            claim_id="c",
            tool=one.tool,
            subject=one.item,
            kind=one.kind,  # type: ignore[arg-type]
        )
        judgement, told = actions.propose(hashed, run.pk, Proposed.of(asked))
        if judgement.admission == "allowed":
            report = Settle(
                outcome="failed" if one.failed else "succeeded",
                claim_id="c",
                cost_usd=one.cost,
                duration_ms=one.took_ms,
                error=Failure(**one.error) if one.error else None,
            )
            actions.settle(hashed, msgspec.json.decode(told)["action"]["id"], report)
        if stopped():
            return at
    return None


def reported_singly(run: Run, key: str, did: list[Deed]) -> int | None:
    for at, one in enumerate(did):
        observations.add(run, [observation(at, one)])
        if stopped():
            return at
    return None


def reported_at_once(run: Run, key: str, did: list[Deed]) -> int | None:
    observations.add(run, [observation(at, one) for at, one in enumerate(did)])
    trip = Trip.objects.filter(is_shadow=False).first()
    return None if trip is None else int(call_of(trip))


def call_of(trip: Trip) -> str:
    return str(trip.agent.actions.get(pk=trip.evidence["action"]).call_id)


def stopped() -> bool:
    return Trip.objects.filter(is_shadow=False).exists()


def observation(at: int, one: Deed) -> Any:
    return Observation.model_validate(
        {
            "id": f"{at}",
            "tool": one.tool,
            "subject": one.item,
            "kind": one.kind,
            "outcome": "failed" if one.failed else "succeeded",
            "cost_usd": one.cost,
            "duration_ms": one.took_ms,
            "error": one.error,
        }
    )
