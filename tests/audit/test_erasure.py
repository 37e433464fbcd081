"""What was told goes away, everywhere; that it was told, and that it was erased, stays provable."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from agents.models import Action, Agent, Run
from agents.shapes import Propose, Proposed
from agents.transitions import action as actions
from audit import check, erasing, log, sequencing, signals
from audit.errors import Conflict, Invalid, Refused
from audit.models import (
    Delivery,
    Endpoint,
    Entry,
    Leaf,
    LegalHold,
    Line,
    Payload,
    Retention,
    Scope,
    Text,
)
from audit.rules import merkle
from audit.text import index_all
from audit.transitions import erasure, keeping
from people.models import Person, Role
from people.transitions import person as people
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.audit.test_roles import as_application as as_application

pytestmark = pytest.mark.django_db

SECRET = "Grace Hopper, 12 Harbour Lane"


def fresh(person: Person) -> Person:
    person.signed_in_at = timezone.now()
    return person


@pytest.fixture
def root(db: None) -> Person:
    return fresh(people.create("root", role=Role.ADMIN, by="test"))


@pytest.fixture
def auditor(iris: Person) -> Person:
    return fresh(iris)


def asked(scout_with_key: tuple[Agent, str], run: Run, **more: Any) -> None:
    body = {"call_id": "1", "tool": "refund.issue", "arguments": {"amount": 80}, **more}
    request = msgspec.json.decode(msgspec.json.encode(body), type=Propose)
    actions.propose(sha256(scout_with_key[1].encode()).digest(), run.pk, Proposed.of(request))


@pytest.fixture
def refund(
    scout_with_key: tuple[Agent, str], run: Run, ada: Person, otto: Person, hook: Endpoint
) -> Action:
    """A refund for somebody, asked for, talked about and rejected; every copy of it is there."""
    asked(
        scout_with_key,
        run,
        subject=SECRET,
        arguments={"amount": 80, "to": SECRET},
        reason=f"{SECRET} asked for it",
    )
    hold = Hold.objects.get()
    holds.comment(hold, by=otto, text=f"I know {SECRET}")
    holds.reject(hold, by=ada, note=f"{SECRET} was paid before")
    sequencing.sequence_all()
    index_all()
    return Action.objects.get()


def case(action: Action) -> erasing.Selected:
    names = signals.names_of_case(action.record_name)
    return erasing.of_subject(action.record_name, names, str(action))


def everything_kept() -> str:
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'select to_jsonb(t)::text from "{table}" t')
            found += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(found)


def proved(indexes: list[int]) -> bool:
    """Each of these leaves leads to the root that was signed last."""
    last = log.latest()
    assert last is not None
    for index in indexes:
        leaf = Leaf.objects.get(index=index)
        path = log.proof(index, last.size)
        hashed = merkle.leaf_hash(leaf.data.encode())
        if merkle.root_from_inclusion(index, last.size, hashed, path) != bytes(last.root):
            return False
    return True


def test_a_case_is_erased_from_the_record_and_from_every_copy(
    refund: Action, auditor: Person
) -> None:
    assert SECRET in everything_kept()
    selected = case(refund)
    lines = list(selected.lines.values_list("pk", flat=True))
    counted = selected.copies()

    done = erasure.erase(selected, by=auditor, reason="They asked for it.", basis="Art. 17 GDPR")
    sequencing.sequence_all()
    index_all()

    left = [line for line in everything_kept().split("\n") if "Hopper" in line or "hopper" in line]
    assert left == []
    assert done.entries == len(lines)
    assert done.copies == counted
    assert counted["action"] == 1
    assert counted["comment"] == 1
    assert set(Entry.objects.filter(pk__in=lines).values_list("is_erased", flat=True)) == {True}


def test_what_was_erased_stays_proved_and_the_check_finds_nothing(
    refund: Action, auditor: Person
) -> None:
    selected = case(refund)
    indexes = list(
        Leaf.objects.filter(line__in=selected.lines.values("pk")).values_list("index", flat=True)
    )
    assert proved(indexes)
    assert check.check() == []

    erasure.erase(selected, by=auditor, reason="They asked for it.")
    sequencing.sequence_all()

    assert proved(indexes)
    assert check.check() == []


def test_the_entry_says_who_why_which_and_how_many_and_never_what(
    refund: Action, auditor: Person
) -> None:
    selected = case(refund)
    ids = list(selected.ids)

    erasure.erase(selected, by=auditor, reason="They asked for it.", basis="Art. 17 GDPR")

    entry = Entry.objects.get(kind="record.erased")
    assert entry.actor == auditor.record_name
    assert entry.about == refund.record_name
    assert entry.team == str(refund.agent.team_id)
    assert entry.data["ids"] == ids
    assert entry.data["count"] == len(ids)
    assert entry.data["reason"] == "They asked for it."
    assert entry.data["basis"] == "Art. 17 GDPR"
    assert SECRET not in json.dumps(entry.data)


def test_one_entry_is_erased_and_the_others_stay(refund: Action, auditor: Person) -> None:
    line = Line.objects.filter(kind="hold.rejected").get()
    before = Payload.objects.count()

    erasure.erase(erasing.of_entry(line), by=auditor, reason="Named a bystander.")

    assert Payload.objects.count() == before  # one less, and one of the erasure
    assert not Payload.objects.filter(id=line.pk).exists()
    assert not Text.objects.filter(line=line.pk).exists()
    refund.refresh_from_db()
    assert refund.arguments["to"] == SECRET


def test_messages_made_of_an_entry_lose_their_body(refund: Action, auditor: Person) -> None:
    line = Line.objects.filter(kind="hold.rejected").get()
    Delivery.objects.filter(entry=line.pk).update(body=f'{{"x": "{SECRET}"}}', last_answer=SECRET)

    done = erasure.erase(erasing.of_entry(line), by=auditor, reason="so")

    assert done.copies == {"message": 1}
    assert set(Delivery.objects.filter(entry=line.pk).values_list("body", "last_answer")) == {
        ("", "")
    }


def test_a_person_is_erased_once_their_account_is_off(
    refund: Action, ada: Person, root: Person
) -> None:
    with pytest.raises(Conflict, match="ada can still sign in"):
        erasure.erase(erasing.of_person(ada), by=root, reason="Left.")
    Person.objects.filter(pk=ada.pk).update(is_active=False)
    sequencing.sequence_all()
    ada.refresh_from_db()

    erasure.erase(erasing.of_person(ada), by=root, reason="Left.")

    ada.refresh_from_db()
    assert ada.name.startswith("former-")
    assert ada.email == ""
    assert "person:ada" not in everything_kept()
    assert '"ada"' not in everything_kept()
    mine = Entry.objects.filter(actor=ada.record_name)
    assert mine.exists()
    assert all(entry.is_erased for entry in mine)


def test_a_legal_hold_keeps_it(refund: Action, auditor: Person) -> None:
    placed = keeping.hold(
        Scope.CASE, refund.record_name, by=auditor, reason="Court 12/26", label="the refund"
    )
    with pytest.raises(
        Conflict, match=r"legal hold keeps this: One case: the refund \(Court 12/26\)"
    ):
        erasure.erase(case(refund), by=auditor, reason="They asked for it.")
    assert SECRET in everything_kept()
    keeping.end(placed.pk, by=auditor, reason="Settled")

    erasure.erase(case(refund), by=auditor, reason="They asked for it.")

    kinds = Entry.objects.filter(about=placed.record_name).order_by("pk")
    assert list(kinds.values_list("kind", flat=True)) == ["legal_hold.placed", "legal_hold.ended"]


SCOPES = ["run", "agent", "person", "team", "everything"]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_of_a_legal_hold_keeps_what_it_covers(
    refund: Action, ada: Person, root: Person, scope: str
) -> None:
    subject = {
        "run": str(refund.run_id),
        "agent": str(refund.agent_id),
        "person": ada.record_name,
        "team": str(refund.agent.team_id),
        "everything": "",
    }[scope]
    keeping.hold(Scope(scope), subject, by=root, reason="so")
    line = Line.objects.filter(kind="hold.rejected").get()

    with pytest.raises(Conflict, match="legal hold keeps this"):
        erasure.erase(erasing.of_entry(line), by=root, reason="so")


def test_the_database_itself_refuses_what_is_held(refund: Action, root: Person) -> None:
    line = Line.objects.filter(kind="hold.rejected").get()
    LegalHold.objects.create(scope=Scope.EVERYTHING, reason="so", by="test")
    Entry.objects.create(
        kind="record.erased", actor="x", about="log", data={"ids": [line.pk], "count": 1}
    )

    with pytest.raises(Exception, match="A legal hold covers"), connection.cursor() as cursor:
        cursor.execute("select audit_erase((select max(id) from audit_line))")


def test_a_legal_hold_can_only_end(root: Person) -> None:
    placed = keeping.hold(Scope.EVERYTHING, "", by=root, reason="so")

    for change in ({"reason": "x"}, {"subject": "y", "scope": "team"}, {"names": [], "by": ""}):
        with pytest.raises(DatabaseError, match="may only end"), transaction.atomic():
            LegalHold.objects.filter(pk=placed.pk).update(**change)
    with pytest.raises(Conflict, match="keeps this already"):
        keeping.hold(Scope.EVERYTHING, "", by=root, reason="so")
    keeping.end(placed.pk, by=root, reason="over")
    with pytest.raises(Conflict, match="has ended already"):
        keeping.end(placed.pk, by=root, reason="over")


def test_who_may_erase(refund: Action, ada: Person, otto: Person, bob: Person, eve: Person) -> None:
    for person in (ada, otto, bob, eve):
        with pytest.raises(PermissionDenied, match="takes an auditor or admin"):
            erasure.erase(case(refund), by=fresh(person), reason="so")


def test_erasing_takes_a_fresh_sign_in_and_a_reason(refund: Action, iris: Person) -> None:
    with pytest.raises(Refused, match="fresh sign-in") as refusal:
        erasure.erase(case(refund), by=iris, reason="so")
    assert refusal.value.code == "step_up"
    with pytest.raises(Invalid, match="Say why"):
        erasure.erase(case(refund), by=fresh(iris), reason=" ")


def test_what_has_no_place_in_the_log_yet_waits(
    refund: Action, auditor: Person, ada: Person
) -> None:
    Entry.objects.create(kind="endpoint.resent", actor="clock", about=refund.record_name)

    with pytest.raises(Conflict, match="no place in the log yet"):
        erasure.erase(case(refund), by=auditor, reason="so")


def test_twice_says_that_nothing_is_left(refund: Action, auditor: Person) -> None:
    erasure.erase(case(refund), by=auditor, reason="so")
    sequencing.sequence_all()

    with pytest.raises(Invalid, match="nothing left to erase"):
        erasure.erase(case(refund), by=auditor, reason="so")


def test_what_is_under_way_is_not_erased(
    scout_with_key: tuple[Agent, str], run: Run, auditor: Person
) -> None:
    asked(scout_with_key, run)
    sequencing.sequence_all()

    with pytest.raises(Conflict, match=r"under way|still waits"):
        erasure.erase(case(Action.objects.get()), by=auditor, reason="so")


def test_who_erased_what_cannot_be_erased(refund: Action, root: Person) -> None:
    erasure.erase(case(refund), by=root, reason="so")
    sequencing.sequence_all()
    line = Line.objects.get(kind="record.erased")

    with pytest.raises(Invalid, match="nothing left"):
        erasure.erase(erasing.of_entry(line), by=root, reason="so")


def test_the_application_erases_through_the_owners_function(
    refund: Action, root: Person, as_application: None
) -> None:
    erasure.erase(case(refund), by=root, reason="so")

    assert Entry.objects.filter(kind="record.erased").exists()
    assert Retention.objects.count() == 0
