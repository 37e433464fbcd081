"""Links in messages: opening one shows, and only pressing a button decides."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern

from audit.models import Entry
from dashboard.urls import urlpatterns
from people.models import Person
from reviews.models import Hold
from tests.dashboard.test_holds import (  # noqa: F401  # fixtures
    approval,
    ask,
    review,
    sign_in,
    stopped,
)

pytestmark = pytest.mark.django_db

VERBS = sorted(
    pattern.name.removeprefix("hold-")
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and str(pattern.name).startswith("hold-")
    if pattern.name and pattern.name != "hold-raw"
)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("kind", ["approval", "review", "stopped"])
def test_who_only_looks_decides_nothing(
    request: pytest.FixtureRequest, ada: Person, kind: str, verb: str, method: str
) -> None:
    assert "approve" in VERBS
    hold: Hold = request.getfixturevalue(kind)
    before = Hold.objects.filter(pk=hold.pk).values().get()
    client = sign_in(ada)
    entries = Entry.objects.count()

    answer = getattr(client, method)(f"/holds/{hold.pk}/{verb}/")

    assert answer.status_code == (405 if verb == "comment" else 200)
    assert Hold.objects.filter(pk=hold.pk).values().get() == before
    assert Entry.objects.count() == entries


def test_a_link_says_that_nothing_is_decided_yet(approval: Hold, ada: Person) -> None:  # noqa: F811
    page = sign_in(ada).get(f"/holds/{approval.pk}/reject/").content.decode()

    assert (
        "You were asked to reject by a link; nothing is decided until you press the button" in page
    )
    assert 'data-invited="reject"' in page


def test_who_may_not_decide_is_not_invited(approval: Hold, bob: Person, eve: Person) -> None:  # noqa: F811
    address = f"/holds/{approval.pk}/approve/"

    assert "You were asked" not in sign_in(bob).get(address).content.decode()
    assert sign_in(eve).get(address).status_code == 404
    answer = Client().get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"/sign-in/?next={address}"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(approval: Hold, ada: Person, method: str) -> None:  # noqa: F811
    answer = getattr(sign_in(ada), method)(f"/holds/{approval.pk}/approve/")

    assert answer.status_code == 405
