"""Which run a trace had last time is a guess: whatever has become of it since, the spans end where they belong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import transaction

from agents.models import Action, Agent, Breaker, Run
from agents.otlp.reading import read
from agents.transitions import agent as agents
from agents.transitions import recalling, telemetry, tracing, writing
from agents.transitions.telemetry import Told
from agents.transitions.together import WholeTeam
from people.models import Team
from tests.agents.spans import PROTOBUF, protobuf, span
from tests.agents.test_otlp_dialects import GENAI, GENAI_TOOL

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = 0x1234
NASTY = 'a "quoted", {curly} \\ back\\slash\\n\ttab\nline, NULL, ünï 🙂 ’ \u202e'


@pytest.fixture(autouse=True)
def nothing_recalled() -> None:
    recalling._seen.clear()


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many traces were looked up, each time."""
    found: list[int] = []
    find = tracing.find

    def counted(traces: Any, keys: Any) -> Any:
        found.append(len(traces))
        return find(traces, keys)

    monkeypatch.setattr(tracing, "find", counted)
    return found


def store(agent: Agent, *numbers: int, trace: int = OTHER, key: bytes = b"") -> None:
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    spans = [span(GENAI, n=n, trace=trace, start=now_ns - 10**9) for n in numbers]
    telemetry.store([Told(agent.pk, read(protobuf(*spans), PROTOBUF, now_ns=now_ns), key)])


def actions_of(run: Run) -> int:
    return Action.objects.filter(run=run).count()


def test_a_trace_that_goes_on_is_not_looked_up_again(scout: Agent, finds: list[int]) -> None:
    store(scout, 1)
    store(scout, 2)
    store(scout, 2, 3)
    run = Run.objects.get()
    assert (run.actions_count, actions_of(run)) == (3, 3)
    assert finds == [1]


def test_a_trace_that_was_taken_back_begins_anew(scout: Agent, finds: list[int]) -> None:
    with transaction.atomic():
        store(scout, 1)
        transaction.set_rollback(True)
    assert not Run.objects.exists()
    store(scout, 1)
    assert actions_of(Run.objects.get()) == 1
    assert finds == [1, 1]


def test_a_run_that_is_gone_begins_anew(scout: Agent, finds: list[int]) -> None:
    store(scout, 1)
    Action.objects.all().delete()
    Run.objects.all().delete()
    store(scout, 2)
    assert actions_of(Run.objects.get()) == 1
    assert finds == [1, 1]


def test_an_agent_that_changed_teams_is_judged_by_its_new_one(
    scout: Agent, finds: list[int]
) -> None:
    store(scout, 1)
    elsewhere = Team.objects.create(name="elsewhere")
    Agent.objects.filter(pk=scout.pk).update(team=elsewhere)
    store(scout, 2)
    store(scout, 3)
    assert Run.objects.get().actions_count == 3
    assert finds == [1, 1]
    assert recalling._seen.popitem()[1].team == elsewhere.pk


def test_a_breaker_of_the_team_that_came_since_counts_items(scout: Agent, finds: list[int]) -> None:
    store(scout, 1)
    scout.breakers.all().delete()
    Breaker.objects.create(
        team=scout.team, condition="repeats", scope="team", limit=3, window=timedelta(minutes=1)
    )
    store(scout, 2)
    store(scout, 3)
    with pytest.raises(WholeTeam):  # it opens: all agents of the team have to be locked first
        store(scout, 4)
    assert finds[:2] == [1, 1]


def test_what_is_recalled_of_somebody_else_is_not_believed(scout: Agent, finds: list[int]) -> None:
    other, _ = agents.create("other", team=scout.team, by="test")
    store(other, 1)
    ((_, trace, named), theirs) = next(iter(recalling._seen.items()))
    recalling._seen[scout.pk, trace, named] = theirs
    store(scout, 2)
    assert actions_of(Run.objects.get(agent=scout)) == 1
    assert actions_of(Run.objects.get(agent=other)) == 1
    assert finds == [1, 1]


def test_a_revoked_key_stores_nothing_of_what_is_recalled(
    scout_with_key: tuple[Agent, str], finds: list[int]
) -> None:
    scout, secret = scout_with_key
    key = sha256(secret.encode()).digest()
    store(scout, 1, key=key)
    scout.keys.update(revoked_at=datetime.now(UTC))
    with pytest.raises(tracing.Revoked):
        store(scout, 2, key=key)
    assert Run.objects.get().actions_count == 1
    assert finds == [1]


def test_not_all_is_remembered_for_ever(scout: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "MOST", 3)
    for trace in range(1, 10):
        store(scout, 1, trace=trace)
    assert len(recalling._seen) <= 4
    assert Run.objects.count() == 9


@pytest.mark.parametrize("said", [NASTY, "", "{}", "NULL", '"', "\\", "\\N", "a,b", " "])
def test_few_are_written_as_many_are(
    scout: Agent, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By INSERT and by COPY: the same rows, whatever agents say."""
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)

    def rows(trace: int, few: int) -> list[dict[str, Any]]:
        monkeypatch.setattr(writing, "FEW", few)
        attributes = {
            "gen_ai.tool.call.arguments": said,
            "gen_ai.tool.call.result": f'{{"said": {said!r}}}',
            "gen_ai.tool.name": f"tool {said}".strip(),
            "user.id": said,
        }
        spans = [
            span(GENAI | {"gen_ai.input.messages": said}, n=1, trace=trace, start=now_ns - 10**9),
            span(GENAI_TOOL | attributes, n=2, trace=trace, start=now_ns - 10**9, failed=said),
            span(GENAI_TOOL, n=3, trace=trace, start=now_ns - 10**9),
        ]
        export = read(protobuf(*spans), PROTOBUF, now_ns=now_ns)
        telemetry.store([Told(scout.pk, export)])
        run = Run.objects.get(key=f"trace:{trace:032x}")
        own = {"id", "run_id", "call_id", "item", "trace_url"} | (set() if said else {"digest"})
        return sorted(
            (
                {
                    k: bytes(v) if isinstance(v, memoryview) else v
                    for k, v in row.items()
                    if k not in own
                }
                for row in Action.objects.filter(run=run).values()
            ),
            key=str,
        )

    for one, other in zip(rows(7, few=16), rows(8, few=0), strict=True):
        assert {k: (v, other[k]) for k, v in one.items() if v != other[k]} == {}
