"""What is older than it is kept goes away, a month at a time; held things stay; every proof still holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from audit import check, log, sequencing
from audit.errors import Invalid, NotFound
from audit.models import Entry, Leaf, Line, Payload, Retention, Scope
from audit.text import index_all
from audit.transitions import expiry, keeping
from people.models import Person, Role, Team
from people.transitions import person as people
from tests.audit.test_erasure import proved
from tests.audit.test_roles import as_application as as_application

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
JANUARY, MARCH, OCTOBER = (datetime(2026, month, 5, tzinfo=UTC) for month in (1, 3, 10))


@pytest.fixture
def root(db: None) -> Person:
    return people.create("root", role=Role.ADMIN, by="test")


@pytest.fixture
def months(db: None) -> None:
    """Tables for the months of this year, as a house that has run since has them."""
    with connection.cursor() as cursor:
        for whole in ("payload", "text"):
            cursor.execute(
                f"select audit_{whole}_month(month) from generate_series"
                "('2026-01-01'::timestamptz, '2026-11-01', interval '1 month') m (month)"
            )


def write(at: datetime, count: int = 3, **fields: str) -> list[int]:
    """Entries that were written then."""
    Entry.objects.bulk_create(
        Entry(
            kind="endpoint.resent",
            actor="clock",
            about="nothing",
            summary="what was told",
            at=at,
            **fields,
        )
        for _ in range(count)
    )
    return list(Line.objects.filter(at=at).order_by("pk").values_list("pk", flat=True))


def left(ids: list[int]) -> int:
    return Payload.objects.filter(id__in=ids).count()


def parts() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("select relname from pg_class where relispartition and relkind = 'r'")
        return {name for (name,) in cursor.fetchall()}


def test_whole_months_go_as_tables_and_every_proof_holds(months: None, root: Person) -> None:
    old, new = write(JANUARY), write(OCTOBER)
    keeping.retain(6, by=root)
    sequencing.sequence_all()
    index_all()
    indexes = list(Leaf.objects.values_list("index", flat=True))
    assert check.check() == []

    gone = expiry.expire(NOW)
    sequencing.sequence_all()

    assert gone == len(old)
    assert (left(old), left(new)) == (0, len(new))
    assert "audit_payload_2026_01" not in parts()
    assert "audit_text_2026_01" not in parts()
    assert "audit_payload_2026_10" in parts()
    assert proved(indexes)
    assert check.check() == []
    assert set(Entry.objects.filter(pk__in=old).values_list("is_erased", flat=True)) == {True}


def test_what_tells_that_something_went_stays(months: None, root: Person) -> None:
    gone, old = write(JANUARY - timedelta(days=3), 2), write(JANUARY)
    facts = {"actor": "clock", "about": "house", "at": JANUARY}
    Entry.objects.create(kind="record.erased", data={"ids": gone[:1]}, **facts)
    Entry.objects.create(kind="record.expired", data={"month": "2026-01", "ids": gone}, **facts)
    told = list(Line.objects.filter(kind__startswith="record.").values_list("pk", flat=True))
    sequencing.sequence_all()
    index_all()
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("delete from audit_payload where id = any(%s)", [gone])
        cursor.execute("set local session_replication_role = origin")
    keeping.retain(6, by=root)
    sequencing.sequence_all()

    assert expiry.expire(NOW) == len(old)
    assert expiry.expire(NOW) == 0

    sequencing.sequence_all()
    assert (left(old), left(told)) == (0, 2)
    assert "audit_payload_2026_01" not in parts()
    assert check.check() == []
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from audit_text where line = any(%s)", [[*old, *told]])
        assert cursor.fetchone() == (2,)


def test_of_a_month_that_goes_in_part_stays_what_tells_that_something_went(
    months: None, root: Person
) -> None:
    agent = str(uuid4())
    write(JANUARY, 1, agent=agent)
    rest = write(JANUARY + timedelta(days=1), 2)
    told = Entry(kind="record.erased", actor="clock", about="house", at=JANUARY, data={"ids": []})
    told.save()
    keeping.retain(6, by=root)
    keeping.hold(Scope.AGENT, agent, by=root, reason="Court 12/26")
    sequencing.sequence_all()

    assert expiry.expire(NOW) == len(rest)

    assert Payload.objects.filter(at=JANUARY).count() == 2


def test_an_entry_says_which_month_and_how_many(months: None, root: Person) -> None:
    write(JANUARY, 4)
    keeping.retain(6, by=root)
    sequencing.sequence_all()

    expiry.expire(NOW)

    entry = Entry.objects.get(kind="record.expired", data__month="2026-01")
    assert (entry.actor, entry.data["count"]) == ("clock", 4)


def test_what_is_held_stays_and_the_rest_of_its_month_goes(months: None, root: Person) -> None:
    agent = str(uuid4())
    held, rest = write(JANUARY, 2, agent=agent), write(JANUARY + timedelta(days=1), 5)
    keeping.retain(6, by=root)
    placed = keeping.hold(Scope.AGENT, agent, by=root, reason="Court 12/26")
    sequencing.sequence_all()

    gone = expiry.expire(NOW)

    assert gone == len(rest)
    assert (left(held), left(rest)) == (2, 0)
    assert "audit_payload_2026_01" in parts()
    sequencing.sequence_all()
    assert check.check() == []
    keeping.end(placed.pk, by=root, reason="over")
    assert expiry.expire(NOW) == 2
    assert "audit_payload_2026_01" not in parts()


def test_many_go_in_batches(months: None, root: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 4)
    agent = str(uuid4())
    write(JANUARY, 1, agent=agent)
    rest = write(JANUARY + timedelta(days=1), 10)
    keeping.hold(Scope.AGENT, agent, by=root, reason="so")
    keeping.retain(6, by=root)
    sequencing.sequence_all()

    assert expiry.expire(NOW) == 10

    told = Entry.objects.filter(kind="record.expired").order_by("pk")
    assert [entry.data["count"] for entry in told] == [4, 4, 2]
    assert left(rest) == 0


def test_a_team_keeps_longer_than_the_house(months: None, root: Person, support: Team) -> None:
    theirs, others = write(JANUARY, 2, team=str(support.pk)), write(JANUARY + timedelta(days=1), 2)
    keeping.retain(6, by=root)
    keeping.retain(0, by=root, team=str(support.pk))
    sequencing.sequence_all()

    expiry.expire(NOW)

    assert (left(theirs), left(others)) == (2, 0)
    keeping.retain_as_house(str(support.pk), by=root)
    expiry.expire(NOW)
    assert left(theirs) == 0


def test_without_a_rule_everything_is_kept_for_ever(months: None) -> None:
    old = write(JANUARY)
    sequencing.sequence_all()

    assert expiry.expire(NOW) == 0
    assert left(old) == 3


@pytest.mark.parametrize(("kept", "goes"), [(9, True), (10, False)])
def test_a_month_is_kept_to_its_end(months: None, root: Person, kept: int, goes: bool) -> None:
    # January ends with February's first moment; nine months later it is November.
    old = write(JANUARY)
    keeping.retain(kept, by=root)
    sequencing.sequence_all()

    expiry.expire(NOW)

    assert (left(old) == 0) is goes


def test_what_has_no_place_in_the_log_yet_does_not_go(months: None, root: Person) -> None:
    old = write(JANUARY)
    keeping.retain(6, by=root)

    assert expiry.expire(NOW) == 0
    assert left(old) == 3


def test_the_database_itself_refuses_a_month_that_must_stay(months: None, root: Person) -> None:
    write(OCTOBER)
    keeping.retain(6, by=root)
    sequencing.sequence_all()

    with pytest.raises(Exception, match="Not all of that month may go"):
        expiry.drop_month(OCTOBER.replace(day=1))


def test_the_application_makes_and_drops_months_through_the_owners_functions(
    months: None, root: Person, as_application: None
) -> None:
    old = write(JANUARY)
    keeping.retain(6, by=root)
    sequencing.sequence_all()

    expiry.take_turn(NOW)

    assert left(old) == 0


def test_there_is_room_for_the_months_to_come() -> None:
    with connection.cursor() as cursor:
        for whole in ("payload", "text"):
            cursor.execute(
                f"drop table audit_{whole}_2026_12" if "2026_12" in str(parts()) else "select 1"
            )
    made = expiry.make_months(5)

    assert made >= 2
    assert expiry.make_months(5) == 0


def test_what_was_written_without_a_month_moves_into_it_when_it_comes() -> None:
    later = timezone.now() + timedelta(days=150)
    far = write(later.replace(microsecond=0), 2)
    sequencing.sequence_all()
    index_all()
    name = f"audit_payload_{later:%Y_%m}"
    assert name not in parts()

    expiry.make_months(6)

    assert left(far) == 2
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {name}")
        assert cursor.fetchone() == (2,)
    assert check.check() == []
    assert log.size() > 0


def test_saying_how_long_takes_an_admin(
    root: Person, otto: Person, iris: Person, support: Team
) -> None:
    for person in (otto, iris):
        with pytest.raises(PermissionDenied):
            keeping.retain(6, by=person)
    for months in (-1, 1201):
        with pytest.raises(Invalid):
            keeping.retain(months, by=root)
    with pytest.raises(NotFound):
        keeping.retain_as_house(str(support.pk), by=root)
    keeping.retain(6, by=root)
    keeping.retain(12, by=root)

    assert Retention.objects.get().months == 12
    before, after = Entry.objects.filter(kind="retention.set").order_by("pk")
    assert after.data["before"] == {"months": 6}
    assert before.data["after"] == {"months": 6}
