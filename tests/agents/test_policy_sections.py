"""What a policy's document sets is so once it is saved; what is changed elsewhere stands in the document."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.defaults import DEFAULTS
from agents.models import Agent, Breaker, BreakerState, Budget, Limit, Policy, Run, Trip
from agents.models.breaker import Condition, Scope
from agents.policies import compiled
from agents.rules.budget_settings import parse_budget
from agents.rules.limits import parse_limit
from agents.transitions import breaker as breakers
from agents.transitions import budget as budgets
from agents.transitions import documenting
from agents.transitions import limit as limits
from agents.transitions import policy as policies
from audit.errors import Invalid
from audit.models import Entry
from people.models import Person, Team
from tests.agents.test_breaker_settings import READ

pytestmark = pytest.mark.django_db

REPEATS = {"when": "repeats", "limit": 5, "within": "1m", "pause": "agent"}
ERRORS = {"when": "errors", "limit": 10, "within": "5m", "pause": "agent"}


@pytest.fixture
def policy(scout: Agent) -> Policy:
    return policies.of_agent(scout)


def save(policy: Policy, by: Person, **sections: Any) -> Policy:
    document = {k: v for k, v in policy.document.items() if k in ("tools", "rules")}
    policies.save(policy, document | sections, by=by, why="Tried.")
    return Policy.objects.get(pk=policy.pk)


def rows(agent: Agent) -> dict[str, Breaker]:
    return {b.condition: b for b in Breaker.objects.filter(agent=agent, run=None)}


def test_a_new_agents_document_says_what_watches_it(policy: Policy, scout: Agent) -> None:
    said = policy.document["breakers"]

    assert len(said) == len(DEFAULTS)
    assert REPEATS in said
    assert policy.current
    assert policy.current.number == 1


def test_breakers_become_just_what_the_document_says(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    kept = rows(scout)["repeats"]

    save(policy, ada, breakers=[
        REPEATS | {"limit": 8, "within": "2m"},
        {"when": "loop", "limit": 4, "within": "3m", "pause": "run", "state": "shadow"},
    ])  # fmt: skip

    found = rows(scout)
    assert set(found) == {"repeats", "loop"}
    assert found["repeats"].pk == kept.pk
    assert found["repeats"].limit == 8
    assert found["repeats"].window == timedelta(minutes=2)
    assert (found["loop"].scope, found["loop"].state) == (Scope.RUN, BreakerState.SHADOW)
    kinds = set(Entry.objects.filter(kind__startswith="breaker.").values_list("kind", flat=True))
    assert {"breaker.changed", "breaker.removed"} <= kinds
    assert Entry.objects.filter(kind="policy.saved").count() == 2


def test_what_stays_keeps_what_it_counted_and_what_is_new_counts_from_now(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    Breaker.objects.filter(agent=scout).update(generation=7)

    save(
        policy,
        ada,
        breakers=[
            REPEATS | {"limit": 9},
            ERRORS | {"within": "20m"},
            {"when": "often", "limit": 3, "within": "1h"},
        ],
    )

    found = rows(scout)
    assert (found["repeats"].generation, found["repeats"].reset_at) == (7, None)
    assert (found["errors"].generation, found["errors"].reset_at) == (7, None)
    assert found["often"].generation == 1
    assert found["often"].reset_at is not None


def test_a_document_without_the_section_leaves_things_alone(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    before = rows(scout)

    save(policy, ada)

    assert rows(scout).keys() == before.keys()


def test_an_open_one_must_be_answered_before_it_is_removed(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    Breaker.objects.filter(agent=scout, condition="errors").update(state="open")

    with pytest.raises(Invalid, match=r"errors in 5m, agent: It is open.*Answer its trip first"):
        save(policy, ada, breakers=[REPEATS])

    assert "errors" in rows(scout)
    assert policy.versions.count() == 1


def test_the_row_of_a_run_keeps_its_setting_from_ending_while_it_is_open(
    policy: Policy, scout: Agent, run: Run, ada: Person
) -> None:
    setting = rows(scout)["loop"]
    Breaker.objects.create(
        agent=scout, run=run, condition="loop", scope="run", limit=5, window=setting.window,
        state="open",
    )  # fmt: skip

    with pytest.raises(Invalid, match="It is open"):
        save(policy, ada, breakers=[REPEATS])


def test_switching_off_and_shadow_are_written_and_done(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    policy = save(
        policy, ada, breakers=[REPEATS | {"state": "disabled"}, ERRORS | {"state": "shadow"}]
    )
    assert [rows(scout)[c].state for c in ("repeats", "errors")] == ["disabled", "shadow"]

    save(policy, ada, breakers=[REPEATS, ERRORS])

    assert [rows(scout)[c].state for c in ("repeats", "errors")] == ["closed", "closed"]


def test_an_old_version_brings_its_breakers_back(policy: Policy, scout: Agent, ada: Person) -> None:
    save(policy, ada, breakers=[])
    assert not rows(scout)

    policies.roll_back(policy, 1, by=ada, why="Too quiet.")

    assert len(rows(scout)) == len(DEFAULTS)


# -- changed elsewhere -----------------------------------------------------------------------------


def test_a_limit_changed_on_a_page_stands_in_the_document(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    breakers.change(rows(scout)["repeats"], by=ada, limit=Decimal(9))

    policy.refresh_from_db()
    assert REPEATS | {"limit": 9} in policy.document["breakers"]
    assert policy.current
    assert (policy.current.number, policy.current.author) == (2, "person:ada")


def test_a_rest_for_an_hour_is_no_setting_and_one_for_good_is(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    until = timezone.now() + timedelta(hours=1)
    breakers.disable(rows(scout)["repeats"], by=ada, reason="Deploy.", until=until)
    policy.refresh_from_db()
    assert policy.versions.count() == 1

    breakers.disable(rows(scout)["errors"], by=ada, reason="Never mind.")

    policy.refresh_from_db()
    assert ERRORS | {"state": "disabled"} in policy.document["breakers"]


def test_a_policy_that_said_nothing_of_breakers_says_it_with_the_first_change(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    policy = save(policy, ada)
    assert "breakers" not in policy.document

    breakers.change(rows(scout)["errors"], by=ada, limit=Decimal(3))

    policy.refresh_from_db()
    assert len(policy.document["breakers"]) == len(DEFAULTS)
    assert policy.document["rules"]


def test_who_may_answer_a_trip_may_have_its_limit_written_down(
    policy: Policy, scout: Agent, ada: Person
) -> None:

    breaker = rows(scout)["repeats"]
    Breaker.objects.filter(pk=breaker.pk).update(state="open")
    trip = Trip.objects.create(
        agent=scout,
        breaker=breaker,
        condition=Condition.REPEATS,
        reason="x",
        opened_at=timezone.now(),
    )

    breakers.resume(trip, by=ada, limit=Decimal(12))

    policy.refresh_from_db()
    assert REPEATS | {"limit": 12} in policy.document["breakers"]


def test_budgets_and_limits_travel_both_ways(support: Team, ada: Person) -> None:
    policy = policies.of_team(support)
    day = {"name": "Day", "scope": "team", "per": "day", "limit": "$50"}
    openai = {"resource": "openai", "rate": "60/1m"}

    save(policy, ada, budgets=[day], limits=[openai])
    assert Budget.objects.get().limit == 50
    assert Limit.objects.get().resource == "openai"

    budgets.set(support, None, parse_budget(day | {"limit": "$80"}), by=ada)
    limits.set(support, parse_limit({"resource": "search", "concurrency": 3}), by=ada)
    policy.refresh_from_db()
    assert [b["limit"] for b in policy.document["budgets"]] == ["$80"]
    assert [one["resource"] for one in policy.document["limits"]] == ["openai", "search"]

    save(policy, ada, budgets=[], limits=[])
    assert not Budget.objects.exists()
    assert not Limit.objects.exists()


def test_a_teams_breaker_watches_all_of_its_agents(support: Team, ada: Person) -> None:
    policy = policies.of_team(support)

    save(policy, ada, breakers=[{"when": "spend", "limit": 100, "within": "1d"}])

    made = Breaker.objects.get(team=support)
    assert (made.scope, made.unit, made.agent) == ("team", "usd", None)


def test_a_mistake_in_a_section_changes_nothing_and_judges_nothing(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    with pytest.raises(Invalid, match=r"Breaker 1 \(repeats\): It does not say its limit"):
        save(policy, ada, breakers=[{"when": "repeats", "within": "1m"}])

    old = {"tools": ["*"], "rules": [], "breakers": [{"when": "from another release"}]}
    assert compiled(old).may_use("search")


# -- as a file -------------------------------------------------------------------------------------


def told(*words: str) -> str:
    out = StringIO()
    call_command("policy", *words, stdout=out)
    return out.getvalue()


def test_a_file_shows_sets_and_shows_again_what_watches(
    scout: Agent, support: Team, tmp_path: Path
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(told("show"))
    assert "- {when: repeats, limit: 5, within: 1m, pause: agent}" in file.read_text()
    assert told("diff", str(file)) == "Nothing differs.\n"

    file.write_text(file.read_text().replace("limit: 5, within: 1m", "limit: 6, within: 1m"))
    said = told("apply", str(file), "--dry-run")
    assert "~ breakers: repeats in 1m, agent" in said
    assert "limit: 5 → 6" in said
    assert "would have tripped 0 times, 0 as it is now; would have saved $0.00" in said
    assert said.endswith("Nothing was changed.\n")
    assert rows(scout)["repeats"].limit == 5

    told("apply", str(file), "--why", "Calmer.")
    assert rows(scout)["repeats"].limit == 6
    assert told("show") == file.read_text()
    assert "unchanged" in told("apply", str(file))


def test_what_stands_in_no_version_is_shown_when_asked_for(
    policy: Policy, scout: Agent, ada: Person
) -> None:
    save(policy, ada)

    assert "breakers:" not in told("show")
    assert "breakers:" in told("show", "--all")


def test_nothing_of_a_file_is_set_when_something_in_it_cannot_be(
    policy: Policy, scout: Agent, tmp_path: Path
) -> None:
    Breaker.objects.filter(agent=scout, condition="errors").update(state="open")
    file = tmp_path / "policies.yaml"
    file.write_text(
        "policies:\n- {team: support, agent: scout, tools: [], rules: [], breakers: [], budgets: "
        "[{name: Day, limit: $5}]}\n"
    )

    with pytest.raises(CommandError, match="It is open, and keeps something stopped"):
        told("apply", str(file))

    assert not Budget.objects.exists()
    assert rows(scout)["errors"].state == "open"


@pytest.mark.parametrize("written", [written for written, _ in READ], ids=[s for _, s in READ])
def test_what_was_made_so_reads_back_as_it_was_written(
    policy: Policy, ada: Person, written: dict[str, Any]
) -> None:
    policy = save(policy, ada, breakers=[written])
    said = policy.document

    documenting.keep(policy, by="test", why="Nothing to write.")

    assert documenting.in_force(policy) == said
    assert policy.versions.count() == 2
