"""Permits at the real door: rates are never exceeded, places never overfilled, and turns are kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from agents.models import Agent, Limit, LimitUse, Permit, Run
from agents.rules.limits import parse_limit
from agents.transitions import agent as agents
from agents.transitions import limit as limits
from dashboard.embedded.runtime import PROJECT
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import ALL_AT_ONCE

RATE = {"resource": "openai", "rate": "2/1s", "burst": 3}
PLACES = {"resource": "crm", "concurrency": 2, "lease": "30s"}


class Asker:
    """An agent that asks for permits."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(
            limits=ALL_AT_ONCE,
            base_url=f"{url}/api/v1",
            headers={"authorization": f"Bearer {key}"},
            timeout=40,
        )

    def ask(self, resource: str = "openai", **more: Any) -> httpx.Response:
        return self.http.post("/permits", json={"resource": resource, **more})

    def told(self, resource: str = "openai", **more: Any) -> dict[str, Any]:
        answer = self.ask(resource, **more)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def renew(self, lease: str, **more: Any) -> httpx.Response:
        return self.http.post(f"/permits/{lease}/renew", json=more)

    def give_back(self, lease: str) -> httpx.Response:
        return self.http.delete(f"/permits/{lease}")


@pytest.fixture
def asker(live: str, scout_with_key: tuple[Agent, str]) -> Iterator[Asker]:
    asker = Asker(live, scout_with_key[1])
    yield asker
    asker.http.close()


@pytest.fixture
def other(live: str) -> Iterator[Asker]:
    """An agent of another team."""
    team = Team.objects.get_or_create(name="elsewhere")[0]
    asker = Asker(live, agents.create("other", team=team, by="test")[1])
    yield asker
    asker.http.close()


def limit(team: Team | None, written: dict[str, Any]) -> Limit:
    return limits.set(team, parse_limit(written), by="test")


# -- rates -----------------------------------------------------------------------------------------


def test_a_burst_is_given_at_once_and_then_it_says_when(asker: Asker, support: Team) -> None:
    limit(support, {**RATE, "rate": "1/1h"})

    told = [asker.told() for _ in range(4)]

    assert [t["granted"] for t in told] == [True, True, True, False]
    assert [t["wait_s"] for t in told[:3]] == [0, 0, 0]
    assert 3590 < told[3]["retry_after_s"] <= 3600
    assert told[3]["limit"] == {"resource": "openai", "rate": "1/1h", "burst": 3}
    assert told[0]["lease_id"] is None
    assert asker.ask().headers["retry-after"] == "3600"


def test_slots_are_booked_in_the_order_of_asking(asker: Asker, support: Team) -> None:
    limit(support, {**RATE, "rate": "1/10s", "burst": 1})

    waits = [asker.told(max_wait_s=60)["wait_s"] for _ in range(4)]

    assert waits == sorted(waits)
    assert [round(w / 10) for w in waits] == [0, 1, 2, 3]
    use = LimitUse.objects.get()
    assert (use.granted, use.delayed, use.refused) == (4, 3, 0)


def test_beyond_the_patience_nothing_is_stored(asker: Asker, support: Team) -> None:
    made = limit(support, {**RATE, "rate": "1/1m", "burst": 1})
    asker.told()
    made.refresh_from_db()

    told = asker.told(max_wait_s=20)

    before, made = made.tat, Limit.objects.get()
    assert made.tat == before
    assert not told["granted"]
    assert told["wait_s"] == pytest.approx(60, abs=2)
    assert told["retry_after_s"] == pytest.approx(40, abs=2)
    assert Permit.objects.count() == 0


def test_more_than_the_burst_is_refused_for_good(asker: Asker, support: Team) -> None:
    limit(support, RATE)

    answer = asker.ask(n=4, max_wait_s=600)

    assert (answer.status_code, answer.json()["code"]) == (422, "over_burst")
    assert "retry-after" not in answer.headers
    assert asker.told(n=3)["granted"]


def test_a_hundred_who_ask_at_once_never_exceed_the_rate(asker: Asker, support: Team) -> None:
    limit(support, {"resource": "openai", "rate": "5/1s", "burst": 5})

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(lambda _: asker.told(max_wait_s=1), range(150)))

    granted = sorted(datetime.fromisoformat(t["starts_at"]) for t in told if t["granted"])
    assert 10 <= len(granted) < 150
    for first, begin in enumerate(granted):  # in every span of time, and not only on the whole
        for count, end in enumerate(granted[first:], 1):
            assert count <= 5 + 5 * (end - begin).total_seconds() + 1e-3
    waited = [p.starts_at for p in Permit.objects.order_by("starts_at") if p.starts_at]
    assert min(b - a for a, b in pairwise(waited)) >= timedelta(milliseconds=200)
    use = LimitUse.objects.aggregate(granted=Sum("granted"), refused=Sum("refused"))
    assert use == {"granted": len(granted), "refused": 150 - len(granted)}


def test_the_same_id_again_books_nothing_more(asker: Asker, support: Team) -> None:
    limit(support, {**RATE, "rate": "1/10s", "burst": 1})
    asker.told()
    mine = str(uuid4())
    first = asker.told(id=mine, max_wait_s=60)

    again = asker.told(id=mine, max_wait_s=60)

    assert again["granted"]
    assert again["wait_s"] <= first["wait_s"]
    assert asker.told(max_wait_s=60)["wait_s"] == pytest.approx(20, abs=1)
    assert asker.ask(id=mine, n=1, resource="openai", run_id=None).status_code == 200


# -- who may ask -----------------------------------------------------------------------------------


def test_what_nobody_limits_is_refused_with_a_word_on_who_can(asker: Asker, support: Team) -> None:
    answer = asker.ask("nowhere")

    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_limit")
    assert "of support can set one" in answer.json()["detail"]


def test_the_teams_limit_comes_before_that_of_the_house(
    asker: Asker, other: Asker, support: Team
) -> None:
    limit(None, {**RATE, "rate": "1/1h", "burst": 1})
    limit(support, {**RATE, "burst": 2})

    assert asker.told()["limit"]["burst"] == 2
    assert other.told()["limit"]["burst"] == 1
    assert not other.told()["granted"]
    assert asker.told()["granted"]


def test_a_paused_or_terminated_agent_gets_no_permit(
    asker: Asker, support: Team, scout: Agent, run: Run, ada: Person
) -> None:
    limit(support, {**RATE, "burst": 100})
    assert asker.told(run_id=str(run.pk))["granted"]

    trip = agents.stop(scout, by=ada, reason="odd answers")
    paused = asker.ask()
    holds.terminate(Hold.objects.get(trip=trip), by=ada, note="enough")
    ended = asker.ask(run_id=str(run.pk))
    agents.retire(scout, by=ada)
    retired = asker.ask()

    assert (paused.status_code, paused.json()["code"]) == (409, "paused")
    assert paused.json()["detail"] == "odd answers"
    assert (ended.status_code, ended.json()["code"]) == (409, "terminated")
    assert retired.status_code in (401, 409)
    assert LimitUse.objects.get().granted == 1


def test_a_run_of_somebody_else_is_not_found(other: Asker, run: Run) -> None:
    limit(None, RATE)

    assert other.ask(run_id=str(run.pk)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"resource": ""}, 422),
        ({"resource": "x" * 201}, 422),
        ({"resource": "openai", "n": 0}, 422),
        ({"resource": "openai", "n": 10**10}, 422),
        ({"resource": "openai", "max_wait_s": -1}, 422),
        ({"resource": "openai", "max_wait_s": 601}, 422),
        ({"resource": "openai", "lease_s": 0}, 422),
        ({"resource": "openai", "surprise": 1}, 422),
        ({"resource": "openai\0"}, 422),
        ({"n": 1}, 422),
    ],
)
def test_what_cannot_be_meant_is_refused(
    asker: Asker, support: Team, body: dict[str, Any], status: int
) -> None:
    limit(support, RATE)

    assert asker.http.post("/permits", json=body).status_code == status


def test_a_wrong_key_gets_nothing(asker: Asker, support: Team) -> None:
    stranger = asker
    stranger.http.headers["authorization"] = "Bearer wf_wrong"

    answers = [stranger.ask(), stranger.renew(str(uuid4())), stranger.give_back(str(uuid4()))]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert stranger.http.get("/permits").status_code == 405


# -- places ----------------------------------------------------------------------------------------


def test_places_are_taken_given_back_and_taken_again(asker: Asker, support: Team) -> None:
    limit(support, PLACES)
    first, second, refused = (asker.told("crm") for _ in range(3))

    assert [t["granted"] for t in (first, second, refused)] == [True, True, False]
    assert 0 < refused["retry_after_s"] <= 1
    assert asker.give_back(first["lease_id"]).status_code == 200
    assert asker.give_back(first["lease_id"]).status_code == 200
    assert asker.told("crm")["granted"]
    assert not asker.told("crm")["granted"]


def test_an_expired_lease_counts_no_more(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1, "lease": "1s"})
    lease = asker.told("crm", lease_s=86_400)

    told = asker.told("crm", max_wait_s=5)

    assert told["granted"]
    until = datetime.fromisoformat(lease["lease_until"])
    assert timezone.now() >= until
    late = asker.renew(lease["lease_id"])
    assert (late.status_code, late.json()["code"]) == (409, "lease_expired")


def test_a_lease_is_renewed_within_its_limit(asker: Asker, support: Team) -> None:
    limit(support, PLACES)
    lease = asker.told("crm", lease_s=5)["lease_id"]

    renewed = asker.renew(lease, lease_s=3600).json()

    left = datetime.fromisoformat(renewed["lease_until"]) - timezone.now()
    assert timedelta(seconds=25) < left <= timedelta(seconds=30)


def test_a_lease_of_another_agent_is_not_found(asker: Asker, other: Asker) -> None:
    limit(None, PLACES)
    lease = asker.told("crm")["lease_id"]

    assert other.renew(lease).status_code == 404
    assert other.give_back(lease).status_code == 404
    assert other.ask("crm", id=lease).status_code == 409
    assert asker.renew(lease).status_code == 200


def test_who_waits_for_a_place_gets_it_when_it_is_given_back(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asker.told, "crm", max_wait_s=20)
        in_line(1)

        asker.give_back(lease)

        assert waiting.result(20)["granted"]


def test_places_are_given_in_the_order_of_asking(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]
    order: list[int] = []

    def work(number: int) -> None:
        told = asker.told("crm", max_wait_s=30)
        order.append(number)
        asker.give_back(told["lease_id"])

    with ThreadPoolExecutor(12) as pool:
        for number in range(12):
            pool.submit(work, number)
            in_line(number + 1)
        asker.give_back(lease)

    assert order == list(range(12))


def test_a_hundred_never_hold_more_places_than_there_are(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 4})
    holding: set[int] = set()
    most: list[int] = []

    def work(number: int) -> None:
        told = asker.told("crm", max_wait_s=60)
        while not told["granted"]:
            assert told["waiting"], told
            told = asker.told("crm", max_wait_s=60, id=told["id"])
        holding.add(number)
        most.append(len(holding))
        holding.discard(number)
        asker.give_back(told["lease_id"])

    with ThreadPoolExecutor(40) as pool:
        for done in [pool.submit(work, n) for n in range(100)]:
            done.result(60)

    assert len(most) == 100
    assert max(most) <= 4
    assert Permit.objects.filter(until__gt=timezone.now()).count() == 0


def test_who_hangs_up_leaves_the_line(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]
    with pytest.raises(httpx.ReadTimeout):
        asker.http.post("/permits", json={"resource": "crm", "max_wait_s": 30}, timeout=0.3)
    gone()

    asker.give_back(lease)

    assert asker.told("crm")["granted"]


def test_patience_that_ends_leaves_the_line(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    asker.told("crm")

    told = asker.told("crm", max_wait_s=0.2)

    assert (told["granted"], told["waiting"]) == (False, False)
    gone()
    assert (
        sum(LimitUse.objects.values_list("refused", flat=True)) == 1
    )  # a minute may end meanwhile


def test_who_waits_in_line_gets_nothing_after_a_stop(
    asker: Asker, support: Team, scout: Agent, ada: Person
) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asker.ask, "crm", max_wait_s=20)
        in_line(1)

        agents.stop(scout, by=ada, reason="odd answers")
        assert asker.give_back(lease).status_code == 200

        assert waiting.result(20).json()["code"] == "paused"
    gone()


def test_more_places_let_those_in_who_wait(asker: Asker, support: Team, ada: Person) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    asker.told("crm")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asker.told, "crm", max_wait_s=20)
        in_line(1)

        limits.set(support, parse_limit({**PLACES, "concurrency": 2}), by=ada)

        assert waiting.result(20)["granted"]


def test_a_removed_limit_gives_no_more_permits(asker: Asker, support: Team, ada: Person) -> None:
    made = limit(support, {**PLACES, "concurrency": 1})
    asker.told("crm")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asker.ask, "crm", max_wait_s=20)
        in_line(1)

        limits.remove(made, by=ada)

        assert waiting.result(20).json()["code"] == "no_such_limit"


def test_a_place_and_a_slot_go_together(asker: Asker, support: Team) -> None:
    limit(support, {"resource": "crm", "rate": "1/10s", "concurrency": 2, "lease": "30s"})
    asker.told("crm")

    refused = asker.told("crm", max_wait_s=1)
    booked = asker.told("crm", max_wait_s=20)

    assert not refused["granted"]
    assert booked["wait_s"] == pytest.approx(10, abs=1)
    left = datetime.fromisoformat(booked["lease_until"]) - timezone.now()
    assert left.total_seconds() == pytest.approx(40, abs=2)


def in_line(count: int) -> None:
    """Until so many wait for a place."""
    until(lambda: Permit.objects.filter(starts_at=None).count() == count)


def gone() -> None:
    in_line(0)


def until(question: Any) -> None:
    end = time.monotonic() + 20
    while not question():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- over several processes ------------------------------------------------------------------------


@pytest.fixture
def second(asker: Asker, scout_with_key: tuple[Agent, str]) -> Iterator[Asker]:
    """The same agent at another process of the same floor."""
    with another_process() as url:
        other = Asker(url, scout_with_key[1])
        yield other
        other.http.close()


@contextmanager
def another_process() -> Iterator[str]:
    """A web process beside the one of the tests, on the same database and the same bell."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "dashboard.asgi:application"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-access-log"),
            *("--log-level", "warning", "--timeout-graceful-shutdown", "2"),
        ],
        cwd=PROJECT,
        env={
            **os.environ,
            "DATABASE_URL": urlunsplit(address._replace(path=f"/{name}")),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        },
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/livez"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_the_line_is_one_over_two_processes(asker: Asker, second: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]
    order: list[int] = []

    def work(number: int) -> None:
        here = (asker, second)[number % 2]
        told = here.told("crm", max_wait_s=60)
        order.append(number)
        here.give_back(told["lease_id"])

    with ThreadPoolExecutor(10) as pool:
        for number in range(10):
            pool.submit(work, number)
            in_line(number + 1)
        asker.give_back(lease)

    assert order == list(range(10))


def test_a_process_that_dies_keeps_the_others_waiting_for_seconds_only(
    asker: Asker, support: Team
) -> None:
    made = limit(support, {**PLACES, "concurrency": 1})
    now = timezone.now()
    lapsing = now + timedelta(seconds=1)
    agent = Agent.objects.get()
    Permit.objects.create(limit=made, agent=agent, is_lease=True, asked_at=now, until=lapsing)

    told = asker.told("crm", max_wait_s=20)

    assert told["granted"]
    assert timezone.now() >= lapsing


def test_turns_are_kept_for_longer_than_a_turn_lasts(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm", lease_s=30)["lease_id"]
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(asker.told, "crm", max_wait_s=40) for _ in range(3)]
        in_line(3)
        began = dict(Permit.objects.filter(starts_at=None).values_list("pk", "until"))

        until(lambda: all(p.until > began[p.pk] for p in Permit.objects.filter(starts_at=None)))

        assert Permit.objects.filter(starts_at=None).count() == 3
        for _ in waiting:
            asker.give_back(lease)
            until(lambda before=lease: held_by_another(before))
            lease = str(Permit.objects.get(starts_at__isnull=False, until__gt=timezone.now()).pk)
        assert all(each.result(20)["granted"] for each in waiting)


def held_by_another(than: str) -> bool:
    held = Permit.objects.filter(starts_at__isnull=False, until__gt=timezone.now())
    return held.exclude(pk=than).exists()


def test_forty_who_hang_up_at_once_leave_no_deadlock_behind(asker: Asker, support: Team) -> None:
    limit(support, {**PLACES, "concurrency": 1})
    lease = asker.told("crm")["lease_id"]

    def hang_up(_: int) -> None:
        with suppress(httpx.ReadTimeout):
            asker.http.post("/permits", json={"resource": "crm", "max_wait_s": 30}, timeout=1)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(hang_up, range(40)))
    gone()
    asker.give_back(lease)

    assert asker.told("crm")["granted"]
