"""How breakers are read: whatever a house has grown to, and as JSON that is put together by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from agents.batches import CAREFULLY
from agents.models import Agent, Breaker, BreakerState, Bucket, Run
from agents.rules.facts import BreakerFacts
from agents.weighing import breakers_decoder
from agents.weighing.facts import Listed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REPORTED = "select breakers from agents_report_breakers(%s, %s, %s, %s, '')"


def test_the_week_before_is_read_of_its_owner_however_small_the_table_was(run: Run) -> None:
    plan = explained(REPORTED, [run.agent_id, run.agent.team_id, run.pk, NOW])

    assert "agents_bucket_pkey" in plan
    assert "bucket_age" not in plan


def test_a_breaker_is_written_in_the_order_in_which_it_is_read(scout: Agent, run: Run) -> None:
    kept = Breaker.objects.get(agent=scout, condition="errors")
    kept.state, kept.run = BreakerState.HALF_OPEN, run
    kept.scope, kept.window = "run", timedelta(seconds=90.5)
    kept.reset_at = datetime(2026, 11, 21, 11, 0, 0, 123_456, tzinfo=UTC)
    kept.probation_until = NOW + timedelta(days=1)
    kept.extra, kept.extra_until = Decimal("0.5"), NOW + timedelta(minutes=1)
    kept.generation, kept.minimum, kept.threshold = 7, 14, Decimal("0.25")
    kept.probes_allowed, kept.probes_leased, kept.probes_succeeded = 11, 12, 13
    kept.save()
    slot = int(NOW.timestamp()) // 10
    Bucket.objects.create(owner=run.pk, width=10, slot=slot, finished=5, failures=3)

    told = next(one for one in reported(run) if one.id == str(kept.pk))

    assert told == Listed(
        id=str(kept.pk),
        condition="errors",
        unit="",
        scope="run",
        run_id=str(run.pk),
        state="half_open",
        limit=kept.limit + Decimal("0.5"),
        window_s=90.5,
        value=Decimal(3),
        generation=7,
        probes_allowed=11,
        probes_leased=12,
        probes_succeeded=13,
        probation_until=kept.probation_until,
        minimum=14,
        threshold=Decimal("0.25"),
        volume=5,
        reset_at=kept.reset_at,
    )


def test_without_breakers_there_is_an_empty_list(scout: Agent, run: Run) -> None:
    Breaker.objects.filter(agent=scout).delete()

    assert reported(run) == []


def reported(run: Run) -> list[BreakerFacts]:
    with connection.cursor() as cursor:
        cursor.execute(REPORTED, [run.agent_id, run.agent.team_id, run.pk, NOW])
        [(text,)] = cursor.fetchall()
    return breakers_decoder.decode(text)


@transaction.atomic
def explained(sql: str, values: list[Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(CAREFULLY)
        cursor.execute(f"explain (costs off) {sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())
