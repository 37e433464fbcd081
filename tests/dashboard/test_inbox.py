"""The inbox: who sees what, how it is narrowed and paged, and what one can say to many at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from agents.models import Action, Run
from audit.constants import Constant
from dashboard.pages import inbox
from dashboard.pages.inbox import Filters, rows
from people.models import Delegation, Group, Person, Team
from reviews.models import Hold, HoldState
from reviews.transitions import hold as transitions
from reviews.transitions import seating
from reviews.transitions.opening import hand_over
from tests.reviews.conftest import Ask, Rule

type Held = Callable[..., Hold]


def signed_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def lead(ada: Person) -> Client:
    return signed_in(ada)


def hand(run: Run, title: str = "Two intents", queue: str = "unclassified", **more: str) -> Hold:
    return hand_over(run, key=uuid4().hex, title=title, queue=queue, **more)[0]


def text(client: Client, address: str = "/inbox/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


# -- seeing ------------------------------------------------------------------------------------------


def test_work_handed_over_stands_in_the_inbox_and_its_counts(lead: Client, run: Run) -> None:
    hand(run)

    page = text(lead)

    assert "Two intents" in page
    assert "<title>(1) Inbox · Watchfloor</title>" in page
    assert 'data-count="1"' in page


def test_strangers_see_an_empty_inbox(eve: Person, run: Run) -> None:
    hand(run)

    page = text(signed_in(eve))

    assert "Two intents" not in page
    assert "Nothing waits for you" in page
    assert 'data-count="0"' in page


def test_those_who_are_not_signed_in_are_asked_to(db: None) -> None:
    for address in ("/", "/inbox/", "/inbox/count/", "/search/", "/settings/"):
        assert Client().get(address)["Location"].startswith("/sign-in/?next=/")


@pytest.mark.parametrize(
    "address",
    [
        "/inbox/?tab=x",
        "/inbox/?for=x",
        "/inbox/?tab=approved&before=x",
        "/inbox/?queue=x",
        "/inbox/?age=1",
        "/inbox/?before=x",
        "/inbox/?region=x",
        "/inbox/?region=rows&ids=x",
        "/inbox/?region=news&since=x",
        "/inbox/?tab=done&before=x",
        "/?region=x",
    ],
)
def test_addresses_that_name_nothing_are_404(lead: Client, address: str) -> None:
    assert lead.get(address).status_code == 404


def test_tabs_hold_one_kind_each(lead: Client, ada: Person, run: Run) -> None:
    waiting, mine, done = hand(run, "waiting"), hand(run, "mine"), hand(run, "over")
    transitions.claim(mine, by=ada)
    transitions.resolve(done, by=ada, note="did it")

    assert "waiting" in text(lead, "/inbox/?tab=reviews")
    assert waiting.get_absolute_url() not in text(lead, "/inbox/?tab=approvals")
    assert mine.get_absolute_url() in text(lead, "/inbox/?tab=mine")
    assert waiting.get_absolute_url() not in text(lead, "/inbox/?tab=mine")
    decided = text(lead, "/inbox/?tab=done")
    assert done.get_absolute_url() in decided
    assert "by ada" in decided
    assert waiting.get_absolute_url() not in decided


def test_a_claim_that_lapsed_is_nobodys(lead: Client, ada: Person, run: Run) -> None:
    hold = transitions.claim(hand(run), by=ada)
    Hold.objects.filter(pk=hold.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))

    assert hold.get_absolute_url() not in text(lead, "/inbox/?tab=mine")
    assert "Claimed" not in text(lead)


def test_filters_narrow_and_can_be_taken_away(lead: Client, run: Run) -> None:
    here, there = hand(run, "here", queue="first"), hand(run, "there", queue="second")

    page = text(lead, f"/inbox/?queue={here.queue_id}")

    assert here.get_absolute_url() in page
    assert there.get_absolute_url() not in page
    assert 'aria-label="Without queue first"' in page
    assert there.get_absolute_url() in text(lead, f"/inbox/?agent={run.agent_id}")
    assert "Nothing fits these filters" in text(lead, "/inbox/?age=1h")


def test_a_strangers_queue_tells_nothing(eve: Person, run: Run) -> None:
    hold = hand(run, queue="secret")

    page = text(signed_in(eve), f"/inbox/?queue={hold.queue_id}&agent={run.agent_id}")

    assert "secret" not in page
    assert "scout" not in page


def test_pages_go_on_where_the_last_one_ended(lead: Client, run: Run) -> None:
    holds = [hand(run, f"nr {n}") for n in range(53)]

    first = text(lead)
    older = text(lead, f"/inbox/?before={holds[3].pk}")

    assert first.count("data-row") == 50
    assert f"before={holds[3].pk}" in first
    assert older.count("data-row") == 3
    assert "Newest" in older


def test_decided_holds_are_paged_by_when_they_were_decided(
    lead: Client, otto: Person, ada: Person, run: Run
) -> None:
    for n in range(52):
        transitions.discard(hand(run, f"nr {n}"), by=ada)

    for client in (lead, signed_in(otto)):
        first = client.get("/inbox/?tab=done")
        older = client.get("/inbox/" + first.context["page"].older)

        assert len(first.context["holds"]) == 50
        assert [hold.title for hold in older.context["holds"]] == ["nr 1", "nr 0"]


def test_a_first_page_costs_four_queries(
    lead: Client, run: Run, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(60):
        hand(run, f"nr {n}")

    with django_assert_num_queries(4):  # session with person and roles, counts, holds, agents
        lead.get("/inbox/")
    with django_assert_num_queries(2):
        lead.get("/inbox/count/")


# -- staying true ------------------------------------------------------------------------------------


def test_rows_stay_where_they_are_whatever_became_of_them(
    lead: Client, ada: Person, run: Run
) -> None:
    old, new = hand(run, "came first"), hand(run, "came later")
    transitions.resolve(new, by=ada)

    rows = text(lead, f"/inbox/?region=rows&ids={new.pk},{old.pk}")

    assert rows.index("came later") < rows.index("came first")
    assert "Resolved" in rows
    assert "<html" not in rows


def test_rows_of_others_cannot_be_asked_for(eve: Person, run: Run) -> None:
    hold = hand(run, "secret")

    assert "secret" not in text(signed_in(eve), f"/inbox/?region=rows&ids={hold.pk}")


def test_news_is_announced_above_the_list(lead: Client, run: Run) -> None:
    seen = hand(run, "seen")
    for n in range(3):
        hand(run, f"fresh {n}")

    news = text(lead, f"/inbox/?region=news&since={seen.pk}")

    assert "3 new" in news
    assert "fresh 2" in news
    assert "data-row" not in news


def test_news_names_its_agent_once(lead: Client, run: Run) -> None:
    seen = hand(run, "seen")
    fresh = hand(run, "fresh")
    Hold.objects.filter(pk=fresh.pk).update(title=f"{run.agent} wants to use pay")

    news = text(lead, f"/inbox/?region=news&since={seen.pk}")

    assert news.count(run.agent.name) == 1
    assert "Wants to use pay" in news


# -- whose turn it is --------------------------------------------------------------------------------


def test_votes_and_new_versions_are_marked(
    rule: Rule, ask: Ask, held: Held, lead: Client, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    transitions.approve(held(), by=otto)
    transitions.ask(held(arguments={"amount": 90}), by=ada, note="Why?")
    ask(arguments={"amount": 70})
    transitions.escalate(held(arguments={"amount": 95}), by=ada, queue="ops", note="Yours.")

    page = " ".join(text(lead).split())

    assert "1 of 2</span>" in page
    assert page.count("0 of 2</span>") == 2
    assert page.count("new version") == 1
    assert page.count("handed on") == 1


def test_only_what_is_mine_to_decide(
    rule: Rule, held: Held, support: Team, ada: Person, otto: Person, run: Run
) -> None:
    Group.objects.create(team=support, name="refund-leads").members.add(otto)
    rule(groups=["refund-leads"], votes=2)
    theirs = held()
    rule(people=["ada"])
    hers = held(arguments={"amount": 90})
    rule(votes=2)
    voted = transitions.approve(held(arguments={"amount": 95}), by=ada)
    asked_for_her = held(arguments={"amount": 96}, on_behalf_of="Ada")
    work = hand(run)

    page = text(signed_in(ada), "/inbox/?for=me")
    other = text(signed_in(otto), "/inbox/?for=me")

    assert [h.get_absolute_url() in page for h in (theirs, hers, voted, asked_for_her, work)] == [
        *(False, True, False, False, True)
    ]
    assert [h.get_absolute_url() in other for h in (theirs, hers, voted, asked_for_her, work)] == [
        *(True, False, True, True, True)
    ]
    assert 'aria-label="Without only mine to decide"' in page


def test_a_stand_ins_list_holds_what_is_the_givers(
    rule: Rule, held: Held, support: Team, ada: Person, otto: Person
) -> None:
    rule(people=["ada"])
    hold, now = held(), timezone.now()
    assert hold.get_absolute_url() not in text(signed_in(otto), "/inbox/?for=me")

    Delegation.objects.create(
        giver=ada, taker=otto, starts_at=now, ends_at=now + timedelta(days=1), reason="away"
    )

    assert hold.get_absolute_url() in text(signed_in(otto), "/inbox/?for=me")


def test_what_is_mine_is_looked_for_in_stretches(
    rule: Rule, held: Held, run: Run, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SEARCHED", 3)
    mine = hand(run)
    rule(people=["otto"])
    for n in range(3):
        held(arguments={"amount": 80 + n})
    client = signed_in(ada)

    first = client.get("/inbox/?for=me")
    older = client.get("/inbox/" + first.context["page"].older)

    assert first.context["holds"] == []
    assert [hold.pk for hold in older.context["holds"]] == [mine.pk]


def test_who_only_reads_has_nothing_to_decide(held: Held, bob: Person) -> None:
    held()

    assert "Nothing fits these filters" in text(signed_in(bob), "/inbox/?for=me")


@pytest.mark.parametrize("who", ["ada", "otto", "bob", "eve"])
def test_the_list_and_the_verb_agree_on_who_may(
    who: str,
    rule: Rule,
    held: Held,
    support: Team,
    ada: Person,
    otto: Person,
    request: pytest.FixtureRequest,
) -> None:
    person = request.getfixturevalue(who)
    Group.objects.create(team=support, name="leads").members.add(ada)
    for n, words in enumerate(
        [{}, {"groups": ["leads"]}, {"people": ["otto"]}, {"groups": ["leads"], "people": ["bob"]}]
    ):
        rule(**words)
        held(arguments={"amount": 80 + n}, on_behalf_of="person:otto" if n == 0 else "")

    page = text(signed_in(person), "/inbox/?for=me")

    for hold in Hold.objects.all():
        may = person.sees(hold.team_id) and not seating.obstacle(hold, person)
        assert (hold.get_absolute_url() in page) is may, hold.requirement


# -- approved, not executed --------------------------------------------------------------------------


def test_a_yes_nobody_used_stands_in_its_list_oldest_first(
    held: Held, take: Callable[..., object], lead: Client, ada: Person
) -> None:
    first, second, begun = (
        transitions.approve(held(arguments={"amount": 80 + n}), by=ada) for n in range(3)
    )
    take(begun.pk)
    Action.objects.filter(pk=second.pk).update(
        delivered_at=timezone.now(), expires_at=timezone.now() - timedelta(minutes=1)
    )

    page = text(lead, "/inbox/?tab=approved")

    assert page.index(first.get_absolute_url()) < page.index(second.get_absolute_url())
    assert begun.get_absolute_url() not in page
    assert "Not delivered" in page
    assert "Tell the agent again" in page
    assert "lapsed" in page
    assert "Renew, tell again" in page


def test_it_is_paged_and_narrowed(held: Held, lead: Client, ada: Person, run: Run) -> None:
    holds = [
        transitions.approve(held(arguments={"amount": 80 + n}, queue=f"q{n % 2}"), by=ada)
        for n in range(52)
    ]

    first = lead.get("/inbox/?tab=approved")
    later = lead.get("/inbox/" + first.context["page"].older)
    queue = lead.get(f"/inbox/?tab=approved&queue={holds[0].queue_id}")

    assert [h.pk for h in first.context["holds"]] == [h.pk for h in holds[:50]]
    assert [h.pk for h in later.context["holds"]] == [h.pk for h in holds[50:]]
    assert {h.pk for h in queue.context["holds"]} == {h.pk for h in holds[::2]}
    assert text(lead, f"/inbox/?tab=approved&agent={run.agent_id}").count("data-row") == 50


def test_it_is_told_again_from_the_list(held: Held, lead: Client, ada: Person) -> None:
    hold = transitions.approve(held(), by=ada)
    Action.objects.filter(pk=hold.pk).update(delivered_at=timezone.now())

    answer = lead.post(
        f"/holds/{hold.pk}/redeliver/", {"back": "/inbox/?tab=approved"}, follow=True
    )

    assert answer.redirect_chain == [("/inbox/?tab=approved", 302)]
    assert "scout is told again." in answer.content.decode()
    assert Action.objects.get(pk=hold.pk).delivered_at is None


def test_nothing_undone_says_what_would_stand_there(lead: Client, eve: Person, held: Held) -> None:
    assert "Every yes was used" in text(lead, "/inbox/?tab=approved")


def test_strangers_see_no_yes_of_others(held: Held, ada: Person, eve: Person) -> None:
    hold = transitions.approve(held(), by=ada)

    assert hold.get_absolute_url() not in text(signed_in(eve), "/inbox/?tab=approved")
    assert str(hold.pk) not in text(
        signed_in(eve), f"/inbox/?tab=approved&region=rows&ids={hold.pk}"
    )


def test_those_who_only_read_get_no_button(held: Held, ada: Person, bob: Person) -> None:
    transitions.approve(held(), by=ada)

    assert "redeliver" not in text(signed_in(bob), "/inbox/?tab=approved")


def test_the_floor_points_there_when_a_yes_waits_long(
    held: Held, lead: Client, ada: Person
) -> None:
    hold = transitions.approve(held(), by=ada)
    assert "?tab=approved" not in text(lead, "/")

    Action.objects.filter(pk=hold.pk).update(decided_at=timezone.now() - timedelta(minutes=11))

    assert "?tab=approved" in text(lead, "/")


# -- answering many ----------------------------------------------------------------------------------


def test_many_reviews_are_resolved_together(lead: Client, run: Run) -> None:
    holds = [hand(run) for _ in range(3)]

    answer = lead.post(
        "/inbox/answer/",
        {"verb": "resolve", "note": "all done", "hold": [str(h.pk) for h in holds]},
        follow=True,
    )

    assert "3 resolved." in answer.content.decode()
    assert {h.state for h in Hold.objects.all()} == {HoldState.DECIDED}
    assert {h.note for h in Hold.objects.all()} == {"all done"}


def test_what_is_refused_is_told_and_the_rest_is_done(lead: Client, otto: Person, run: Run) -> None:
    taken, free = hand(run), hand(run)
    transitions.claim(taken, by=otto)

    answer = lead.post(
        "/inbox/answer/", {"verb": "discard", "hold": [taken.pk, free.pk]}, follow=True
    )

    page = answer.content.decode()
    assert "1 discarded." in page
    assert "otto has this." in page
    taken.refresh_from_db()
    assert taken.is_open


def test_those_who_only_read_have_nothing_to_press(bob: Person, lead: Client, run: Run) -> None:
    hand(run)

    assert "claim_one" in text(lead)
    assert "claim_one" not in text(signed_in(bob))
    assert "hold-box" not in text(signed_in(bob))


def test_those_who_only_read_are_told_so(bob: Person, run: Run) -> None:
    hold = hand(run)

    answer = signed_in(bob).post(
        "/inbox/answer/", {"verb": "resolve", "hold": [hold.pk]}, follow=True
    )

    assert "Your role reads here" in answer.content.decode()
    hold.refresh_from_db()
    assert hold.is_open


def test_strangers_answers_reach_nothing(eve: Person, run: Run) -> None:
    hold = hand(run)

    answer = signed_in(eve).post(
        "/inbox/answer/", {"verb": "resolve", "hold": [hold.pk]}, follow=True
    )

    assert "Nothing was selected" in answer.content.decode()
    hold.refresh_from_db()
    assert hold.is_open


def test_approvals_are_not_decided_in_bulk(lead: Client, run: Run) -> None:
    assert lead.post("/inbox/answer/", {"verb": "approve", "hold": []}).status_code == 404
    assert lead.get("/inbox/answer/").status_code == 405


def test_the_way_back_stays_here(lead: Client) -> None:
    away = lead.post("/inbox/answer/", {"verb": "claim", "back": "https://evil.example/"})
    back = lead.post("/inbox/answer/", {"verb": "claim", "back": "/inbox/?tab=reviews"})

    assert away["Location"] == "/inbox/"
    assert back["Location"] == "/inbox/?tab=reviews"


def test_a_row_is_claimed_where_it_stands(
    lead: Client, ada: Person, run: Run, support: Team
) -> None:
    hold = hand(run)

    lead.post("/inbox/answer/", {"claim_one": hold.pk})

    hold.refresh_from_db()
    assert hold.claimed_by == ada


# -- many --------------------------------------------------------------------------------------------


def test_a_list_is_found_by_its_index_however_often_it_is_asked_for(ada: Person, run: Run) -> None:
    """A prepared statement's general plan, chosen from the sixth time on, must not forget the index."""
    hand(run)
    holds = Filters(tab="approvals").apply(rows(ada).waiting(), person=ada, now=timezone.now())

    statement = str(holds.query)

    assert "\"state\" = 'open'::text" in statement
    assert "\"kind\" = 'approval'::text" in statement
    assert f"\"team_id\" = '{run.agent.team_id}'::uuid" in statement


@pytest.mark.parametrize("word", ["o'pen", "Open", "", "a b", "x;"])
def test_only_plain_words_may_stand_in_a_statement(word: str) -> None:
    with pytest.raises(ValueError, match="plain words"):
        Constant(word)
