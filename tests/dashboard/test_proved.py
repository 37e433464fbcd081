"""What the record proves, as pages: one entry, one case from proposal to outcome, and the log itself."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Action, Agent
from agents.transitions import agent as agents
from audit import checking, keys, log, sequencing, text
from audit.models import Entry, Leaf, Line
from audit.record import record
from audit.rules import merkle
from people.models import Person
from reviews import cases
from reviews.models import Hold
from reviews.models.alert import Occurrence
from reviews.transitions import hold as transitions
from reviews.transitions import stops
from tests.reviews.conftest import Ask, Rule

pytestmark = pytest.mark.django_db

type Held = Callable[..., Hold]

HOSTILE = "\u202egnp.exe <script>alert(1)</script>"


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(person: Person, address: str) -> str:
    answer = sign_in(person).get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def plain(shown: str) -> str:
    """What one reads, without its marks."""
    return re.sub(r"<[^>]+>", "", shown)


def settled() -> None:
    sequencing.sequence_all()
    text.index_all()


def last(kind: str) -> Entry:
    return Entry.objects.filter(kind=kind).order_by("-pk")[0]


# -- one entry -------------------------------------------------------------------------------------


def test_an_entry_shows_all_of_itself_and_the_way_to_the_root(held: Held, ada: Person) -> None:
    hold = held()
    transitions.approve(hold, by=ada, note="Fine by me")
    settled()
    entry = last("hold.approved")
    leaf = Leaf.objects.get(line=entry.pk)

    shown = page(ada, f"/record/{entry.pk}/")

    assert "Fine by me" in shown
    assert f'href="/record/case/{hold.pk}/"' in shown
    facts = plain(shown.partition('aria-label="Facts"')[2])
    for name in ("ada", hold.title, hold.team.name, hold.agent.name):
        assert name in facts
    assert entry.data["digest"] in shown
    assert "Before and after" in shown
    assert f"Leaf <strong>{leaf.index}</strong>" in shown
    hashes = log.proof(leaf.index, log.size())
    assert hashes
    for step in shown.partition('class="hashes"')[2].partition("</ol>")[0].split("<code>")[1:]:
        assert b64decode(step.partition("</code>")[0]) == hashes.pop(0)
    assert not hashes


def test_its_proof_can_be_taken_along(scout: Agent, ada: Person) -> None:
    settled()
    entry = last("agent.created")
    leaf = Leaf.objects.get(line=entry.pk)

    answer = sign_in(ada).get(f"/record/{entry.pk}/proof/")

    assert answer["Content-Disposition"] == f'attachment; filename="{leaf.index}.tlog-proof"'
    said = answer.content.decode()
    assert said.startswith(f"c2sp.org/tlog-proof@v1\nindex {leaf.index}\n")
    hashes, _, checkpoint = said.partition("\n\n")
    path = [b64decode(line) for line in hashes.split("\n")[2:]]
    root = merkle.root_from_inclusion(leaf.index, log.size(), bytes(leaf.hash), path)
    assert checkpoint.split("\n")[2] == b64encode(root).decode()


def test_what_has_no_place_yet_says_so(scout: Agent, ada: Person) -> None:
    entry = last("agent.created")

    assert "Not in the log yet" in page(ada, f"/record/{entry.pk}/")
    assert sign_in(ada).get(f"/record/{entry.pk}/proof/").status_code == 404


def test_what_was_erased_says_by_whom_and_why(scout: Agent, otto: Person, ada: Person) -> None:
    from audit.models import Payload

    entry = Entry.objects.create(
        kind="action.allowed", actor="clock", about=scout.record_name, summary="a secret word",
        team=str(scout.team_id), data={"tool": "search"},
    )  # fmt: skip
    settled()
    record(
        "record.erased", actor=otto, about=scout, summary="",
        data={"ids": [entry.pk], "count": 1, "reason": "She asked us to", "scope": "entry"},
    )  # fmt: skip
    erase(entry)
    settled()

    shown = page(ada, f"/record/{entry.pk}/")

    assert not Payload.objects.filter(id=entry.pk).exists()
    assert "What this entry said was erased" in shown
    assert "otto erased" in plain(shown)
    assert "She asked us to" in shown
    assert "a secret word" not in shown
    assert "Leaf <strong>" in shown
    listed = page(ada, "/record/")
    assert 'data-proved="erased"' in listed
    assert "a secret word" not in page(ada, "/record/?text=secret").partition('id="entries"')[2]


def erase(entry: Entry) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select max(id) from audit_line where kind = 'record.erased'")
        cursor.execute("select audit_erase(%s)", [cursor.fetchone()[0]])


def test_nobody_reads_an_entry_of_a_team_they_do_not_read(
    scout: Agent, bob: Person, eve: Person, iris: Person
) -> None:
    settled()
    number = last("agent.created").pk

    for address in (f"/record/{number}/", f"/record/{number}/proof/"):
        assert sign_in(iris).get(address).status_code == 200
        assert sign_in(eve).get(address).status_code == 404
        assert sign_in(bob).get(address).status_code == 404
    assert sign_in(iris).get(f"/record/{2**63}/").status_code == 404


# -- one case --------------------------------------------------------------------------------------


def test_a_case_is_told_from_proposal_to_outcome(
    rule: Rule, held: Held, take: Callable[[Any], Any], ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held(reason="They asked twice", on_behalf_of="carl")
    transitions.approve(hold, by=ada, note="Looks right")
    transitions.edit(hold, by=otto, arguments={"amount": 70}, note="Seventy is enough")
    transitions.approve(Hold.objects.get(pk=hold.pk), by=ada, note="Seventy, then")
    take(hold.pk)
    settled()

    shown = page(ada, f"/record/case/{hold.pk}/")

    assert "They asked twice" in shown
    assert 'on behalf of <strong><bdi class="untrusted-line">carl' in shown
    assert "2 different people must say yes" in shown
    for words in ("Looks right", "Seventy is enough", "Seventy, then"):
        assert words in shown
    assert '<del class="was"><bdi class="untrusted-line">80' in shown
    assert '<ins class="is"><bdi class="untrusted-line">70' in shown
    assert "What ran is what was approved" in shown
    action = Action.objects.get(pk=hold.pk)
    assert bytes(action.approval_digest or b"").hex() in shown
    steps = shown.partition("case-steps")[2]
    assert steps.count('data-proved="yes"') == shown.count('class="entry"')
    order = ["asked to use", "A person is asked", "said yes", "changed what", "approved", "began"]
    places = [steps.index(words) for words in order]
    assert places == sorted(places)


def test_a_case_says_that_what_was_asked_for_was_erased(
    held: Held, ada: Person, iris: Person
) -> None:
    hold = held()
    transitions.reject(hold, by=ada, note="Not this one")
    settled()
    assert "What was asked for was erased." not in page(iris, f"/record/case/{hold.pk}/")

    form = {"case": hold.pk, "reason": "They asked", "sure": "yes"}
    assert sign_in(iris).post("/record/erase/", form).status_code == 302

    assert "What was asked for was erased." in page(iris, f"/record/case/{hold.pk}/")
    assert "What was asked for was erased." in page(ada, f"/holds/{hold.pk}/")


def test_what_ran_and_is_not_what_was_approved_stands_out(held: Held, ada: Person) -> None:
    hold = held()
    transitions.approve(hold, by=ada)
    Action.objects.filter(pk=hold.pk).update(approved_arguments={"amount": 8000})

    shown = page(ada, f"/record/case/{hold.pk}/")

    assert "What is kept is not what was approved" in shown


def test_an_action_that_nobody_was_asked_about_is_a_case_too(ask: Ask, ada: Person) -> None:
    told = ask(tool="search", arguments={"q": HOSTILE}, reason=HOSTILE, subject=HOSTILE)

    shown = page(ada, f"/record/case/{told['action']['id']}/")

    assert "Why no person" in shown
    assert "was allowed" in shown
    assert 'data-proved="waiting"' in shown
    assert "<script>alert" not in shown
    assert "\u202e" not in shown


def test_a_stop_tells_what_was_paused_and_what_people_answered(scout: Agent, ada: Person) -> None:
    trip = agents.stop(scout, by=ada, reason="It talks nonsense")
    stops.resume(trip.pk, by=ada, note="Better now")
    settled()

    shown = page(ada, f"/record/case/{trip.pk}/")

    assert "It talks nonsense" in shown
    steps = shown.partition("case-steps")[2]
    assert "paused" in steps
    assert "let it run again" in steps or "run again" in steps
    assert "Better now" in shown


def test_versions_of_a_request_are_one_case(ask: Ask, held: Held, ada: Person) -> None:
    hold = held(call_id="a")
    transitions.ask(hold, by=ada, note="Which mail?")
    again = ask(call_id="b", arguments={"amount": 81}, revises=str(hold.pk))["action"]["id"]

    for pk in (hold.pk, again):
        shown = page(ada, f"/record/case/{pk}/")
        assert "Which mail?" in shown
        assert "Other versions" in shown


def test_a_case_is_read_by_those_who_read_the_record_of_its_team(
    held: Held, bob: Person, eve: Person, iris: Person
) -> None:
    address = f"/record/case/{held().pk}/"

    assert sign_in(iris).get(address).status_code == 200
    assert sign_in(bob).get(address).status_code == 404
    assert sign_in(eve).get(address).status_code == 404
    assert sign_in(iris).get(f"/record/case/{uuid4()}/").status_code == 404


def test_one_goes_there_from_the_hold_and_the_action(held: Held, ada: Person, bob: Person) -> None:
    hold = held()
    way = f'href="/record/case/{hold.pk}/"'
    action = reverse("action", args=[hold.run_id, hold.pk])

    for address in (f"/holds/{hold.pk}/", action):
        assert way in page(ada, address)
        assert way not in page(bob, address)


def test_a_case_asks_little(
    held: Held, ada: Person, iris: Person, django_assert_max_num_queries: Any
) -> None:
    hold = held()
    for n in range(30):
        transitions.comment(hold, by=ada, text=f"word {n}")
    settled()
    client = sign_in(iris)

    with django_assert_max_num_queries(36):
        client.get(f"/record/case/{hold.pk}/")


# -- the log ---------------------------------------------------------------------------------------


def test_the_page_says_how_one_verifies_it_without_us(scout: Agent, iris: Person) -> None:
    settled()
    latest = log.latest()
    assert latest is not None

    shown = sign_in(iris).get("/record/proof/").content.decode()

    assert latest.note.splitlines()[2] in shown
    assert log.vkey() in shown.replace("&#x27;", "'")
    assert "watchfloor verify BUNDLE --key" in shown
    assert "No checkpoint is kept outside" in shown
    assert "None was recorded yet" in shown


def test_a_house_without_a_log_says_so(scout: Agent, iris: Person) -> None:
    assert "The log has not begun" in page(iris, "/record/proof/")


def test_what_is_wrong_is_said_there_and_above_the_record(scout: Agent, iris: Person) -> None:
    settled()
    sequencing.halt("The file knows another record of 12 entries.")

    for address in ("/record/proof/", "/record/"):
        shown = page(iris, address)
        assert 'role="alert"' in shown
        assert "The log stands still" in shown
        assert "The file knows another record" in shown


def test_entries_that_wait_too_long_are_an_alarm(scout: Agent, iris: Person) -> None:
    settled()
    Entry.objects.create(
        kind="run.started", actor="clock", about="agents.run:x",
        at=timezone.now() - timedelta(minutes=5),
    )  # fmt: skip

    assert "Entries wait for their place" in page(iris, "/record/")


def test_those_of_one_team_are_told_of_it_too(scout: Agent, ada: Person) -> None:
    settled()
    sequencing.halt("The file knows another record.")

    assert "The log stands still" in page(ada, "/record/proof/")
    assert "The log stands still" in page(ada, "/record/")


def test_the_last_self_check_is_shown_with_what_it_found(scout: Agent, iris: Person) -> None:
    settled()
    checking.take_turn()
    checking.take_turn()
    assert Line.objects.filter(kind=checking.KIND).count() == 1
    assert "Nothing wrong" in page(iris, "/record/proof/")

    checking.write_down(log.size(), ["leaf 3 is not what was signed."])

    shown = page(iris, "/record/proof/")
    assert "leaf 3 is not what was signed." in shown
    assert "The last self-check found something" in page(iris, "/record/")


def test_a_log_that_rotated_its_key_shows_who_vouches_for_it(scout: Agent, iris: Person) -> None:
    settled()
    before = log.vkey()
    keys.rotate(by="test")
    settled()

    shown = page(iris, "/record/proof/")

    assert before in shown
    assert log.vkey() in shown
    assert "by the key before it" in shown


def test_the_log_grew(scout: Agent, ada: Person, iris: Person) -> None:
    settled()
    Entry.objects.create(kind="run.started", actor="clock", about="agents.run:x")
    settled()

    assert "How it grew" in page(iris, "/record/proof/")


def test_an_alert_of_several_cases_belongs_to_none_of_them(held: Held, ada: Person) -> None:
    first = held()
    alone = cases.find(first.pk, ada)
    assert alone is not None
    mine = [name for name in alone.names if name.startswith("reviews.alert:")]
    assert mine == [f"reviews.alert:{one.alert_id}" for one in Occurrence.objects.all()]
    assert mine

    second = held(call_id="call-2", subject="order:2")
    assert second != first

    assert Occurrence.objects.values("alert").distinct().count() == 1
    for hold in (first, second):
        case = cases.find(hold.pk, ada)
        assert case is not None
        assert not [name for name in case.names if name.startswith("reviews.alert:")]
