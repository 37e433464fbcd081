"""A rule that demands a fresh sign-in: refused, signed in again, decided."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

from django.test import Client

from dashboard.sessions import SIGNED_IN_AT
from people.models import Person
from reviews.models import Hold
from tests.cast import PASSWORD

from .conftest import Rule


def test_who_came_in_long_ago_signs_in_again_and_then_decides(
    client: Client, rule: Rule, held: Callable[..., Hold], ada: Person
) -> None:
    rule(step_up=True)
    hold = held()
    client.force_login(ada)
    session = client.session
    session[SIGNED_IN_AT] -= 3600
    session.save()

    refused = client.post(f"/holds/{hold.pk}/approve/", headers={"HX-Request": "true"})
    way = f"/sign-in/again/?next=%2Fholds%2F{hold.pk}%2F"
    assert refused.status_code == 403
    assert way in unescape(refused.content.decode())
    back = client.post("/sign-in/again/", {"password": PASSWORD, "next": f"/holds/{hold.pk}/"})
    assert back["Location"] == f"/holds/{hold.pk}/"
    decided = client.post(f"/holds/{hold.pk}/approve/")

    assert decided.status_code == 302
    hold.refresh_from_db()
    assert (hold.state, hold.decision) == ("decided", "approved")
