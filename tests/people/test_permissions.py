"""Permission × role: who may do what, written a second time, from outside in."""

from __future__ import annotations

from itertools import product

import pytest

from people.models import Person, Role, Team
from people.rules import permissions
from people.rules.permissions import DANGEROUS, EVERYWHERE, Permission
from people.transitions import person as people

ROLES = ("lead", "ops", "admin", "auditor", "viewer")
ALLOWED = {
    "pause": "lead ops admin",
    "resume": "lead ops admin",
    "modify": "lead ops admin",
    "terminate": "lead ops admin",
    "cancel": "lead ops admin",
    "raise_limit": "lead ops admin",
    "change_breaker": "lead ops admin",
    "force": "lead ops admin",
    "disable": "lead ops admin",
    "retire": "lead ops admin",
    "switch_team": "lead ops admin",
    "switch_everything": "ops admin",
    "erase": "auditor admin",
    "legal_hold": "auditor admin",
    "retention": "admin",
}


@pytest.mark.parametrize(("permission", "role"), list(product(Permission, ROLES)))
def test_who_may_do_what(permission: Permission, role: str) -> None:
    assert permissions.may(permission, [role]) is (role in ALLOWED[permission].split())


def test_every_permission_is_in_the_table_and_says_who_may() -> None:
    assert set(ALLOWED) == set(Permission) == set(permissions.ROLES) == set(permissions.WORDS)
    assert permissions.refusal(Permission.FORCE) == (
        "Forcing a breaker open takes a lead, ops or admin of its team."
    )
    assert permissions.refusal(Permission.SWITCH_EVERYTHING) == (
        "Stopping everything takes ops or admin of every team."
    )


def test_what_is_dangerous_is_named() -> None:
    stopping = {"terminate", "force", "disable", "switch_team", "switch_everything"}
    assert stopping | {"erase", "legal_hold"} == DANGEROUS
    assert {"switch_everything"} == EVERYWHERE


@pytest.mark.django_db
@pytest.mark.parametrize(("permission", "role"), list(product(Permission, ROLES)))
def test_a_role_counts_where_one_has_it(permission: Permission, role: str, support: Team) -> None:
    other = Team.objects.create(name="elsewhere")
    here = people.create("here", role=Role(role), team=support, by="test")
    house = people.create("house", role=Role(role), by="test")

    may = role in ALLOWED[permission].split()
    assert here.may(permission, support.pk) is (may and permission not in EVERYWHERE)
    assert here.may(permission, other.pk) is False
    assert here.may(permission, None) is False
    assert house.may(permission, support.pk) is may
    assert house.may(permission, None) is may


def test_a_viewer_reads_who_may(bob: Person, support: Team) -> None:
    assert not any(bob.may(permission, support.pk) for permission in Permission)
