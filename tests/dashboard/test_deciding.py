"""A yes written before its page: what an agent waits for takes the shortest way, and nothing else does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from agents.models import Action, Agent
from agents.transitions import policy as policies
from audit.models import Entry
from dashboard import deciding
from dashboard.sessions import SIGNED_IN_AT, SessionStore, kept
from dashboard.views.asked import DONE
from people.models import Person
from reviews.models import Hold, Vote
from reviews.transitions import voting
from tests.cast import Door
from tests.test_races import at_once as together

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a" * 32
type SignIn = Callable[[Person], httpx.Client]


@pytest.fixture
def sign_in(live: str) -> Iterator[SignIn]:
    """A browser of theirs, as far as the server can tell."""
    browsers: list[httpx.Client] = []

    def signed_in(person: Person) -> httpx.Client:
        django = Client()
        django.force_login(person)
        key = django.cookies[settings.SESSION_COOKIE_NAME].value
        browser = httpx.Client(
            base_url=live,
            cookies={settings.SESSION_COOKIE_NAME: key, "csrftoken": TOKEN},
            headers={"HX-Request": "true", "X-CSRFToken": TOKEN, "User-Agent": "a browser"},
            timeout=30,
        )
        browsers.append(browser)
        return browser

    yield signed_in
    for browser in browsers:
        browser.close()


@pytest.fixture
def hold(door: Door) -> Hold:
    return held(door)


def held(door: Door, call: str = "1") -> Hold:
    told = door.propose(call, "refund.issue", arguments={"amount": 80}, subject=f"order {call}")
    assert told.status_code == 202, told.text
    return Hold.objects.get(pk=told.json()["action"]["id"])


def approve(browser: httpx.Client, hold: Hold | Any, **form: Any) -> httpx.Response:
    pk = hold.pk if isinstance(hold, Hold) else hold
    return browser.post(f"/holds/{pk}/approve/", data={"note": "", **form})


@pytest.fixture(autouse=True)
def nothing_is_asked_from_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' processes let an event loop ask the database, which no other does."""
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE")


@pytest.fixture
def at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[list[bool]]:
    """For each approval that came: whether it was written before its page. What is left to the page is no error."""
    seen: list[bool] = []
    before = deciding.beforehand

    async def beforehand(site: Any, scope: Any, body: Any) -> None:
        await before(site, scope, body)
        if scope["path"].endswith("/approve/"):
            seen.append(DONE in scope)

    monkeypatch.setattr(deciding, "beforehand", beforehand)
    yield seen
    assert not [
        r
        for r in caplog.records
        if r.name == deciding.logger.name and "broken" not in str(r.exc_info)
    ]


def test_a_plain_yes_is_written_before_its_page(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    answer = approve(sign_in(ada), hold, note="Paid twice.")
    assert (answer.status_code, at_once) == (200, [True])
    assert "data-answered" in answer.text
    hold.refresh_from_db()
    assert (hold.state, hold.decision, hold.decided_by, hold.note) == (
        *("decided", "approved"),
        *("person:ada", "Paid twice."),
    )
    action = Action.objects.get(pk=hold.pk)
    assert (action.state, action.message, action.approved_arguments) == (
        *("approved", "Paid twice."),
        {"amount": 80},
    )
    assert Vote.objects.filter(hold=hold, person=ada, seat=ada).count() == 1


def test_it_leaves_the_same_behind_as_the_ordinary_verb(
    door: Door, ada: Person, sign_in: SignIn, at_once: list[bool], client: Client
) -> None:
    quick, slow = held(door, "1"), held(door, "2")
    assert approve(sign_in(ada), quick, note="Fine.").status_code == 200
    client.force_login(ada)
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_USER_AGENT": "a browser"}
    path = f"/holds/{slow.pk}/approve/"
    assert client.post(path, {"note": "Fine."}, **headers).status_code == 200  # type: ignore[arg-type]
    assert at_once == [True]
    assert written(quick) == written(slow)


def written(hold: Hold) -> Any:
    """All that a decision leaves, without what differs from one to the next."""
    hold.refresh_from_db()
    action = Action.objects.get(pk=hold.pk)
    (entry,) = Entry.objects.filter(about=hold.record_name, kind="hold.approved")
    (vote,) = Vote.objects.filter(hold=hold)
    assert action.expires_at is not None
    assert action.decided_at is not None
    return (
        [hold.state, hold.decision, hold.decided_by, hold.note, hold.claimed_by_id],
        [action.state, action.decision, action.message, action.decided_by],
        [action.approved_arguments, bytes(action.approval_digest or b"") == bytes(vote.digest)],
        round((action.expires_at - action.decided_at).total_seconds()),
        [vote.person_id, vote.seat_id, vote.revision, vote.note],
        [entry.actor, entry.summary, entry.team, entry.agent, entry.run],
        {k: v for k, v in entry.data.items() if k not in ("digest", "title")},
        entry.source,
    )


def test_the_waiting_agent_is_told(
    hold: Hold, door: Door, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    told: list[Any] = []
    agent = threading.Thread(target=lambda: told.append(door.read(str(hold.pk), wait=20)))
    agent.start()
    assert approve(sign_in(ada), hold).status_code == 200
    agent.join(20)
    assert (told[0]["state"], told[0]["decision"], at_once) == ("approved", "approved", [True])


def test_where_it_cannot_be_read_the_page_decides(
    hold: Hold,
    door: Door,
    ada: Person,
    sign_in: SignIn,
    at_once: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = "select 1 / (%(action)s::uuid is null)::int from agents_agent where id = %(agent)s"
    monkeypatch.setattr(deciding, "READ", refused)
    told: list[Any] = []
    agent = threading.Thread(target=lambda: told.append(door.read(str(hold.pk), wait=20)))
    agent.start()
    assert approve(sign_in(ada), hold).status_code == 200
    agent.join(20)
    assert (told[0]["state"], at_once) == ("approved", [False])


def test_an_agent_goes_only_once_the_yes_is_committed(
    hold: Hold, door: Door, ada: Person, sign_in: SignIn, waits_for_a_lock: Callable[[], int]
) -> None:
    """Its COMMIT looks whether the person is there, waits for whoever holds their row, and is ended."""
    browser = sign_in(ada)
    told: list[Any] = []
    agent = threading.Thread(target=lambda: told.append(door.read(str(hold.pk), wait=20)))
    agent.start()
    with transaction.atomic():
        Person.objects.select_for_update().get(pk=ada.pk)
        yes = threading.Thread(target=lambda: approve(browser, hold))
        yes.start()
        first = waits_for_a_lock()
        with connection.cursor() as cursor:
            cursor.execute("select pg_cancel_backend(%s)", [first])
            while waits_for_a_lock() == first:  # the page tries again, and waits, too
                pass
        assert told == []
    yes.join(20)
    agent.join(20)
    hold.refresh_from_db()
    assert (told[0]["state"], hold.state) == ("approved", "decided")
    assert Entry.objects.filter(kind="hold.approved").count() == 1


@pytest.fixture
def waits_for_a_lock() -> Callable[[], int]:
    """Who does, once somebody does."""

    def pid() -> int:
        end = time.monotonic() + 20
        with connection.cursor() as cursor:
            while time.monotonic() < end:
                cursor.execute("select pg_stat_clear_snapshot()")  # a transaction sees one
                cursor.execute(
                    "select pid from pg_stat_activity"
                    " where wait_event_type = 'Lock' and datname = current_database()"
                )
                if found := cursor.fetchone():
                    return int(found[0])
        raise AssertionError("nobody waits")

    return pid


def test_whoever_asks_after_the_decision_reads_what_is_true_then(
    hold: Hold, door: Door, ada: Person, sign_in: SignIn
) -> None:
    approve(sign_in(ada), hold)
    assert door.claim(str(hold.pk), claim_id="c").status_code == 200
    assert door.read(str(hold.pk), wait=1)["state"] == "executing"


# -- what is not plain is left to the page, which says why ----------------------------------------


def unchanged(hold: Hold) -> bool:
    hold.refresh_from_db()
    return hold.is_open and not Vote.objects.filter(hold=hold).exists()


def test_a_stranger_is_asked_to_sign_in(hold: Hold, live: str, at_once: list[bool]) -> None:
    cookies = {settings.SESSION_COOKIE_NAME: "x" * 32, "csrftoken": TOKEN}
    with httpx.Client(base_url=live, cookies=cookies, headers={"X-CSRFToken": TOKEN}) as browser:
        answer = approve(browser, hold)
    assert (answer.status_code, at_once) == (302, [False])
    assert answer.headers["location"].startswith("/sign-in/")
    assert unchanged(hold)


def test_a_stranger_locks_nothing(
    hold: Hold, live: str, at_once: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while it turns out that nobody is signed in."""
    found: list[int] = []

    def looking(request: Any) -> Any:
        other = threading.Thread(target=lambda: found.append(unlocked(hold)))
        other.start()
        other.join(20)
        return kept(request)

    monkeypatch.setattr(deciding, "kept", looking)
    cookies = {settings.SESSION_COOKIE_NAME: "x" * 32, "csrftoken": TOKEN}
    with httpx.Client(base_url=live, cookies=cookies, headers={"X-CSRFToken": TOKEN}) as browser:
        assert approve(browser, hold).status_code == 302
    assert found == [2]


def unlocked(hold: Hold) -> int:
    """How many of the hold and its agent can be had at once."""
    try:
        with transaction.atomic():
            agents = Agent.objects.select_for_update(skip_locked=True).filter(pk=hold.agent_id)
            holds = Hold.objects.select_for_update(skip_locked=True, of=("self",)).filter(
                pk=hold.pk
            )
            return len(agents) + len(holds)
    finally:
        connection.close()


def test_another_site_cannot_decide(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    browser = sign_in(ada)
    assert browser.headers.pop("X-CSRFToken")
    assert approve(browser, hold).status_code == 403
    for headers in ({"X-CSRFToken": "b" * 32}, {"Origin": "https://evil.example"}):
        assert browser.post(f"/holds/{hold.pk}/approve/", headers=headers).status_code == 403
    assert at_once == [False, False, False]
    assert unchanged(hold)


def test_another_host_is_refused(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    answer = sign_in(ada).post(f"/holds/{hold.pk}/approve/", headers={"Host": "evil.example"})
    assert (answer.status_code, at_once) == (400, [False])
    assert unchanged(hold)


def test_a_session_that_ended_decides_nothing(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    browser = sign_in(ada)
    ada.set_password("another long password")
    ada.save()
    assert approve(browser, hold).status_code == 302
    assert at_once == [False]
    assert unchanged(hold)


@pytest.mark.parametrize(
    ("name", "status"),
    [("eve", 404), ("bob", 403), ("iris", 403)],
    ids=["stranger", "viewer", "auditor"],
)
def test_who_may_not_is_refused(
    name: str,
    status: int,
    hold: Hold,
    sign_in: SignIn,
    at_once: list[bool],
    request: pytest.FixtureRequest,
) -> None:
    person = request.getfixturevalue(name)
    assert approve(sign_in(person), hold).status_code == status
    assert at_once == [False]
    assert unchanged(hold)


def test_what_is_decided_is_not_decided_again(
    hold: Hold, ada: Person, otto: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    assert approve(sign_in(otto), hold).status_code == 200
    answer = approve(sign_in(ada), hold)
    assert (answer.status_code, at_once) == (409, [True, False])
    assert "otto already approved this" in answer.text


def test_what_changed_since_it_was_read_is_not_approved(
    hold: Hold, ada: Person, otto: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    Hold.objects.filter(pk=hold.pk).update(revision=2)
    answer = approve(sign_in(ada), hold, revision="1")
    assert (answer.status_code, at_once) == (409, [False])
    assert unchanged(hold)


def test_a_note_that_is_too_long_is_refused(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    answer = approve(sign_in(ada), hold, note="n" * 10_001)
    assert (answer.status_code, at_once) == (422, [False])
    assert unchanged(hold)


def test_a_form_too_large_to_read_here_is_read_by_the_page(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    answer = approve(sign_in(ada), hold, unused="n" * deciding.LARGEST)
    assert (answer.status_code, at_once) == (200, [False])


def test_nothing_of_what_is_not_there(ada: Person, sign_in: SignIn, at_once: list[bool]) -> None:
    assert approve(sign_in(ada), uuid4()).status_code == 404
    assert at_once == [False]


def test_two_that_must_agree_take_the_ordinary_way(
    hold: Hold, ada: Person, otto: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    Hold.objects.filter(pk=hold.pk).update(votes_needed=2)
    assert approve(sign_in(ada), hold).status_code == 200
    hold.refresh_from_db()
    assert hold.is_open
    assert approve(sign_in(otto), hold).status_code == 200
    hold.refresh_from_db()
    assert (hold.decision, at_once) == ("approved", [False, False])


def test_a_policy_that_changed_meanwhile_judges_first(
    hold: Hold, scout: Agent, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    rule = {"name": "never", "tools": ["refund.issue"], "when": "true", "then": "deny"}
    policies.write(policies.of_agent(scout), {"rules": [rule]}, by="test", why="")
    answer = approve(sign_in(ada), hold)
    assert (answer.status_code, at_once) == (400, [False])
    assert "Policy refuses" in answer.text
    assert unchanged(hold)


def test_a_request_made_for_the_same_person_needs_somebody_else(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    Action.objects.filter(pk=hold.pk).update(on_behalf_of="ada")
    answer = approve(sign_in(ada), hold)
    assert (answer.status_code, at_once) == (403, [False])
    assert unchanged(hold)


def test_a_fresh_sign_in_is_demanded_here_too(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    browser = sign_in(ada)
    Action.objects.filter(pk=hold.pk).update(requirement={"step_up": True})
    session = SessionStore(browser.cookies[settings.SESSION_COOKIE_NAME])
    session[SIGNED_IN_AT] -= timedelta(hours=1).total_seconds()
    session.save()
    answer = approve(browser, hold)
    assert (answer.status_code, at_once) == (403, [False])
    assert unchanged(hold)


def test_somebody_who_holds_the_agent_is_waited_for(
    hold: Hold, ada: Person, sign_in: SignIn, at_once: list[bool]
) -> None:
    browser = sign_in(ada)
    answers: list[int] = []
    with transaction.atomic():
        Agent.objects.select_for_update().get(pk=hold.agent_id)
        person = threading.Thread(target=lambda: answers.append(approve(browser, hold).status_code))
        person.start()
        while not at_once:  # it was tried, and left to the page, which waits in a thread of its own
            assert person.is_alive()
    person.join(20)
    assert (answers, at_once) == ([200], [False])
    hold.refresh_from_db()
    assert hold.decision == "approved"


def test_of_two_at_the_same_moment_one_wins(
    hold: Hold, ada: Person, otto: Person, sign_in: SignIn
) -> None:
    browsers = [sign_in(ada), sign_in(otto)]
    answers = together(*[lambda b=b: approve(b, hold).status_code for b in browsers])
    assert sorted(answers) == [200, 409]
    assert Vote.objects.filter(hold=hold).count() == 1
    assert Entry.objects.filter(about=hold.record_name, kind="hold.approved").count() == 1


def test_a_yes_and_a_no_at_the_same_moment(
    hold: Hold, ada: Person, otto: Person, sign_in: SignIn
) -> None:
    yes, no = sign_in(ada), sign_in(otto)
    path = f"/holds/{hold.pk}/reject/"
    answers = together(
        lambda: approve(yes, hold).status_code,
        lambda: no.post(path, data={"note": "No."}).status_code,
    )
    hold.refresh_from_db()
    won = {"approved": [200, 409], "rejected": [409, 200]}
    assert answers == won[hold.decision]


def test_what_goes_wrong_at_once_is_done_by_the_page(
    hold: Hold,
    ada: Person,
    sign_in: SignIn,
    at_once: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(voting, "plain_yes", broken)
    answer = approve(sign_in(ada), hold)
    assert (answer.status_code, at_once) == (200, [False])
    hold.refresh_from_db()
    assert hold.decision == "approved"
