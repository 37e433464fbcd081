"""Routes: as data, on the page, from a policy document; what fits them, and when again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from hypothesis import given
from hypothesis import strategies as some

from agents import signals
from agents.models import Agent
from agents.models.policy import Policy
from agents.transitions import policy as policies
from audit.errors import Conflict, Invalid, NotFound
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Channel, Route
from reviews.rules.alert_routes import RouteSetting, parse_route, parse_routes
from reviews.rules.alerts import (
    BACKOFF,
    KINDS,
    SEVERITIES,
    Matter,
    more_at,
    patience,
    rank,
    rest,
    route_fits,
    silence_fits,
)
from reviews.transitions import alert as alerts
from reviews.transitions import channel as channels
from reviews.transitions import route as routes

type Routing = Callable[..., Route]

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)

# -- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "matter", "fits"),
    [
        ({}, Matter("trip", "critical", "scout"), True),
        ({}, Matter("webhook", "warning"), True),
        ({"kinds": ["trip"]}, Matter("trip", "critical", "scout"), True),
        ({"kinds": ["trip"]}, Matter("review", "info", "scout"), False),
        ({"least": "warning"}, Matter("review", "info", "scout"), False),
        ({"least": "warning"}, Matter("trip", "critical", "scout"), True),
        ({"agents": ["sc*"]}, Matter("trip", "critical", "scout"), True),
        ({"agents": ["mail.*", "scout"]}, Matter("trip", "critical", "scout"), True),
        ({"agents": ["mail.*"]}, Matter("trip", "critical", "scout"), False),
        ({"agents": ["*"]}, Matter("webhook", "warning"), False),
    ],
)
def test_what_fits_a_route(words: dict[str, Any], matter: Matter, fits: bool) -> None:
    usual: dict[str, Any] = {"kinds": [], "least": "info", "agents": []}

    assert route_fits(matter, **usual | words) is fits


@pytest.mark.parametrize(
    ("words", "matter", "fits"),
    [
        ({}, Matter("trip", "critical", "scout"), True),
        ({"most": "warning"}, Matter("trip", "critical", "scout"), False),
        ({"most": "warning"}, Matter("review", "info", "scout"), True),
        ({"kind": "review"}, Matter("trip", "critical", "scout"), False),
        ({"agent": "sc*"}, Matter("trip", "critical", "scout"), True),
        ({"agent": "sc*"}, Matter("webhook", "warning"), False),
    ],
)
def test_what_fits_a_silence(words: dict[str, Any], matter: Matter, fits: bool) -> None:
    usual = {"kind": "", "agent": "", "most": "critical"}

    assert silence_fits(matter, **usual | words) is fits


def test_it_is_tried_for_a_day() -> None:
    assert timedelta(hours=23) < sum(BACKOFF, timedelta()) < timedelta(hours=24)
    assert [patience(n) for n in range(1, 11)] == list(BACKOFF)
    assert patience(11) is None


@given(some.integers(1, 10_000))
def test_a_channel_rests_a_minute_at_most(failures: int) -> None:
    assert timedelta(seconds=1) <= rest(failures) <= timedelta(seconds=60)


@given(some.integers(-1000, 1000), some.integers(0, 1000))
def test_more_is_never_told_before_its_window_nor_late(ago: int, window: int) -> None:
    told, group = NOW - timedelta(seconds=ago), timedelta(seconds=window)

    at = more_at(NOW, told, group)

    assert at >= NOW
    assert at == max(NOW, told + group)
    assert more_at(NOW, None, group) == NOW


# -- as data ---------------------------------------------------------------------------------------

WHOLE = {
    "name": "Stops wake us",
    "when": ["trip", "fleet"],
    "severity": "critical",
    "agents": ["rebalancer", "mail.*"],
    "to": ["pager", "desk"],
    "group": "10m",
    "repeat": "30m",
    "quiet": True,
}


def test_a_route_reads_as_it_is_written() -> None:
    assert parse_route(WHOLE).as_dict() == WHOLE


def test_what_is_usual_is_left_out() -> None:
    short = {"name": "all", "to": ["desk"]}

    assert parse_route({**short, "when": [], "severity": "info", "group": "5m"}).as_dict() == short


@given(
    some.builds(
        RouteSetting,
        name=some.text("abcä ", min_size=1, max_size=80).map(str.strip).filter(bool),
        to=some.lists(some.sampled_from(["desk", "pager"]), min_size=1, unique=True).map(tuple),
        when=some.lists(some.sampled_from(sorted(KINDS)), unique=True).map(tuple),
        severity=some.sampled_from(SEVERITIES),
        agents=some.lists(some.sampled_from(["a", "b*"]), unique=True).map(tuple),
        group=some.integers(0, 10_000).map(lambda s: timedelta(seconds=s)),
        repeat=some.none() | some.integers(60, 10_000).map(lambda s: timedelta(seconds=s)),
        quiet=some.booleans(),
    )
)
def test_every_route_survives_writing(setting: RouteSetting) -> None:
    assert parse_routes([setting.as_dict()]) == (setting,)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("all", "write a list"),
        ([1], "Alert route 1: write name"),
        ([{"to": ["desk"]}], "Alert route 1 has no name"),
        ([{"name": "a"}], "“a”: to names no channel"),
        ([{"name": "a", "to": []}], "nobody would be told"),
        ([{"name": "a", "to": ["x"], "wen": []}], "Did you mean when"),
        ([{"name": "a", "to": ["x"], "when": ["trips"]}], "Did you mean trip"),
        ([{"name": "a", "to": ["x"], "severity": "loud"}], "severity is info, warning or critical"),
        ([{"name": "a", "to": ["x"], "group": "soon"}], "write a duration"),
        ([{"name": "a", "to": ["x"], "group": 5}], "write a duration"),
        ([{"name": "a", "to": ["x"], "repeat": "5s"}], "repeat is 1m at least"),
        ([{"name": "a", "to": ["x"], "quiet": "yes"}], "quiet is true or false"),
        ([{"name": "a", "to": ["x\u202e"]}], "visible characters"),
        ([{"name": "a", "to": [7]}], "write some text"),
        ([{"name": "a", "to": ["x"]}, {"name": "a", "to": ["x"]}], "Two alert routes"),
        ([{"name": f"r{n}", "to": ["x"]} for n in range(51)], "50 are the most"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(written: Any, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        parse_routes(written)


# -- verbs -----------------------------------------------------------------------------------------


def test_a_policy_document_makes_routes_so(support: Team, desk: Channel, to_desk: Routing) -> None:
    own = to_desk(name="by hand")
    first = parse_routes([{"name": "a", "to": ["desk"]}, {"name": "b", "to": ["desk"]}])
    alerts.apply(support, first, by="test")
    second = parse_routes(
        [{"name": "c", "to": ["desk"]}, {"name": "a", "to": ["desk"], "repeat": "1h"}]
    )
    alerts.apply(support, second, by="test")

    rows = list(Route.objects.order_by("position", "id"))
    assert [row.name for row in rows] == ["c", "a", "by hand"]
    assert tuple(row.setting for row in rows[:2]) == second
    assert [row.from_policy for row in rows] == [True, True, False]
    kinds = list(Entry.objects.filter(kind__startswith="route.").values_list("kind", flat=True))
    assert sorted(kinds) == sorted(["route.created"] * 4 + ["route.deleted", "route.changed"])
    assert own.pk == rows[2].pk


def test_the_same_document_again_changes_nothing(support: Team, desk: Channel) -> None:
    written = parse_routes([{"name": "a", "to": ["desk"]}])
    alerts.apply(support, written, by="test")
    before = Entry.objects.count()

    alerts.apply(support, written, by="test")

    assert Entry.objects.count() == before


def test_a_document_that_names_no_channel_we_know_is_refused(support: Team, desk: Channel) -> None:
    with pytest.raises(Invalid, match="there is no channel “pager”"):
        alerts.apply(support, parse_routes([{"name": "a", "to": ["pager"]}]), by="test")


def test_a_document_does_not_take_over_a_route_of_the_page(support: Team, to_desk: Routing) -> None:
    to_desk(name="a")

    with pytest.raises(Invalid, match="made on its page"):
        alerts.apply(support, parse_routes([{"name": "a", "to": ["desk"]}]), by="test")


def test_a_route_of_a_document_is_changed_there_only(
    support: Team, desk: Channel, ada: Person
) -> None:
    (route,) = alerts.apply(support, parse_routes([{"name": "a", "to": ["desk"]}]), by="test")

    with pytest.raises(Conflict, match="policy document"):
        routes.delete(route.pk, by=ada)
    with pytest.raises(Conflict, match="policy document"):
        channels.delete(desk.pk, by=ada)


def test_routes_move(to_desk: Routing, ada: Person) -> None:
    for name in ("a", "b", "c"):
        to_desk(name=name)

    routes.move(Route.objects.get(name="c").pk, up=True, by=ada)

    assert [row.name for row in Route.objects.all()] == ["a", "c", "b"]


def test_the_houses_are_for_admins_of_every_team(
    support: Team, desk: Channel, ada: Person, otto: Person
) -> None:
    for person in (ada, otto):
        with pytest.raises(PermissionDenied, match="admins of every team"):
            channels.create(None, name="x", address="jsons://example.org/", by=person)


def test_readers_and_strangers_arrange_nothing(
    support: Team, to_desk: Routing, desk: Channel, bob: Person, iris: Person, eve: Person
) -> None:
    route = to_desk()
    setting = parse_route({"name": "x", "to": ["desk"]})

    for reader in (bob, iris):
        for verb in (
            lambda by: routes.create(support, setting, by=by),
            lambda by: routes.change(route.pk, setting, by=by),
            lambda by: channels.test(desk.pk, by=by),
            lambda by: channels.delete(desk.pk, by=by),
        ):
            with pytest.raises(PermissionDenied):
                verb(reader)
    for verb in (
        lambda by: routes.create(support, setting, by=by),
        lambda by: routes.change(route.pk, setting, by=by),
        lambda by: channels.test(desk.pk, by=by),
    ):
        with pytest.raises(NotFound):
            verb(eve)


def test_a_deleted_channel_is_forgotten(to_desk: Routing, desk: Channel, ada: Person) -> None:
    route = to_desk()

    channels.delete(desk.pk, by=ada)

    assert Channel.objects.get().target == "gone"
    assert not route.channels.exists()


def test_severities_are_in_order() -> None:
    assert rank("info") < rank("warning") < rank("critical")


def test_saving_a_teams_document_makes_its_routes(
    support: Team, scout: Agent, desk: Channel
) -> None:
    team, own = Policy(team=support), Policy(team=support, agent=scout)
    document = {"rules": [], "alerts": [{"name": "a", "to": ["desk"]}]}

    signals.policy_saved.send(Policy, policy=own, document=document, by="test")
    assert not Route.objects.exists()
    signals.policy_saved.send(Policy, policy=team, document=document, by="test")
    assert Route.objects.get().name == "a"
    signals.policy_saved.send(Policy, policy=team, document={"rules": []}, by="test")
    assert Route.objects.exists()
    signals.policy_saved.send(Policy, policy=team, document={"alerts": []}, by="test")
    assert not Route.objects.exists()


def test_a_route_is_a_sentence() -> None:
    assert str(parse_route(WHOLE)) == (
        "Agent or run stopped, Fleet guard, critical or graver, of rebalancer, mail.* → pager, desk; "
        "told together within 10 minutes; again every 30 minutes; only in working hours"
    )


def test_a_document_is_refused_as_a_whole_where_its_routes_cannot_be_meant(
    scout: Agent, support: Team, desk: Channel
) -> None:
    policy = policies.of_team(support)
    for alerts_written, sentence in (
        ([{"name": "a", "to": ["pager"]}], "there is no channel “pager”"),
        ([{"name": "a", "to": ["desk"], "wen": []}], "Did you mean when"),
    ):
        with pytest.raises(Invalid, match=sentence):
            policies.write(policy, {"rules": [], "alerts": alerts_written}, by="test", why="")

    policies.write(
        policy, {"rules": [], "alerts": [{"name": "a", "to": ["desk"]}]}, by="test", why=""
    )
    assert Route.objects.get().from_policy
