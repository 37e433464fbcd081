"""Who is signed in: kept in PostgreSQL, read together with the person in one query.

Not in Redis: it may vanish at any moment, and a sign-out that it missed would come back to life with it. Not in
a signed cookie: that cannot be taken back. One indexed query costs as much as asking Redis would.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends import db
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from audit.columns import columns, parted

if TYPE_CHECKING:
    from dashboard.models import Session
    from people.models import Person


class SessionStore(db.SessionStore):
    """Django's database sessions on our table, which knows whose session it is."""

    person: Person | None = None
    """Whose session was read; None for a stranger's."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        from dashboard.models import Session

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast("Session", super().create_model_instance(data))
        session.person_id = data.get(auth.SESSION_KEY)
        return session

    def _get_session_from_db(self) -> Session | None:
        with connection.cursor() as cursor:
            cursor.execute(statement(), [self.session_key])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return None
        session: Session
        session, self.person = parted(row, self.get_model_class(), _person_model())
        if self.person is not None:
            self.person.remember_roles(row[-1])
        return session


@cache
def statement() -> str:
    """Session, person and roles of a key, in one row: read before everything else anybody does."""
    return f"""
    select {columns(SessionStore.get_model_class(), "s")}, {columns(_person_model(), "p")},
           (select json_agg(json_build_array(m.team_id, m.role))
              from people_membership m where m.person_id = p.id)::text
      from dashboard_session s left join people_person p on p.id = s.person_id
     where s.session_key = %s and s.expire_date > now()
    """


def _person_model() -> type[Person]:
    from people.models import Person

    return Person


class PersonMiddleware:
    """Sets `request.user`, as Django's own does, without asking for the person a second time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(lambda: _person(request))  # type: ignore[assignment]
        return self.get_response(request)


def _person(request: HttpRequest) -> Any:
    session = request.session
    if session.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS:
        person = getattr(session, "person", None)
        if (
            person is not None
            and person.is_active
            and session.get(auth.SESSION_KEY) == str(person.pk)
            and constant_time_compare(
                session.get(auth.HASH_SESSION_KEY, ""), person.get_session_auth_hash()
            )
        ):
            return person
    return auth.get_user(request)  # a stranger, someone just signed in, or a rotated secret key
