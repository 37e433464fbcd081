"""Who sets limits, what the record keeps of it, and what becomes of slots that were promised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent, Limit, LimitUse, Permit
from agents.rules.limits import LimitSetting, parse_limit, parse_limits
from agents.tasks import forget_permits
from agents.transitions import limit as limits
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Person, Role, Team
from people.transitions import person as people

pytestmark = pytest.mark.django_db


def openai(**more: Any) -> LimitSetting:
    return parse_limit({"resource": "openai", "rate": "60/1m", **more})


@pytest.fixture
def root(db: None) -> Person:
    return people.create("root", role=Role.ADMIN, by="test")


def test_setting_is_recorded_with_what_was_before(support: Team, ada: Person) -> None:
    limits.set(support, openai(), by=ada)

    changed = limits.set(support, openai(burst=5), by=ada)

    assert (changed.burst, changed.changed_by) == (5, "person:ada")
    first, second = Entry.objects.filter(kind="limit.set").order_by("id")
    assert "before" not in first.data
    assert second.data == {
        "before": {"burst": openai().as_dict()["burst"]},
        "after": {"burst": 5},
    }
    assert (second.actor, second.team) == (ada.record_name, str(support.pk))
    assert second.summary == "openai: 60 in 1 minute, 5 at one moment"


def test_the_same_again_writes_nothing(support: Team, ada: Person) -> None:
    limits.set(support, openai(), by=ada)

    limits.set(support, openai(), by=ada)

    assert Entry.objects.filter(kind="limit.set").count() == 1


def test_removing_is_recorded_and_done_once(support: Team, ada: Person) -> None:
    made = limits.set(support, openai(), by=ada)

    limits.remove(made, by=ada)

    assert Entry.objects.get(kind="limit.removed").data["before"] == openai().as_dict()
    assert not Limit.objects.exists()
    with pytest.raises(Conflict, match="removed already"):
        limits.remove(Limit(team=support, resource="openai"), by=ada)


@pytest.mark.parametrize("person", ["bob", "iris", "eve"])
def test_who_only_reads_or_is_a_stranger_sets_nothing(
    request: pytest.FixtureRequest, support: Team, person: str
) -> None:
    by = request.getfixturevalue(person)
    made = limits.set(support, openai(), by="test")

    with pytest.raises(PermissionDenied):
        limits.set(support, openai(burst=9), by=by)
    with pytest.raises(PermissionDenied):
        limits.remove(made, by=by)
    with pytest.raises(PermissionDenied):
        limits.apply(support, [], by=by)

    assert Limit.objects.get().burst == 1


def test_only_admins_of_every_team_limit_the_house(
    support: Team, ada: Person, otto: Person, root: Person
) -> None:
    ann = people.create("ann", role=Role.ADMIN, team=support, by="test")
    for by in (ada, otto, ann):
        with pytest.raises(PermissionDenied, match="whole house"):
            limits.set(None, openai(), by=by)

    made = limits.set(None, openai(), by=root)

    assert made.team is None
    assert Limit.objects.visible_to(ada).get() == made
    assert Entry.objects.get(kind="limit.set").team == ""


def test_strangers_see_the_house_and_not_another_team(support: Team, eve: Person) -> None:
    limits.set(support, openai(), by="test")
    house = limits.set(None, openai(), by="test")

    assert list(Limit.objects.visible_to(eve)) == [house]


def test_who_was_promised_a_slot_keeps_it_under_another_rate(support: Team, ada: Person) -> None:
    made = limits.set(support, openai(), by=ada)
    now = timezone.now()
    Limit.objects.update(tat=now + timedelta(seconds=31))

    limits.set(support, openai(rate="600/1m", burst=10), by=ada)

    made.refresh_from_db()
    assert made.tat is not None
    assert (made.tat - now).total_seconds() == pytest.approx(30 + 1, abs=0.001)


def test_a_list_makes_the_limits_just_so(support: Team, ada: Person) -> None:
    limits.set(support, openai(), by=ada)
    limits.set(support, parse_limit({"resource": "old", "concurrency": 1}), by=ada)
    elsewhere = limits.set(None, openai(), by="test")
    wanted = parse_limits(
        [{"resource": "openai", "rate": "60/1m"}, {"resource": "crm", "concurrency": 2}]
    )

    limits.apply(support, wanted, by=ada)
    limits.apply(support, wanted, by=ada)

    rows = Limit.objects.filter(team=support).order_by("resource")
    assert [limits.setting_of(row) for row in rows] == sorted(wanted, key=lambda s: s.resource)
    assert Limit.objects.filter(pk=elsewhere.pk).exists()
    kinds = list(Entry.objects.filter(kind__startswith="limit.").values_list("summary", flat=True))
    assert len(kinds) == 5


def test_what_was_not_parsed_is_checked_anyway(support: Team, ada: Person) -> None:
    with pytest.raises(Invalid):
        limits.set(support, LimitSetting("openai"), by=ada)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"count": 1},
        {"count": 1, "burst": 1},
        {"count": 0, "burst": 1, "period": timedelta(seconds=1)},
        {"concurrency": 1},
        {"concurrency": 0, "lease": timedelta(seconds=1)},
        {"lease": timedelta(seconds=1)},
    ],
)
def test_the_database_keeps_no_half_limit(support: Team, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Limit.objects.create(
            team=support, resource="x", changed_by="test", changed_at=timezone.now(), **wrong
        )


def test_a_resource_has_one_limit_in_a_team_and_one_in_the_house(support: Team) -> None:
    for team in (support, None):
        limits.set(team, openai(), by="test")
        with pytest.raises(IntegrityError), transaction.atomic():
            Limit.objects.create(
                team=team,
                resource="openai",
                concurrency=1,
                lease=timedelta(seconds=1),
                changed_by="test",
                changed_at=timezone.now(),
            )


def test_the_clock_forgets_what_no_page_shows(support: Team, scout: Agent) -> None:
    made = limits.set(support, openai(), by="test")
    now, minute = timezone.now(), int(timezone.now().timestamp()) // 60
    common = {"limit": made, "agent": scout, "asked_at": now, "starts_at": now}
    for until in (now - timedelta(hours=2), now - timedelta(minutes=5), now + timedelta(hours=1)):
        Permit.objects.create(**common, until=until)
    for ago in (0, 60, 3 * 24 * 60):
        LimitUse.objects.create(limit=made, agent=scout, minute=minute - ago)

    forget_permits()

    assert Permit.objects.count() == 2
    assert LimitUse.objects.count() == 2
