"""Erasing, legal holds and retention, as pages: numbers first, a reason, and who may."""

from __future__ import annotations

import pytest
from django.test import Client

from audit import sequencing
from audit.models import Entry, LegalHold, Line, Payload, Retention
from people.models import Person, Role
from people.transitions import person as people

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db: None) -> Person:
    return people.create("root", role=Role.ADMIN, by="test")


@pytest.fixture
def desk(client: Client, root: Person, ada: Person) -> Client:
    """The admin's browser; ada's beginnings are in the log."""
    sequencing.sequence_all()
    client.force_login(root)
    return client


def line_of(person: Person) -> int:
    return Line.objects.filter(about=person.record_name).order_by("pk")[0].pk


def test_it_says_in_numbers_what_would_go(desk: Client, ada: Person) -> None:
    page = desk.get(f"/record/erase/?entry={line_of(ada)}").content.decode()

    assert "Erases what 1 entry told" in page
    assert "Nobody can bring it back" in page


def test_it_goes_with_a_reason_and_being_sure(desk: Client, ada: Person) -> None:
    pk = line_of(ada)
    form = {"entry": pk, "reason": "They asked", "basis": "Art. 17 GDPR"}

    unsure = desk.post("/record/erase/", form)
    assert unsure.status_code == 422
    assert "Say that you are sure" in unsure.content.decode()
    assert Payload.objects.filter(id=pk).exists()

    done = desk.post("/record/erase/", {**form, "sure": "yes"})
    assert done.status_code == 302, done.content.decode()
    assert not Payload.objects.filter(id=pk).exists()
    assert (
        "There is nothing left to erase here"
        in desk.get(f"/record/erase/?entry={pk}").content.decode()
    )


def test_nothing_chosen_offers_a_person_by_name(desk: Client) -> None:
    page = desk.get("/record/erase/").content.decode()
    assert "What a person did" in page

    missing = desk.get("/record/erase/?person=nobody-here")
    assert missing.status_code == 422
    assert "Nobody is called nobody-here" in missing.content.decode()


def test_a_person_who_can_still_sign_in_is_not_offered(desk: Client, ada: Person) -> None:
    page = desk.get("/record/erase/?person=ada").content.decode()
    assert "can still sign in: switch the account off first" in page
    assert 'name="sure"' not in page

    Person.objects.filter(pk=ada.pk).update(is_active=False)

    page = desk.get("/record/erase/?person=ada").content.decode()
    assert "can still sign in" not in page
    assert 'name="sure"' in page


@pytest.mark.parametrize(
    "address", ["entry=999999", "entry=x", "case=x", "entry=99999999999999999999"]
)
def test_what_is_not_there_is_not_found(desk: Client, address: str) -> None:
    assert desk.get(f"/record/erase/?{address}").status_code == 404


def test_a_legal_hold_is_placed_shown_and_ended(desk: Client, ada: Person) -> None:
    form = {"scope": "person", "subject": "ada", "reason": "Court 12/26"}
    assert desk.post("/settings/legal-holds/", form).status_code == 302

    page = desk.get("/settings/legal-holds/").content.decode()
    assert "A person: ada" in page
    assert "Court 12/26" in page
    kept = desk.get(f"/record/erase/?entry={line_of(ada)}").content.decode()
    assert "1 legal hold keeps this" in kept

    (placed,) = LegalHold.objects.all()
    assert placed.label == "", "its column holds no name"
    desk.post(f"/settings/legal-holds/{placed.pk}/end/", {"reason": "Settled"})
    placed.refresh_from_db()
    assert not placed.stands


def test_legal_holds_that_stand_come_before_those_that_ended(desk: Client, ada: Person) -> None:
    for scope, court in (("person", "Court 1/26"), ("everything", "Court 2/26")):
        form = {"scope": scope, "subject": "ada", "reason": court}
        assert desk.post("/settings/legal-holds/", form).status_code == 302
    newest = LegalHold.objects.order_by("-pk")[0]
    desk.post(f"/settings/legal-holds/{newest.pk}/end/", {"reason": "Settled"})

    page = desk.get("/settings/legal-holds/").content.decode()

    assert page.index("Court 1/26") < page.index("Court 2/26")
    assert '<span class="count">1</span>' in page


@pytest.mark.parametrize("scope", ["case", "run", "agent", "person", "team", "", "x"])
def test_what_must_be_kept_must_be_known(desk: Client, scope: str) -> None:
    answer = desk.post(
        "/settings/legal-holds/", {"scope": scope, "subject": "nothing", "reason": "so"}
    )

    assert answer.status_code == 422
    assert not LegalHold.objects.exists()


def test_how_long_is_kept_is_set_for_the_house_and_for_a_team(desk: Client, ada: Person) -> None:
    team = str(ada.team_ids[0])
    desk.post("/settings/retention/", {"team": "", "months": "24"})
    desk.post("/settings/retention/", {"team": team, "months": "0"})

    page = desk.get("/settings/retention/").content.decode()

    assert "24 months" in page
    assert "For ever" in page
    assert "The application owns its tables: it could rewrite the record." in page
    desk.post("/settings/retention/", {"team": team, "as_house": "yes"})
    assert Retention.objects.count() == 1
    assert desk.post("/settings/retention/", {"months": "soon"}).status_code == 422
    assert Entry.objects.filter(kind__startswith="retention.").count() == 3


def test_buttons_are_there_for_those_who_may(client: Client, ada: Person, iris: Person) -> None:
    sequencing.sequence_all()
    pk = line_of(ada)
    client.force_login(iris)
    assert "/record/erase/?entry=" in client.get(f"/record/{pk}/").content.decode()
    assert "/settings/legal-holds/" in client.get("/settings/").content.decode()

    client.force_login(ada)
    assert "/record/erase/" not in client.get("/settings/").content.decode()
