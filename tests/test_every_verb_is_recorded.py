"""Whatever changes state writes an entry, in the same transaction: read from the code of every verb."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import pytest

import agents.transitions
import audit.transitions
import people.transitions
import reviews.transitions
from audit.record import entries, entry, record, record_all

PACKAGES = (agents.transitions, audit.transitions, people.transitions, reviews.transitions)

SILENT = {
    "agents.transitions.run.acknowledge": "the directive has its entry; its row keeps when it was read",
    "agents.transitions.run.save_checkpoint": "an agent's own notes, kept by version; nothing is decided",
    "agents.transitions.instance.reserve": "keeps the place of an attempt, whose outcome is written",
    "agents.transitions.instance_life.reserve_update": "keeps the place of an attempt, as above",
    "audit.transitions.exporting.ask": "nothing left the house yet: what is made for them is recorded",
    "audit.transitions.expiry.make_months": "empty tables for the months to come; nothing is in them",
    "audit.transitions.endpoint.test": "a message that says nothing but that it is one",
}
"""Verbs that write no entry, each with its reason."""


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield import_module(found.name)


def verbs() -> dict[str, Any]:
    """Public functions that open a transaction, by the words they are called by."""
    return {
        f"{module.__name__}.{name}": verb
        for module in modules()
        for name, verb in vars(module).items()
        if callable(verb) and getattr(verb, "__module__", "") == module.__name__
        if hasattr(verb, "__wrapped__") and not name.startswith("_")
    }


@cache
def writes(verb: FunctionType) -> bool:
    """Whether it calls `record`, or sends what it would, or a statement of its own that writes there; by itself or not."""
    return bool({record, record_all, entry, entries} & reached(verb, set()))


def reached(verb: Any, seen: set[Any]) -> set[Any]:
    plain = inspect.unwrap(verb)
    if plain in seen or not isinstance(plain, FunctionType):
        return seen
    seen.add(plain)
    if not plain.__module__.startswith(tuple(package.__name__ for package in PACKAGES)):
        return seen
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(plain)))):
        named = resolved(node, plain.__globals__)
        if isinstance(named, str) and "insert into audit_line" in named:
            seen.add(record)
        elif callable(named):
            reached(named, seen)
    return seen


def resolved(node: ast.AST, known: dict[str, Any]) -> Any:
    """What `name` or `module.name` stands for."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return getattr(known.get(module), name, None)
    return None


def test_there_are_verbs_to_look_at() -> None:
    found = verbs()

    assert "reviews.transitions.voting.approve" in found
    assert "agents.transitions.action.claim" in found
    assert len(found) > 60


@pytest.mark.parametrize("name", sorted(verbs()))
def test_every_verb_writes_to_the_record(name: str) -> None:
    assert writes(verbs()[name]) is (name not in SILENT), SILENT.get(name, "it writes no entry")
