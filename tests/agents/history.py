"""Random histories of one agent, lived through the very statements that the doors run, at any time of day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import connection

from agents import statements as sql
from agents.admissions import FACTS, facts_wanted
from agents.models import Agent, Run
from agents.rules.facts import BreakerFacts
from agents.rules.prices import PriceBook
from agents.shapes import Failure, Propose, Proposed, Settle
from agents.transitions import asking
from agents.transitions.action import policies_of
from agents.transitions.rows import first
from agents.weighing import Seen, breakers_decoder, weigh_proposal, weigh_settlement

REPORTED = "select agents_breakers_json(%(agent)s, %(team)s, %(run)s, %(now)s)"
PROPOSED = "select * from agents_proposal_breakers(%(agent)s, %(team)s, %(run)s, %(item)s, %(tool)s, %(now)s)"


@dataclass
class Lived:
    """One action as the test knows it."""

    at: datetime
    tool: str
    item: str
    reserved: Decimal
    run: UUID
    id: Any = None
    ended_at: datetime | None = None
    cost: Decimal = Decimal(0)
    failed: bool = False
    malformed: bool = False
    took_ms: int = 0
    kind: str = "tool"


@dataclass
class Past:
    """What the agent did, in order; `now` moves on only when told to."""

    agent: Agent
    key: str
    now: datetime
    actions: list[Lived] = field(default_factory=list)

    @property
    def hashed(self) -> bytes:
        return sha256(self.key.encode()).digest()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def propose(
        self, run: Run, *, tool: str, item: str, reserved: Decimal, kind: str = "tool"
    ) -> Lived:
        request = Propose(
            call_id=uuid4().hex,
            claim_id="c",
            tool=tool,
            subject=item,
            kind=kind,  # type: ignore[arg-type]
            estimated_cost_usd=reserved,
        )
        proposed = Proposed.of(request)
        asked = facts_wanted([(self.hashed, run.pk, proposed)])
        row = first(FACTS, **asked, lock=True, wait=True)
        row = self._as_of(row, run, item=proposed.item, tool=tool)
        weighed = weigh_proposal(row, proposed, run.pk, *policies_of(row))
        assert not isinstance(weighed, Seen)
        assert weighed.judgement.admission == "allowed", weighed.judgement
        told = msgspec.json.decode(asking.write(weighed.counted, weighed.row or {}))
        made = Lived(self.now, tool, item, reserved, run.pk, id=told["id"], kind=kind)
        self.actions.append(made)
        return made

    def settle(
        self, one: Lived, *, cost: Decimal, failed: bool, malformed: bool, took_ms: int
    ) -> None:
        self.now += timedelta(microseconds=1)  # so that ends have an order
        run = Run.objects.get(pk=one.run)
        error = Failure(type="malformed_output" if malformed else "TimeoutError", message="no")
        request = Settle(
            outcome="failed" if failed else "succeeded",
            claim_id="c",
            cost_usd=cost,
            error=error if failed else None,
            duration_ms=took_ms,
        )
        row = first(sql.ACTION_FACTS, key=self.hashed, action=one.id)
        row = self._as_of(row, run, item=None, tool=None)
        weighed = weigh_settlement(row, one.id, request, PriceBook([]))
        assert weighed is not None
        first(weighed.statement, **weighed.params)
        one.ended_at, one.cost, one.failed, one.took_ms = self.now, cost, failed, took_ms
        one.malformed = failed and malformed and one.kind == "model"

    def read(
        self, run: Run, *, item: str | None = None, tool: str | None = None
    ) -> dict[str, BreakerFacts]:
        """What every breaker holds at this moment, by its id."""
        text = self._breakers(run, item=item, tool=tool)
        return {one.id: one for one in breakers_decoder.decode(text)}

    def _as_of(self, row: Any, run: Run, *, item: str | None, tool: str | None) -> Any:
        return row._replace(now_at=self.now, breakers=self._breakers(run, item=item, tool=tool))

    def _breakers(self, run: Run, *, item: str | None, tool: str | None) -> str:
        text: str = first(
            REPORTED if item is None else PROPOSED,
            agent=self.agent.pk,
            team=self.agent.team_id,
            run=run.pk,
            item=item,
            tool=tool,
            now=self.now,
        )[0]
        return text


def emptied() -> None:
    """Forget this example's rows before the next one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from agents_action; delete from agents_bucket; delete from agents_streak;"
            "delete from agents_tooluse; delete from agents_run; delete from agents_breaker"
        )
