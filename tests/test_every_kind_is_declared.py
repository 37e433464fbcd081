"""Every kind of entry: declared, written somewhere, readable; every state is reached by one; the table in docs is theirs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.apps import apps
from django.db import connection

from agents.models import ActionState, RunState
from agents.models.aap import AAPStatus
from audit import kinds
from audit.models import Entry
from audit.record import Note, record, record_all
from audit.refusals import HOUSE
from reviews.models import HoldDecision, HoldState
from tests.docs import kinds_table

HERE = Path(__file__).parents[1]
APPS = ("audit", "people", "agents", "reviews", "dashboard")

TEMPLATES: dict[str, list[str]] = {
    "action.{judgement.admission}": ["allowed", "held", "denied"],
    "action.{request.outcome}": ["succeeded", "failed", "interrupted"],
    "action.{what}": ["lapsed", "cancelled", ActionState.SUCCEEDED, ActionState.FAILED],
    "breaker.{kind}": (
        [
            "opened",
            "reopened",
            "closed",
            "forced",
            "released",
            "changed",
            "disabled",
            "enabled",
            "shadowed",
            "granted",
        ]
    ),
    "channel.{what}": ["enabled", "disabled", "deleted"],
    "endpoint.{what}": ["enabled", "disabled", "deleted", "dropped"],
    "hold.{decision}": list(HoldDecision),
    "hold.{state}": [HoldState.EXPIRED, HoldState.CANCELLED],
    "hold.{what}": ["claimed", "released"],
    "request.{status}": [one for one in AAPStatus if one != AAPStatus.PENDING],
    "route.{what}": ["created", "changed", "moved", "deleted"],
    "run.{outcome}": [RunState.COMPLETED, RunState.FAILED],
    "run.{outcomes[row.id]}": [RunState.COMPLETED, RunState.FAILED],
}
"""Kinds that are put together where they are written, and what can stand there."""

NEVER_AN_ENTRY = {"checkpoint.published"}

STATES: dict[str, dict[str, str]] = {
    "agents.Action.state": {
        "allowed": "action.allowed",
        "denied": "action.denied",
        "held": "action.held",
        "approved": "hold.approved",
        "rejected": "hold.rejected",
        "expired": "hold.expired action.lapsed",
        "cancelled": "action.cancelled",
        "executing": "action.executing",
        "succeeded": "action.succeeded",
        "failed": "action.failed",
        "unknown": "action.unknown",
    },
    "agents.Run.state": {
        "running": "run.started run.resumed",
        "paused": "run.paused",
        "completed": "run.completed",
        "failed": "run.failed",
        "terminated": "run.terminated",
    },
    "agents.Agent.state": {
        "active": "agent.created agent.resumed",
        "paused": "agent.paused",
        "retired": "agent.retired",
    },
    "agents.Breaker.state": {
        "closed": "breaker.closed breaker.enabled",
        "open": "breaker.opened breaker.reopened",
        "half_open": "agent.resumed run.resumed",
        "disabled": "breaker.disabled",
        "forced_open": "breaker.forced",
        "shadow": "breaker.shadowed",
    },
    "agents.AAPRequest.status": {
        "pending": "request.deferred action.held",
        "approved": "request.approved",
        "denied": "request.denied",
        "expired": "request.expired",
        "cancelled": "request.cancelled",
    },
    "reviews.Hold.state": {
        "open": "hold.opened",
        "decided": "hold.approved",
        "expired": "hold.expired",
        "cancelled": "hold.cancelled",
    },
    "reviews.Hold.decision": {one.value: f"hold.{one.value}" for one in HoldDecision},
    "reviews.Alert.state": {
        "firing": "alert.fired",
        "acknowledged": "alert.acknowledged",
        "resolved": "alert.resolved",
    },
    "reviews.Channel.state": {
        "active": "channel.created channel.enabled",
        "disabled": "channel.disabled",
        "deleted": "channel.deleted",
    },
    "audit.Endpoint.state": {
        "active": "endpoint.created endpoint.enabled",
        "disabled": "endpoint.disabled",
        "deleted": "endpoint.deleted endpoint.dropped",
    },
}
"""Which entry tells that something came into a state."""

TOLD_ELSEWHERE = {
    "audit.Anchor.state": "only failing, and being well again, are news: anchor.failed, anchor.recovered",
    "audit.Export.state": "record.exported when it is made; waiting and thrown away tell nobody anything",
    "agents.Action.decision": "the hold's entry says it",
    "audit.Delivery.state": "a message about entries; an entry of each would need another message",
    "reviews.Notification.state": "a message about an alert, which has its entries; its tries are kept with it",
}


def sources() -> Iterator[tuple[Path, str]]:
    for app in APPS:
        for path in sorted((HERE / app).rglob("*.py")):
            if "migrations" not in path.parts and not path.name.endswith("kinds.py"):
                yield path, path.read_text()
        for path in sorted((HERE / app).rglob("*.sql")):
            yield path, path.read_text()


def templates() -> set[str]:
    """f-strings that are the kind of an entry: said to `record`, `noted`, `note` or `Note`, or as `entry_kind`."""
    found = set()
    for path, text in sources():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                found |= {ast.unparse(one)[2:-1] for one in said_by(node)}
    return found


def said_by(node: ast.AST) -> list[ast.JoinedStr]:
    first: list[ast.expr | None] = []
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in ("record", "noted", "note", "Note"):
            first = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "kind")]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        first = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "entry_kind"]
    return [one for one in first if isinstance(one, ast.JoinedStr)]


def test_what_is_put_together_can_only_be_what_was_declared() -> None:
    assert templates() == set(TEMPLATES)
    for template, words in TEMPLATES.items():
        for word in words:
            kinds.of(re.sub(r"\{.*\}", word, template))


def test_every_declared_kind_is_written_somewhere() -> None:
    together = {re.sub(r"\{.*\}", word, t) for t, words in TEMPLATES.items() for word in words}
    texts = [text for _, text in sources()]

    dead = {
        kind.name
        for kind in kinds.every()
        if kind.name not in together | NEVER_AN_ENTRY
        and not any(f'"{kind.name}"' in text or f"'{kind.name}'" in text for text in texts)
    }

    assert not dead


@pytest.mark.parametrize("kind", list(kinds.every()), ids=lambda kind: kind.name)
def test_every_kind_can_be_read_by_people(kind: kinds.Kind) -> None:
    example = {
        name: {"int": 2, "bool": True, "list": ["a"], "dict": {"a": 1}}.get(type_, "Words")
        for name, (type_, _) in kind.declared().items()
        if name != "via"
    }
    told = SimpleNamespace(
        kind=kind.name, actor="clock", about="reviews.hold:1", summary="So.", data=example
    )

    whole = kinds.sentence(cast(Entry, told), {})
    told.data = {}
    erased = kinds.sentence(cast(Entry, told), {})

    assert "{" not in whole + erased
    assert whole[0] == whole[0].upper()
    assert kind.plural == "" or kind.declared()[kind.by][0] in ("int", "list")


def test_every_state_is_reached_by_an_entry() -> None:
    found = {}
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.get_fields():
                if getattr(field, "name", "") in ("state", "status", "decision") and field.choices:  # type: ignore[union-attr]
                    name = f"{model._meta.label}.{field.name}"
                    found[name] = {value for value, _ in field.choices if value}  # type: ignore[union-attr]

    assert set(found) == set(STATES) | set(TOLD_ELSEWHERE)
    for name, states in STATES.items():
        assert found[name] == set(states), name
        for said in states.values():
            for word in said.split():
                kinds.of(word)


# -- what nobody declared --------------------------------------------------------------------------


def test_a_kind_that_nobody_declared_is_a_mistake(db: None) -> None:
    with pytest.raises(kinds.Undeclared, match=r"hold\.eaten"):
        record("hold.eaten", actor="clock", about=HOUSE)


@pytest.mark.parametrize(
    "data",
    [
        {"colour": "red"},
        {"count": "3"},
        {"count": True},
        {"count": None},
        {"since": 3},
    ],
)
def test_a_field_that_nobody_declared_so_is_a_mistake(db: None, data: dict[str, Any]) -> None:
    with pytest.raises(kinds.Undeclared):
        record("attempts.counted", actor="clock", about=HOUSE, data=data)
    with pytest.raises(kinds.Undeclared):
        record_all([Note("attempts.counted", "clock", "house", "", "", "", "", data)])


@pytest.mark.parametrize("said", [("hold.eaten", "{}"), ("hold.opened", '{"colour": "red"}')])
def test_so_it_is_where_sql_writes(db: None, said: tuple[str, str]) -> None:
    with pytest.raises(Exception, match="declared"), connection.cursor() as cursor:
        cursor.execute(
            """with line as (insert into audit_line (kind, actor, about, team, agent, run)
                             values (%s, 'clock', 'house', '', '', '') returning id, at)
               insert into audit_payload (id, at, body)
               select id, at, '{"data": ' || %s || ', "summary": ""}' from line""",
            said,
        )


def test_one_and_many_are_told_apart() -> None:
    told = SimpleNamespace(kind="actions.observed", actor="agent:1", about="house", summary="")

    told.data = {"count": 1}
    one = kinds.sentence(cast(Entry, told), {"agent:1": "scout"})
    told.data = {"count": 4}
    many = kinds.sentence(cast(Entry, told), {"agent:1": "scout"})

    assert (one, many) == ("scout reported 1 action", "scout reported 4 actions")


def test_the_table_in_the_docs_is_made_of_them() -> None:
    text = (HERE / "docs" / "record.md").read_text()

    assert kinds_table() in text, "run: python -m tests.docs"


def test_a_name_stays_as_it_is_also_at_the_start() -> None:
    title = {"title": "support-triage wants to pay"}
    told = SimpleNamespace(
        kind="hold.cancelled", actor="clock", about="house", summary="", data=title
    )
    moved = SimpleNamespace(kind="agent.moved", actor="clock", about="house", summary="", data={})

    assert kinds.sentence(cast(Entry, told), {}).startswith("support-triage wants")
    assert kinds.sentence(cast(Entry, moved), {}).startswith("The clock moved")
