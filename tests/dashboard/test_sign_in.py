"""Coming in and going out."""

from __future__ import annotations

import re

import pytest
from django.template.loader import render_to_string
from django.test import Client

from people.models import Person
from tests.cast import PASSWORD


def test_name_and_password_open_the_floor(client: Client, ada: Person) -> None:
    answer = client.post("/sign-in/", {"login": "ada", "password": PASSWORD})

    assert answer["Location"] == "/"
    assert client.get("/").status_code == 200


def test_one_comes_back_to_where_one_wanted_to_go(client: Client, ada: Person) -> None:
    form = client.get("/sign-in/?next=/inbox/%3Ftab%3Dmine").content.decode()

    assert 'value="/inbox/?tab=mine"' in form
    answer = client.post(
        "/sign-in/", {"login": "ada", "password": PASSWORD, "next": "/inbox/?tab=mine"}
    )
    assert answer["Location"] == "/inbox/?tab=mine"


def test_another_site_is_no_place_to_go(client: Client, ada: Person) -> None:
    answer = client.post(
        "/sign-in/", {"login": "ada", "password": PASSWORD, "next": "https://evil.example/"}
    )

    assert answer["Location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_wrong_ones_are_not_told_which_was_wrong(
    client: Client, ada: Person, name: str, password: str
) -> None:
    answer = client.post("/sign-in/", {"login": name, "password": password})

    assert answer.status_code == 422
    assert PASSWORD not in answer.content.decode()
    assert client.get("/").status_code == 302


def test_someone_switched_off_stays_outside(client: Client, ada: Person) -> None:
    Person.objects.filter(pk=ada.pk).update(is_active=False)

    answer = client.post("/sign-in/", {"login": "ada", "password": PASSWORD}, follow=True)

    assert client.get("/").status_code == 302
    assert answer.status_code in (403, 422)


def test_signing_out_needs_a_form(client: Client, ada: Person) -> None:
    client.force_login(ada)

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_forms_from_elsewhere_are_refused(ada: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)

    answer = client.post("/theme/", {"theme": "dark"})

    assert answer.status_code == 403
    assert b"This form was too old" in answer.content


def test_a_page_that_is_already_there_gets_no_second_one_into_it(ada: Person) -> None:
    client = Client(enforce_csrf_checks=True, headers={"HX-Request": "true"})
    client.force_login(ada)

    answer = client.post("/theme/", {"theme": "dark"})

    assert answer.status_code == 403
    assert answer["Watchfloor-Too-Old"] == "page"
    assert b"<" not in answer.content


@pytest.mark.parametrize("link", ["/welcome/x/y/", "/welcome/MTIz/abc-def/", "/welcome/%00/a/"])
def test_a_made_up_link_is_over(client: Client, db: None, link: str) -> None:
    assert client.get(link).status_code == 410


def test_the_theme_is_there_at_the_first_paint(client: Client, ada: Person) -> None:
    client.force_login(ada)
    client.post("/theme/", {"theme": "dark"})

    assert re.search(r'<html[^>]*data-theme="dark"', client.get("/").content.decode())
    client.post("/theme/", {"theme": '"><script>'})
    assert 'data-theme="dark"' in client.get("/").content.decode()
    client.post("/theme/", {"theme": ""})
    assert "data-theme=" not in client.get("/").content.decode()


def test_times_are_shown_in_my_zone(client: Client, ada: Person) -> None:
    client.force_login(ada)

    client.post("/time-zone/", {"time_zone": "Asia/Tokyo"})
    wrong = client.post("/time-zone/", {"time_zone": "Moon/Sea"}, follow=True)

    ada.refresh_from_db()
    assert ada.time_zone == "Asia/Tokyo"
    assert "There is no such time zone" in wrong.content.decode()
    assert 'data-zone="Asia/Tokyo"' in client.get("/").content.decode()


@pytest.mark.parametrize("address", ["/nothing/", "/holds/00000000-0000-7000-8000-000000000000/"])
def test_pages_that_are_not_there_show_the_way_back(
    client: Client, ada: Person, address: str
) -> None:
    client.force_login(ada)

    answer = client.get(address)

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
    assert 'href="/inbox/"' in answer.content.decode()


def test_guessing_is_slowed_down_with_a_page_that_says_so(client: Client, ada: Person) -> None:
    for _ in range(40):
        answer = client.post("/sign-in/", {"login": "ada", "password": "wrong"})

    assert answer.status_code in (422, 429)
    assert b"too" in answer.content.lower()
    assert client.post("/sign-in/", {"login": "ada", "password": PASSWORD}).status_code != 302


def test_the_page_for_our_own_faults_needs_nothing() -> None:
    page = render_to_string("500.html")

    assert "Something broke on our side" in page
    assert 'href="/"' in page
