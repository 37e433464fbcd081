"""Every address × every person: who is let in, who reads a refusal, and who never learns that it exists."""

from __future__ import annotations

from copy import copy
from datetime import time, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from agents.models import Account, Agent, AgentKey, Breaker, Run, Trip
from agents.rules.budget_settings import parse_budget
from agents.rules.limits import parse_limit
from agents.shapes import Propose, Proposed
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import budget as budgets
from agents.transitions import limit as limits
from agents.transitions import policy as policies
from agents.transitions import stopping
from audit import sequencing
from audit.evidence.scope import Scope
from audit.models import Delivery, Endpoint, Export, LegalHold, Line
from dashboard.urls import urlpatterns
from people.models import Calendar, Delegation, Group, Person, Team
from people.transitions import token as tokens
from reviews.models import Alert, Channel, Notification, Route, Silence

ADA, OTTO, IRIS, BOB, EVE, NOBODY = CAST = ("ada", "otto", "iris", "bob", "eve", "nobody")
IN, NO, NOT_FOUND, SIGN_IN = "let in", "refused", "not found", "sign in"

ANYBODY = dict.fromkeys(CAST, IN)
SIGNED_IN = ANYBODY | {NOBODY: SIGN_IN}
SEES = SIGNED_IN | {EVE: NOT_FOUND}
DECIDES = SEES | {IRIS: NO, BOB: NO}
KEEPS = SIGNED_IN | {ADA: NOT_FOUND, IRIS: NOT_FOUND, BOB: NOT_FOUND, EVE: NOT_FOUND}
HERS = SIGNED_IN | {OTTO: NOT_FOUND, IRIS: NOT_FOUND, BOB: NOT_FOUND, EVE: NOT_FOUND}
READS_RECORD = SIGNED_IN | {BOB: NOT_FOUND}

GUARDS = dict.fromkeys(CAST, NO) | {IRIS: IN, BOB: NOT_FOUND, NOBODY: SIGN_IN}

GET: dict[str, dict[str, str]] = {
    "livez": ANYBODY,
    "readyz": ANYBODY,
    "sign-in": ANYBODY,
    "account_login": ANYBODY,
    "account_inactive": dict.fromkeys(CAST, NO),
    "welcome": ANYBODY,
    **dict.fromkeys(["sign-in-again", "account_reauthenticate", "account"], SIGNED_IN),
    **dict.fromkeys(["floor", "inbox", "inbox-count", "search", "settings"], SIGNED_IN),
    **dict.fromkeys(["agents", "runs", "policies", "budgets", "prices"], SIGNED_IN),
    "budget": SEES,
    **dict.fromkeys(["team", "hold", "hold-raw", "agent", "run", "action", "action-raw"], SEES),
    **dict.fromkeys(["policy", "policy-version", "trip", "trip-better"], SEES),
    **dict.fromkeys(["record", "record-export", "record-proof"], READS_RECORD),
    **dict.fromkeys(["record-case", "record-entry"], READS_RECORD | {EVE: NOT_FOUND}),
    "record-entry-proof": READS_RECORD | {EVE: NOT_FOUND},
    **dict.fromkeys(
        ["log-checkpoint", "log-tile"], dict.fromkeys(CAST, NOT_FOUND) | {OTTO: IN, IRIS: IN}
    ),
    "log-known": dict.fromkeys(CAST, NOT_FOUND),  # unless the house wants it told
    "evidence-period": READS_RECORD,
    "evidence-case": READS_RECORD | {EVE: NOT_FOUND},
    "evidence-file": HERS,
    **dict.fromkeys(["record-erase", "legal-holds", "retention"], GUARDS),
    "policy-edit": DECIDES,
    **dict.fromkeys(["breaker", "breaker-try"], SEES),
    "switch": SIGNED_IN | {IRIS: NO, BOB: NO},
    "switch-team": DECIDES,
    "switch-resume": DECIDES,
    "webhooks": SIGNED_IN | {ADA: NO, IRIS: NO, BOB: NO, EVE: NO},
    **dict.fromkeys(["webhook", "webhook-delivery"], KEEPS),
    **dict.fromkeys(["alerts", "channels", "limits"], SIGNED_IN),
    "limit": SEES,
    **dict.fromkeys(["alert", "channel", "route"], SEES),
}
HOLD_VERBS = (
    "approve edit reject answer ask extend escalate redeliver resume modify terminate resolve retry"
    " discard claim release"
)
TEAM_VERBS = "group-add group-rename group-delete group-join group-leave hours-set hours-remove"
AGENT_VERBS = (
    "agent-stop agent-retire key-add key-revoke breaker-change breaker-disable breaker-enable"
)
WEBHOOK_VERBS = "test secret enable disable delete again"
ALERT_VERBS = (
    "alert-acknowledge alert-again silence-add silence-end channel-add channel-test channel-enable"
    " channel-disable channel-delete channel-again route-add route-change route-move route-delete"
)
POST: dict[str, dict[str, str]] = {
    **dict.fromkeys(["theme", "sign-out"], ANYBODY),
    **dict.fromkeys(["time-zone", "account-out", "account-token-add", "inbox-answer"], SIGNED_IN),
    "account-back": HERS | {OTTO: IN},  # hers to take back, and his, who stands in, to give back
    "account-token-revoke": HERS,
    "evidence-period": READS_RECORD,
    "evidence-case": READS_RECORD | {EVE: NOT_FOUND},
    **dict.fromkeys(["record-erase", "legal-holds"], GUARDS),
    "legal-hold-end": GUARDS,
    "retention": GUARDS | {IRIS: NO},
    "hold-comment": SEES,
    "trip-judge": DECIDES,
    **dict.fromkeys(["budget-add", "budget-change", "budget-raise", "budget-remove"], DECIDES),
    "price-add": DECIDES,
    "action-void": DECIDES,
    "team-hours-preview": SEES,
    "policy-add": DECIDES,
    "policy-restore": DECIDES,
    "webhook-add": SIGNED_IN | {ADA: NO, IRIS: NO, BOB: NO, EVE: NO},
    **{f"hold-{verb}": DECIDES for verb in HOLD_VERBS.split()},
    **{f"team-{verb}": DECIDES for verb in TEAM_VERBS.split()},
    **dict.fromkeys([*AGENT_VERBS.split(), "run-stop", "run-terminate"], DECIDES),
    **dict.fromkeys(["agent-cancel", "run-cancel", "action-cancel", "breaker-act"], DECIDES),
    **{f"webhook-{verb}": KEEPS for verb in WEBHOOK_VERBS.split()},
    **dict.fromkeys(ALERT_VERBS.split(), DECIDES),
    **dict.fromkeys(["limit-change", "limit-remove"], DECIDES),
    "limit-add": DECIDES,
}
OTHERS = {"api/v1/", "^api/v1/", "api/aap/"}
"""Agents' and programs' own, which have matrices of their own."""


@pytest.fixture
def house(
    scout_with_key: tuple[Agent, str], run: Run, support: Team, ada: Person, otto: Person
) -> dict[str, dict[str, Any]]:
    """One of everything of team support's, by the first word of the addresses that lead to it."""
    now, later = timezone.now(), timezone.now() + timedelta(days=1)
    scout, secret = scout_with_key
    told = proposed(secret, run)
    group = Group.objects.create(team=support, name="cashiers")
    group.members.add(otto)
    hook = Endpoint(team=str(support.pk), url="https://example.org/", events=["hold.*"])
    hook.keep_secret("whsec_" + "A" * 43 + "=")
    hook.save()
    sent = Delivery.objects.create(endpoint=hook, message_id="m", type="hold.opened", body="{}")
    away = Delegation.objects.create(giver=ada, taker=otto, starts_at=now, ends_at=later)
    hours = {"days": [0], "opens": time(9), "closes": time(17)}
    Calendar.objects.create(team=support, time_zone="UTC", **hours)
    token = tokens.issue(ada, label="desk", scopes=["read"], days=7, by=ada)[0]
    budget = budgets.set(support, None, parse_budget({"name": "Day", "limit": "$5"}), by="test")
    account = Account.objects.create(
        budget=budget, owner=support.pk, starts_at=now, ends_at=later, unit="usd"
    )
    own = policies.of_agent(scout)
    key = AgentKey.objects.get(agent=scout)
    shared = limits.set(support, parse_limit({"resource": "crm", "concurrency": 2}), by="test")
    breaker = Breaker.objects.filter(agent=scout).first()
    assert breaker is not None
    sequencing.sequence()
    return called(support, scout) | {
        "log-tile": {"path": "0/000.p/1"},
        "hold": {"pk": told},
        "action": {"run": run.pk, "pk": told},
        "run": {"pk": run.pk},
        "agent": {"pk": scout.pk},
        "key": {"pk": scout.pk, "key": key.pk},
        "trip": {"pk": noted(scout).pk},
        "breaker": {"pk": scout.pk, "breaker": breaker.pk},
        "breaker-act": {"breaker": breaker.pk, "verb": "force"},
        "breaker-try": {"breaker": breaker.pk},
        "switch-team": {"pk": support.pk},
        "switch-resume": {"group": stopped_together(support)},
        "policy": {"pk": own.pk, "number": 1},
        "team": {"pk": support.pk, "group": group.pk},
        "webhook": {"pk": hook.pk, "number": sent.pk},
        "budget": {"pk": budget.pk, "account": account.pk},
        "limit": {"pk": shared.pk},
        "account-back": {"pk": away.pk},
        "account-token": {"pk": token.pk},
        "legal": {"pk": kept_for_the_law()},
        "evidence-case": {"pk": told},
        "record-case": {"pk": told},
        "record-entry": {"pk": proved(scout)},
        "evidence-file": {"pk": exported(ada)},
        "typed": {
            "inbox-answer": {"verb": "claim", "hold": told},
            "policy-add": {"team": support.pk},
            "budget-add": {"owner": f"team:{support.pk}"},
            "price-add": {"team": support.pk},
            "limit-add": {"team": support.pk, "resource": "api", "rate": "1/1s"},
            "hold-extend": {"for": "1h"},
            "team-group-join": {"person": ada.pk},
            "team-group-leave": {"person": otto.pk},
            "agent-retire": {"name": scout.name},
            "silence-add": {"team": support.pk},
            "channel-add": {"team": support.pk},
            "route-add": {"team": support.pk},
        },
        "welcome": {"uid": "x", "token": "y"},
    }


def called(support: Team, scout: Agent) -> dict[str, dict[str, Any]]:
    """An alert, a channel it was sent to, the route there, and a silence."""
    now = timezone.now()
    times = {"opened_at": now, "last_at": now, "group_until": now}
    alert = Alert.objects.create(
        team=support, agent=scout, kind="trip", severity="critical", **times
    )
    channel = Channel(team=support, name="desk", kind="webhook", shown="json://example.org/…")
    channel.keep_address("json://example.org/")
    channel.save()
    told = Notification.objects.create(alert=alert, channel=channel, next_at=now)
    route = Route.objects.create(team=support, name="all")
    quiet = Silence.objects.create(team=support, severity="info", reason="x", until=now)
    return {
        "alert": {"pk": alert.pk, "number": told.pk},
        "channel": {"pk": channel.pk, "number": told.pk},
        "route": {"pk": route.pk},
        "silence": {"pk": quiet.pk},
    }


def proved(scout: Agent) -> int:
    """An entry with its place in the log."""
    sequencing.sequence_all()
    return Line.objects.filter(about=scout.record_name).order_by("pk")[0].pk


def kept_for_the_law() -> UUID:
    """A legal hold of the whole house."""
    placed = LegalHold.objects.create(scope="person", subject="person:x", reason="x", by="test")
    return placed.pk


def exported(ada: Person) -> UUID:
    """A bundle that was made for her."""
    now = timezone.now()
    about = Scope.of_period(
        now - timedelta(days=1), now, teams=[str(pk) for pk in ada.team_ids]
    ).about
    made = Export.objects.create(
        by=ada.record_name, name="ada", title="x", about=about, state="made"
    )
    made.path.parent.mkdir(parents=True, exist_ok=True)
    made.path.write_bytes(b"x")
    return made.pk


def stopped_together(team: Team) -> UUID:
    """The group of a stop that waits, of an agent that nothing else here is about."""
    agents.create("stopped", team=team, by="test")
    other = Agent.objects.get(name="stopped")
    (trip,) = stopping.stop_all([other], group=uuid4(), at=timezone.now(), reason="x", by="command")
    assert trip.group is not None
    return trip.group


def noted(scout: Agent) -> Trip:
    """What a breaker in shadow would have stopped."""
    now = timezone.now()
    fields = {"is_shadow": True, "condition": "errors", "reason": "Ten failures."}
    return Trip.objects.create(agent=scout, opened_at=now, ended_at=now, **fields)


def proposed(secret: str, run: Run) -> str:
    """The id of a request that waits, and of its action."""
    body = b'{"call_id":"1","tool":"refund.issue","arguments":{"amount":80}}'
    request = Proposed.of(msgspec.json.decode(body, type=Propose))
    told = actions.propose(sha256(secret.encode()).digest(), run.pk, request)[1]
    return str(msgspec.json.decode(told)["action"]["id"])


def address(name: str, house: dict[str, dict[str, Any]]) -> str:
    if name in ("livez", "readyz"):
        return f"/{name}"
    (pattern,) = [p for p in PATTERNS if p.name == name][:1]
    wanted = set(pattern.pattern.converters)
    words = name.split("-")
    known = next(
        (house["-".join(words[:n])] for n in (2, 1) if "-".join(words[:n]) in house),
        {},
    )
    return reverse(name, kwargs={key: value for key, value in known.items() if key in wanted})


PATTERNS = [p for p in urlpatterns if isinstance(p, URLPattern)]


def came(method: str, url: str, typed: dict[str, Any], cookies: Any) -> str:
    """How the door answered, whatever it then said about what was typed. Afterwards all is as before."""
    client = Client()
    client.cookies = copy(cookies)
    with transaction.atomic():
        answer = getattr(client, method)(url, typed)
        connection.set_rollback(True)
    assert answer.status_code < 500
    assert answer.status_code != 405
    if answer.status_code == 302 and answer["Location"].startswith("/sign-in/?next="):
        return SIGN_IN
    return {403: NO, 404: NOT_FOUND}.get(answer.status_code, IN)


@pytest.mark.parametrize("person", CAST)
@pytest.mark.parametrize(("method", "expected"), [("get", GET), ("post", POST)])
def test_every_person_at_every_address(
    request: pytest.FixtureRequest,
    house: dict[str, dict[str, Any]],
    method: str,
    expected: dict[str, dict[str, str]],
    person: str,
) -> None:
    client = Client()
    if person != NOBODY:
        client.force_login(request.getfixturevalue(person))

    found = {
        name: came(method, address(name, house), house["typed"].get(name, {}), client.cookies)
        for name in expected
    }

    assert found == {name: answers[person] for name, answers in expected.items()}


def test_every_address_is_in_the_matrix() -> None:
    """Whoever adds one says here who may use it."""
    known = {str(pattern.name or pattern.pattern) for pattern in PATTERNS}

    assert known - OTHERS == set(GET) | set(POST)
