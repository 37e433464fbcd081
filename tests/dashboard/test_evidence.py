"""Who may take evidence out of the house, gets it, and the record says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client

from agents.models import Agent, Run
from agents.transitions import agent as agents
from audit import log, sequencing
from audit.models import Entry, Export
from audit.transitions import exporting
from dashboard.views import evidence
from people.models import Membership, Person, Role, Team
from reviews.models import Hold
from tests.audit import story
from watchfloor.evidence import Report

pytestmark = pytest.mark.django_db
EVER = {"since": "2020-01-01", "until": "2099-12-31"}


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def proved(content: bytes, folder: Path) -> Report:
    bundle = folder / "evidence.zip"
    bundle.write_bytes(content)
    return story.looked_at(bundle)


@pytest.fixture
def hold(scout: Agent, run: Run, ada: Person) -> Hold:
    agents.stop(scout, by=ada, reason="Looks odd.")
    return Hold.objects.get()


def test_a_period_is_downloaded_at_once(scout: Agent, iris: Person, tmp_path: Path) -> None:
    answer = sign_in(iris).post("/record/evidence/", EVER)

    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith('attachment; filename="evidence-')
    report = proved(answer.content, tmp_path)
    assert report.problems == []
    assert report.facts["made_by"] == "iris"
    told = Entry.objects.filter(kind="record.exported").get()
    assert (told.actor, told.data["count"]) == (iris.record_name, report.facts["count"])


def test_one_takes_only_what_one_reads(
    scout: Agent, eve: Person, ada: Person, iris: Person, tmp_path: Path
) -> None:
    def count(person: Person) -> int:
        found: int = proved(
            sign_in(person).post("/record/evidence/", EVER).content, tmp_path
        ).facts["count"]
        return found

    sequencing.sequence_all()
    assert count(eve) == 0
    assert 0 < count(ada) < count(iris)


def test_a_case_is_downloaded_with_its_proofs(hold: Hold, ada: Person, tmp_path: Path) -> None:
    client = sign_in(ada)
    page = client.get(f"/record/evidence/case/{hold.pk}/").content.decode()

    answer = client.post(f"/record/evidence/case/{hold.pk}/")

    report = proved(answer.content, tmp_path)
    assert report.problems == []
    assert f"Download {report.facts['count']} entries" in page
    assert report.facts["about"]["case"]["id"] == str(hold.pk)


def test_a_kept_checkpoint_is_continued(scout: Agent, iris: Person, tmp_path: Path) -> None:
    sequencing.sequence_all()
    kept = log.latest()
    assert kept is not None
    sign_in(iris)
    sequencing.sequence_all()

    answer = sign_in(iris).post("/record/evidence/", {**EVER, "checkpoint": kept.note})

    bundle = tmp_path / "b.zip"
    bundle.write_bytes(answer.content)
    assert kept.size in story.looked_at(bundle, checkpoints=[kept.note]).facts["continues"]


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"since": "x", "until": "2026-01-01"},
        {"since": "2026-02-01", "until": "2026-01-01"},
        {"since": "9999-12-31", "until": "9999-12-31"},
        {**EVER, "checkpoint": "<b>nonsense"},
    ],
)
def test_what_cannot_be_meant_is_said_beside_the_form(
    scout: Agent, iris: Person, typed: dict[str, Any]
) -> None:
    sequencing.sequence_all()
    answer = sign_in(iris).post("/record/evidence/", typed)

    assert answer.status_code == 422
    assert 'class="notice stopped"' in answer.content.decode()
    assert not Entry.objects.filter(kind="record.exported").exists()


def test_a_large_one_waits_for_whoever_asked(
    scout: Agent,
    iris: Person,
    otto: Person,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "AT_ONCE", 0)
    sequencing.sequence_all()
    client = sign_in(iris)

    assert client.post("/record/evidence/", EVER).status_code == 302
    address = f"/record/evidence/{Export.objects.get().pk}/"
    assert "Waiting" in client.get("/record/evidence/?region=exports").content.decode()
    assert client.get(address).status_code == 404
    exporting.make_waiting()

    assert address in client.get("/record/evidence/").content.decode()
    answer = client.get(address)
    assert proved(b"".join(answer), tmp_path).proved
    assert sign_in(otto).get(address).status_code == 404


@pytest.mark.parametrize("stays", [True, False])
def test_who_no_longer_reads_it_does_not_fetch_it(
    scout: Agent, iris: Person, support: Team, stays: bool
) -> None:
    sequencing.sequence_all()
    made = exporting.ask(story.EVER, by=iris)
    exporting.make_waiting()
    address = f"/record/evidence/{made.pk}/"
    assert sign_in(iris).get(address).status_code == 200

    Membership.objects.filter(person=iris).delete()
    if stays:
        Membership.objects.create(person=iris, team=support, role=Role.AUDITOR)

    assert sign_in(iris).get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_it_is_read_in_parts_from_the_real_server(
    live: str, scout: Agent, iris: Person, tmp_path: Path
) -> None:
    sequencing.sequence_all()
    made = exporting.ask(story.EVER, by=iris)
    exporting.make_waiting()
    cookies = {name: kept.value for name, kept in sign_in(iris).cookies.items()}

    answer = httpx.get(f"{live}/record/evidence/{made.pk}/", cookies=cookies)

    assert proved(answer.content, tmp_path).proved
