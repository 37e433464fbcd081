"""The policies' pages: rules as sentences, writing and trying them, going back, and for whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agents.models import Action, Agent, Policy, PolicyVersion, Run
from agents.transitions import policy as policies
from people.models import Person, Team

pytestmark = pytest.mark.django_db

TEXT = """\
tools: [search, refund.issue]
rules:
  - name: Large refunds
    tools: [refund.issue]
    when: double(args.amount) > 90.0
    then: approve
    because: Refunds over $90 need two.
    approval:
      votes: 2
"""


def enter(client: Client, person: Person) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def policy(scout: Agent) -> Policy:
    return policies.of_agent(scout)


@pytest.fixture
def saved(policy: Policy, ada: Person) -> PolicyVersion:
    shadow = {"name": "Tried", "tools": ["search"], "then": "deny", "shadow": True}
    document = {"tools": ["search", "refund.issue"], "rules": [shadow]}
    return policies.save(policy, document, by=ada, why="To see.")


def proposed(run: Run, number: int, **more: Any) -> Action:
    fields: dict[str, Any] = {
        "tool": "refund.issue",
        "item": "a",
        "state": "succeeded",
        "arguments": {"amount": number},
        "subject": f"order:{number}",
        "created_at": timezone.now(),
    }
    return Action.objects.create(
        agent=run.agent, run=run, call_id=str(number), digest=b"x", **fields | more
    )


def editor(policy: Policy) -> str:
    return f"/policies/{policy.pk}/edit/"


# -- looking ---------------------------------------------------------------------------------------


def test_the_list_says_each_rule_as_a_sentence_and_who_wrote_it_why(
    client: Client, ada: Person, policy: Policy
) -> None:
    policies.write(policy, {"tools": ["*"], "rules": []}, by=ada, why="A fresh start.")
    page = enter(client, ada).get("/policies/").content.decode()

    assert "A fresh start." in page
    assert f"/policies/{policy.pk}/versions/2/" in page
    assert "any tool" in page
    assert 'aria-current="page"' in page


def test_a_policy_page_has_its_rules_in_order_each_with_an_address(
    client: Client, ada: Person, policy: Policy
) -> None:
    page = enter(client, ada).get(f"/policies/{policy.pk}/").content.decode()

    assert 'id="rule-1"' in page
    assert "needs approval, else denied" in page
    assert "double(args.amount) &gt; 50.0" in page
    assert "In force" in page or "in force" in page


def test_rules_in_shadow_tell_what_they_would_have_done(
    client: Client, ada: Person, saved: PolicyVersion, run: Run
) -> None:
    action = proposed(run, 1, tool="search")
    enter(client, ada)

    page = client.get(f"/policies/{saved.policy_id}/").content.decode()
    region = client.get(f"/policies/{saved.policy_id}/?region=shadows").content.decode()
    plain = client.get(f"/policies/{saved.policy_id}/?week=1").content.decode()

    assert "region=shadows" in page
    assert "1 action would be denied" not in page
    for told in (region, plain):
        assert "1 action would be denied" in told
        assert f"/runs/{run.pk}/actions/{action.pk}/" in told
    assert "<html" not in region


def test_many_policies_cost_no_more_queries_and_page_on(
    client: Client,
    ada: Person,
    support: Team,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    agents = Agent.objects.bulk_create(Agent(team=support, name=f"a{n:03}") for n in range(45))
    Policy.objects.bulk_create(Policy(team=support, agent=agent) for agent in agents)
    enter(client, ada)

    seen: list[str] = []
    address = "/policies/"
    for _ in range(3):
        with django_assert_max_num_queries(10):
            page = client.get(address).content.decode()
        seen += re.findall(r'policy-title-[0-9a-f-]+"><a href="[^"]+">(?:<[^>]+>)*(a\d{3})<', page)
        more = re.search(r'href="\?after=([^"]+)"', page)
        address = f"/policies/?after={more[1]}" if more else ""

    assert seen == [f"a{n:03}" for n in range(45)]
    assert not address
    assert client.get("/policies/?after=nonsense").status_code == 200


def test_an_empty_house_says_how_policies_come(client: Client, eve: Person) -> None:
    page = enter(client, eve).get("/policies/").content.decode()

    assert "No policies yet" in page
    assert "All agents of elsewhere" in page


# -- writing ---------------------------------------------------------------------------------------


def test_trying_shows_what_changes_and_the_very_actions_and_saves_nothing(
    client: Client, ada: Person, policy: Policy, run: Run
) -> None:
    large, small = proposed(run, 100), proposed(run, 5)
    enter(client, ada)

    page = client.post(editor(policy), {"text": TEXT, "expected": 1, "do": "try"})

    told = page.content.decode()
    assert "2 actions" in told
    assert "need approval" in told
    assert f"/runs/{run.pk}/actions/{large.pk}/" in told
    assert f"/runs/{run.pk}/actions/{small.pk}/" not in told
    assert re.search("would need approval by “(<[^>]+>)*Large refunds", told)
    assert policy.versions.count() == 1


def test_a_narrowed_try_answers_only_the_result(
    client: Client, ada: Person, policy: Policy
) -> None:
    enter(client, ada)
    for text in (TEXT, "rules: ["):
        answer = client.post(
            editor(policy), {"text": text, "do": "try"}, headers={"HX-Request": "true"}
        )

        assert answer.status_code == 200
        assert answer.content.decode().strip().startswith("<div")
        assert 'id="result"' in answer.content.decode()


def test_saving_puts_a_version_in_force(client: Client, ada: Person, policy: Policy) -> None:
    form = {"text": TEXT.replace("\n", "\r\n"), "expected": 1, "do": "save", "why": "Money."}
    answer = enter(client, ada).post(editor(policy), form, follow=True)

    assert "Version 2 is in force." in answer.content.decode()
    policy.refresh_from_db()
    assert policy.current
    assert (policy.current.number, policy.current.why) == (2, "Money.")
    assert policy.document["rules"][0]["when"] == "double(args.amount) > 90.0"


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"why": ""}, 422, "Say why"),
        ({"text": "rules: ["}, 422, "This is no YAML at line"),
        ({"text": TEXT.replace("amount", "amuont").replace("args.", "")}, 422, "knows no “amuont”"),
        ({"text": TEXT.replace("tools: [search, refund.issue]", "")}, 422, "which tools the agent"),
        ({"text": TEXT + "      groups: [nobody]\n"}, 422, "support has no group “nobody”"),
        ({"text": "x" * 2_000_001}, 422, "longer than 2 MB"),
        ({"expected": "0"}, 409, "saved version 1 meanwhile"),
        ({"expected": "²"}, 409, "saved version 1 meanwhile"),
    ],
)
def test_what_cannot_be_saved_is_told_beside_what_was_typed(
    client: Client, ada: Person, policy: Policy, change: dict[str, str], status: int, sentence: str
) -> None:
    form = {"text": TEXT, "expected": "1", "do": "save", "why": "Money."} | change
    answer = enter(client, ada).post(editor(policy), form)

    page = answer.content.decode()
    assert answer.status_code == status
    assert sentence in page
    assert form["why"] in page
    assert policy.versions.count() == 1


def test_who_was_second_keeps_the_text_and_may_save_over_it(
    client: Client, ada: Person, otto: Person, policy: Policy
) -> None:
    policies.save(policy, {"tools": [], "rules": []}, by=otto, why="Stop it.", expected=1)
    form = {"text": TEXT, "expected": "1", "do": "save", "why": "Money."}
    enter(client, ada)

    refused = client.post(editor(policy), form)
    taken = client.post(editor(policy), form | {"expected": ["1", "2"]})

    page = refused.content.decode()
    assert refused.status_code == 409
    assert "otto saved version 2 meanwhile, “Stop it.”" in page
    assert "double(args.amount) &gt; 90.0" in page
    assert "I have seen version 2" in page
    assert taken.status_code == 302


def test_a_team_gets_rules_for_all_of_its_agents(
    client: Client, ada: Person, support: Team, scout: Agent
) -> None:
    enter(client, ada)

    answer = client.post("/policies/add/", {"team": str(support.pk)})
    page = client.get(answer["Location"])

    team = Policy.objects.get(team=support, agent=None)
    assert answer["Location"] == editor(team)
    assert page.status_code == 200
    form = {"text": "tools: []\nrules: []", "expected": 0, "do": "save", "why": "x"}
    assert "holds for a whole team" in client.post(editor(team), form).content.decode()
    assert "All agents of support" in client.get("/policies/").content.decode()


# -- going back ------------------------------------------------------------------------------------


def test_a_version_shows_what_it_changed(client: Client, ada: Person, saved: PolicyVersion) -> None:
    address = f"/policies/{saved.policy_id}/versions"
    page = enter(client, ada).get(f"{address}/2/").content.decode()

    assert "Compared with version 1" in page
    assert "To see." in page
    assert re.search('<del class="was mono">(<[^>]+>)*mail[.]read', page)
    assert "shadow: true" in page
    assert "All of it is new" in client.get(f"{address}/1/").content.decode()
    assert "Compared with version 2" in client.get(f"{address}/1/?with=2").content.decode()
    assert client.get(f"{address}/1/?with=²").status_code == 200
    assert client.get(f"{address}/9/").status_code == 404


def test_going_back_saves_the_old_one_anew(
    client: Client, ada: Person, saved: PolicyVersion
) -> None:
    address = f"/policies/{saved.policy_id}/versions/1/restore/"
    enter(client, ada)

    without = client.post(address, {"expected": 2, "why": ""})
    behind = client.post(address, {"expected": 1, "why": "Oops."})
    done = client.post(address, {"expected": 2, "why": "Oops."}, follow=True)

    assert (without.status_code, behind.status_code) == (422, 409)
    assert "Version 3 is in force: what 1 said." in done.content.decode()


# -- for whom --------------------------------------------------------------------------------------

READ, WRITE = "read", "write"
PLACES = {
    "": (READ, "get"),
    "?region=shadows": (READ, "get"),
    "versions/1/": (READ, "get"),
    "edit/": (WRITE, "get"),
    "edit/?": (WRITE, "post"),
    "versions/1/restore/": (WRITE, "post"),
}
PEOPLE = {"ada": {READ, WRITE}, "otto": {READ, WRITE}, "iris": {READ}, "bob": {READ}, "eve": set()}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("place", PLACES)
def test_every_address_for_every_person(
    client: Client, policy: Policy, who: str, place: str, request: pytest.FixtureRequest
) -> None:
    """Whoever watches the team reads; who decides for it writes; to a stranger it is not there."""
    needs, method = PLACES[place]
    form = {"text": TEXT, "expected": "1", "do": "try", "why": "x"}
    enter(client, request.getfixturevalue(who))

    answer = getattr(client, method)(
        f"/policies/{policy.pk}/{place}", form if method == "post" else {}
    )

    if who == "eve":
        assert answer.status_code == 404
    elif needs in PEOPLE[who]:
        assert answer.status_code in (200, 422)
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("who", PEOPLE)
def test_the_list_and_its_button_for_every_person(
    client: Client, policy: Policy, support: Team, who: str, request: pytest.FixtureRequest
) -> None:
    enter(client, request.getfixturevalue(who))
    page = client.get("/policies/").content.decode()
    added = client.post("/policies/add/", {"team": str(support.pk)})

    assert (f"/policies/{policy.pk}/" in page) is (who != "eve")
    assert ("All agents of support" in page) is (WRITE in PEOPLE[who])
    assert added.status_code == (302 if WRITE in PEOPLE[who] else 404 if who == "eve" else 403)
    assert Policy.objects.filter(team=support, agent=None).exists() is (WRITE in PEOPLE[who])


@pytest.mark.parametrize("place", ["/policies/", "/policies/{}/", "/policies/{}/edit/"])
def test_who_is_nobody_signs_in_first(client: Client, policy: Policy, place: str) -> None:
    answer = client.get(place.format(policy.pk))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_who_only_reads_is_offered_no_button(
    client: Client, bob: Person, saved: PolicyVersion
) -> None:
    enter(client, bob)
    page = client.get(f"/policies/{saved.policy_id}/").content.decode()
    version = client.get(f"/policies/{saved.policy_id}/versions/1/").content.decode()

    assert "/edit/" not in page
    assert "/restore/" not in version
