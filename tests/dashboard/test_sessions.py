"""Who is signed in, in one query, and not for a moment longer."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from dashboard.models import Session
from dashboard.sessions import PersonMiddleware, SessionStore
from people.models import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Person:
    return Person.objects.create_person("ida", "a long password")


@pytest.fixture
def key(client: Client, person: Person) -> str:
    client.force_login(person)
    session_key = client.session.session_key
    assert session_key
    return session_key


def visitor(key: str) -> HttpRequest:
    request = RequestFactory().get("/")
    request.session = SessionStore(key)
    PersonMiddleware(lambda _: HttpResponse())(request)
    return request


def test_session_and_person_are_one_query(
    key: str, person: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = visitor(key)

    with django_assert_num_queries(1):
        assert request.user.is_authenticated
        assert request.user == person


def test_a_stranger_costs_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert visitor("").user.is_anonymous


def test_a_made_up_session_is_nobodys() -> None:
    assert visitor("f" * 32).user.is_anonymous


def test_it_agrees_with_django(key: str) -> None:
    request = visitor(key)

    assert request.user == get_user(request)


def test_signing_out_ends_it_at_once(key: str, client: Client) -> None:
    client.logout()

    assert visitor(key).user.is_anonymous


def test_another_password_ends_it(key: str, person: Person) -> None:
    person.set_password("another long password")
    person.save()

    assert visitor(key).user.is_anonymous


def test_someone_put_out_is_out(key: str, person: Person) -> None:
    person.is_active = False
    person.save()

    assert visitor(key).user.is_anonymous


def test_a_session_of_somebody_else_does_not_lend_its_person(key: str, person: Person) -> None:
    other = Person.objects.create_person("eve", "a long password")
    Session.objects.update(person=other)

    assert visitor(key).user == person, "what was signed counts, not what the column says"


def test_all_sessions_of_a_person_can_be_ended(key: str, person: Person) -> None:
    Session.objects.filter(person=person).delete()

    assert visitor(key).user.is_anonymous
