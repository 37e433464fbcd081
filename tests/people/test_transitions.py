"""Groups, delegations, calendars and tokens: who may arrange them, what is refused, what the record says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.errors import Conflict, Invalid, NotFound
from audit.models import Entry
from people.models import Calendar, Delegation, Group, Person, PersonalToken, Role, Team
from people.rules.calendar import Hours
from people.signals import group_leaving
from people.tokens import bearer
from people.transitions import calendar, delegation, group, token
from people.transitions import person as persons

DAY = timedelta(days=1)
OFFICE = Hours("Europe/Berlin", frozenset(range(5)), time(9), time(17), "DE", "BY")


@pytest.fixture
def leads(support: Team) -> Group:
    return group.create(support, "trading-leads", by="test")


@pytest.fixture
def away(ada: Person, otto: Person) -> Delegation:
    now = timezone.now()
    return delegation.give(ada, otto, starts_at=now, ends_at=now + DAY, by=ada, reason="Holidays")


@pytest.fixture
def key(ada: Person) -> PersonalToken:
    return token.issue(ada, label="laptop", scopes=["read", "decide"], by=ada)[0]


def kinds() -> list[str]:
    return list(Entry.objects.exclude(actor="test").order_by("id").values_list("kind", flat=True))


# -- who may ---------------------------------------------------------------------------------------

ARRANGES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "create": lambda by, team, one: group.create(team, "new", by=by),
    "rename": lambda by, team, one: group.rename(one, "other", by=by),
    "add": lambda by, team, one: group.add(one, Person.objects.get(name="otto"), by=by),
    "remove": lambda by, team, one: group.remove(one, Person.objects.get(name="otto"), by=by),
    "delete": lambda by, team, one: group.delete(one, by=by),
    "calendar": lambda by, team, one: calendar.put(team, OFFICE, by=by),
    "no calendar": lambda by, team, one: calendar.remove(team, by=by),
}


@pytest.mark.parametrize("verb", ARRANGES)
@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("ada", None),
        ("otto", None),
        ("iris", PermissionDenied),
        ("bob", PermissionDenied),
        ("eve", NotFound),
    ],
)
def test_leads_ops_and_admins_arrange_their_team(
    verb: str,
    name: str,
    refusal: type[Exception] | None,
    leads: Group,
    support: Team,
    otto: Person,
    request: pytest.FixtureRequest,
) -> None:
    calendar.put(support, OFFICE, by="test")
    person = request.getfixturevalue(name)

    if refusal is None:
        ARRANGES[verb](person, support, leads)
        return
    with pytest.raises(refusal):
        ARRANGES[verb](person, support, leads)

    assert kinds() == []


# -- groups ----------------------------------------------------------------------------------------


def test_a_group_is_filled_and_emptied(leads: Group, ada: Person, otto: Person) -> None:
    for person in (ada, otto, otto):
        group.add(leads, person, by=ada)
    group.remove(leads, otto, by=ada)
    group.remove(leads, otto, by=ada)

    assert list(leads.members.all()) == [ada]
    assert kinds() == ["group.joined", "group.joined", "group.left"]


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\u202eb", "a\nb"])
def test_a_name_can_be_read(name: str, support: Team) -> None:
    with pytest.raises(Invalid, match="visible characters"):
        group.create(support, name, by="test")


def test_a_name_is_free_once_in_a_team(leads: Group, eve: Person, support: Team) -> None:
    group.create(eve.memberships.get().team, "trading-leads", by="test")  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="called trading-leads already"):
        group.create(support, "trading-leads", by="test")


def test_strangers_and_those_who_left_join_nothing(leads: Group, eve: Person, bob: Person) -> None:
    with pytest.raises(Invalid, match="no role in support"):
        group.add(leads, eve, by="test")
    bob.is_active = False
    with pytest.raises(Invalid, match="switched off"):
        group.add(leads, bob, by="test")


@pytest.fixture
def named_by_a_policy(leads: Group) -> Iterator[None]:
    def refuse(sender: object, group: Group, **_: object) -> str | None:
        return "Rule “Trades” of support names it." if group.pk == leads.pk else None

    group_leaving.connect(refuse)
    yield
    group_leaving.disconnect(refuse)


@pytest.mark.parametrize("verb", ["delete", "rename"])
def test_what_a_policy_names_stays(
    verb: str, named_by_a_policy: None, leads: Group, support: Team, ada: Person
) -> None:
    with pytest.raises(Conflict, match="Rule “Trades”") as refusal:
        ARRANGES[verb](ada, support, leads)

    assert refusal.value.code == "in_use"
    leads.refresh_from_db()
    assert leads.name == "trading-leads"


def test_a_deleted_group_is_remembered_by_the_record(leads: Group, ada: Person) -> None:
    group.add(leads, ada, by="test")

    group.delete(leads, by=ada)

    assert Entry.objects.get(kind="group.deleted").data == {
        "group": "trading-leads",
        "members": ["ada"],
    }
    assert not Group.objects.exists()


# -- out of office ---------------------------------------------------------------------------------


def test_it_is_given_and_taken_back(away: Delegation, ada: Person, otto: Person) -> None:
    assert ada.is_out(timezone.now())

    ended = delegation.end(away, by=ada)

    assert ended.ended_at
    assert not ada.is_out(timezone.now())
    assert kinds() == ["delegation.given", "delegation.ended"]
    given = Entry.objects.get(kind="delegation.given")
    assert (given.data["taker"], given.data["reason"]) == ("otto", "Holidays")
    with pytest.raises(Conflict, match="over already"):
        delegation.end(away, by=ada)


@pytest.fixture
def admin(support: Team) -> Person:
    return persons.create("amy", role=Role.ADMIN, by="test")


@pytest.fixture
def team_admin(support: Team) -> Person:
    return persons.create("tim", role=Role.ADMIN, team=support, by="test")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("ada", True),
        ("otto", True),  # gives it back
        ("admin", True),
        ("team_admin", True),
        ("iris", False),
        ("bob", False),
        ("eve", False),
    ],
)
def test_who_may_end_it(
    name: str, may: bool, away: Delegation, request: pytest.FixtureRequest
) -> None:
    by = request.getfixturevalue(name)

    if may:
        assert delegation.end(away, by=by).ended_at
        return
    with pytest.raises(NotFound):
        delegation.end(away, by=by)


def test_a_teams_admin_has_no_say_over_who_watches_more(
    otto: Person, ada: Person, team_admin: Person
) -> None:
    now = timezone.now()
    his = delegation.give(otto, ada, starts_at=now, ends_at=now + DAY, by=otto)

    with pytest.raises(NotFound):
        delegation.end(his, by=team_admin)


def test_nobody_says_it_for_another(ada: Person, otto: Person, admin: Person) -> None:
    now = timezone.now()

    with pytest.raises(PermissionDenied):
        delegation.give(ada, otto, starts_at=now, ends_at=now + DAY, by=admin)


@pytest.mark.parametrize(
    ("giver", "taker", "start", "end", "sentence"),
    [
        ("ada", "ada", 0, 1, "Choose somebody else"),
        ("ada", "eve", 0, 1, "eve watches none of the teams"),
        ("iris", "ada", 0, 1, "iris decides nothing"),
        ("ada", "otto", 1, 1, "end after it begins"),
        ("ada", "otto", -2, -1, "over already"),
        ("ada", "otto", 0, 400, "a year at most"),
    ],
)
def test_what_makes_no_sense_is_refused(
    giver: str,
    taker: str,
    start: int,
    end: int,
    sentence: str,
    request: pytest.FixtureRequest,
) -> None:
    one, other = request.getfixturevalue(giver), request.getfixturevalue(taker)
    now = timezone.now()

    with pytest.raises(Invalid, match=sentence):
        delegation.give(one, other, starts_at=now + start * DAY, ends_at=now + end * DAY, by=one)

    assert not Delegation.objects.exists()


# -- calendars -------------------------------------------------------------------------------------


def test_a_calendar_is_set_changed_and_removed(support: Team, ada: Person) -> None:
    assert Calendar.objects.hours_of(support.pk) is None

    calendar.put(support, OFFICE, by=ada)
    calendar.put(support, OFFICE, by=ada)

    assert Calendar.objects.hours_of(support.pk) == OFFICE
    calendar.remove(support, by=ada)
    assert Calendar.objects.hours_of(support.pk) is None
    assert kinds() == ["calendar.set", "calendar.set", "calendar.removed"]
    with pytest.raises(NotFound):
        calendar.remove(support, by=ada)


def test_a_calendar_that_never_opens_is_refused(support: Team, ada: Person) -> None:
    never = Hours("UTC", frozenset(), time(9), time(17), holidays=frozenset({date(1, 1, 1)}))

    with pytest.raises(Invalid, match="must open some time") as refusal:
        calendar.put(support, never, by=ada)

    assert set(refusal.value.extra["fields"]) == {"days", "holidays"}  # type: ignore[call-overload]
    with pytest.raises(IntegrityError), transaction.atomic():
        Calendar.objects.create(
            team=support, time_zone="UTC", days=[], opens=time(9), closes=time(17)
        )


# -- tokens ----------------------------------------------------------------------------------------


def test_only_the_fingerprint_of_a_token_is_kept(ada: Person) -> None:
    made, secret = token.issue(ada, label="laptop", scopes=["read"], by=ada)

    assert secret.startswith("wfp_")
    assert secret.startswith(made.prefix)
    assert secret not in str(Entry.objects.filter(kind="token.issued").values())
    assert bearer(secret, timezone.now()) == made
    assert bearer(secret + "x", timezone.now()) is None


def test_use_is_noted_to_the_minute(ada: Person) -> None:
    made, secret = token.issue(ada, label="laptop", scopes=["read"], by=ada)
    now = timezone.now()

    def used(at: datetime) -> datetime | None:
        bearer(secret, at)
        return PersonalToken.objects.get().last_used_at

    assert made.last_used_at is None
    assert used(now) == now
    assert used(now + timedelta(seconds=59)) == now
    assert used(now + timedelta(seconds=60)) == now + timedelta(seconds=60)


def test_a_token_ends(ada: Person) -> None:
    made, secret = token.issue(ada, label="laptop", scopes=["read"], by=ada, days=1)
    now = timezone.now()

    assert bearer(secret, now + DAY) is None
    Person.objects.update(is_active=False)
    assert bearer(secret, now) is None
    Person.objects.update(is_active=True)
    assert bearer(secret, now) == made
    token.revoke(made, by=ada)
    token.revoke(made, by=ada)
    assert bearer(secret, now) is None
    assert kinds() == ["token.issued", "token.revoked"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"label": ""}, "A label has"),
        ({"scopes": []}, "read, decide"),
        ({"scopes": ["all"]}, "read, decide"),
        ({"days": 0}, "1 to 365 days"),
        ({"days": 366}, "1 to 365 days"),
    ],
)
def test_what_no_token_can_be(more: dict[str, Any], sentence: str, ada: Person) -> None:
    wanted: dict[str, Any] = {"label": "x", "scopes": ["read"], "by": ada}

    with pytest.raises(Invalid, match=sentence):
        token.issue(ada, **wanted | more)


def test_the_database_knows_no_longer_life(key: PersonalToken) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonalToken.objects.update(expires_at=timezone.now() + timedelta(days=400))


def test_nobody_makes_a_token_of_another(ada: Person, admin: Person) -> None:
    with pytest.raises(PermissionDenied):
        token.issue(ada, label="x", scopes=["read"], by=admin)


@pytest.mark.parametrize(
    ("name", "may"), [("ada", True), ("admin", True), ("otto", False), ("eve", False)]
)
def test_who_may_revoke_it(
    name: str, may: bool, key: PersonalToken, request: pytest.FixtureRequest
) -> None:
    by = request.getfixturevalue(name)

    if may:
        assert token.revoke(key, by=by).revoked_at
        return
    with pytest.raises(NotFound):
        token.revoke(key, by=by)
