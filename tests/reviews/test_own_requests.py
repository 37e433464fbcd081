"""However a person's name is spelt, what was asked for them is not theirs to approve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied

from people.models import Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold
from reviews.transitions import hold as holds


@pytest.fixture
def jose(support: Team) -> Person:
    person = people.create("Jos\u00e9", role=Role.LEAD, team=support, by="test")
    Person.objects.filter(pk=person.pk).update(email="jose@example.org")
    return Person.objects.get(pk=person.pk)


@pytest.mark.parametrize(
    "spelt",
    [
        "jose\u0301",
        "JOSE\u0301",
        "\uff2aos\u00e9",
        "jos\u00e9\u200b",
        "\u2066jos\u00e9\u2069",
        "person:\u200bjose\u0301",
        "jose\uff20example.org",
        "jose@example\u00ad.org",
    ],
)
def test_another_spelling_of_ones_own_name_is_no_way_round(
    held: Callable[..., Hold], jose: Person, spelt: str
) -> None:
    hold = held(on_behalf_of=spelt)

    with pytest.raises(PermissionDenied, match="on your behalf"):
        holds.approve(hold, by=jose)
