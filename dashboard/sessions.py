"""Who is signed in: kept in PostgreSQL, read together with the person in one query.

Not in Redis: it may vanish at any moment, and a sign-out that it missed would come back to life with it. Not in
a signed cookie: that cannot be taken back. One indexed query costs as much as asking Redis would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends import db
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from audit.columns import columns, parted
from audit.written import Statement

if TYPE_CHECKING:
    from dashboard.models import Session
    from people.models import Person


SIGNED_IN_AT = "signed_in_at"
"""Kept in the session: when its person last showed who they are."""


def note_sign_in(request: HttpRequest, **_: Any) -> None:
    """Somebody came in, or showed once more who they are: what demands a fresh sign-in looks here."""
    request.session[SIGNED_IN_AT] = time.time()


user_logged_in.connect(note_sign_in, dispatch_uid="note_sign_in")


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

    @classmethod
    def of(cls, key: str, row: Sequence[Any] | None) -> SessionStore:
        """A session that was read already, by `reading`."""
        store: Any = cls(key)
        session = store._take(row)
        store._session_cache = store.decode(session.session_data) if session else {}
        made: SessionStore = store
        return made

    def _get_session_from_db(self) -> Session | None:
        with connection.cursor() as cursor:
            cursor.execute(*reading(self.session_key))
            return self._take(cursor.fetchone())

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """What a browser brings is the same every time: whether it was signed here is found out once."""
        kept: dict[str, Any] = self.serializer().loads(_verified(session_data))
        return kept

    def _take(self, row: Sequence[Any] | None) -> Session | None:
        if row is None:
            self._session_key = None
            return None
        session: Session
        session, self.person = parted(row, self.get_model_class(), _person_model())
        if self.person is not None:
            self.person.remember_roles(row[-2])
            self.person.remember_arrangements(row[-1])
        return session


@lru_cache(maxsize=1_000)
def _verified(session_data: bytes | str) -> bytes:
    """What Django reads in it, as its serializer writes it: those who read may change what they got."""
    store = SessionStore()
    text: bytes = store.serializer().dumps(db.SessionStore.decode(store, session_data))
    return text


def reading(key: str | None) -> Statement:
    """Session, person, roles and stand-ins of a key, in one row: read before everything else anybody does."""
    return _statement(), {"key": key}


@cache
def _statement() -> str:
    return f"""
    select {columns(SessionStore.get_model_class(), "s")}, {columns(_person_model(), "p")},
           (select json_agg(json_build_array(m.team_id, m.role))
              from people_membership m where m.person_id = p.id)::text,
           (select json_agg(json_build_array(g.id, g.name, t.id, t.name, d.ends_at) order by d.ends_at)
              from people_delegation d
              join people_person g on g.id = d.giver_id join people_person t on t.id = d.taker_id
             where (d.giver_id = p.id or d.taker_id = p.id) and g.is_active
               and d.ended_at is null and d.starts_at <= now() and d.ends_at > now())::text
      from dashboard_session s left join people_person p on p.id = s.person_id
     where s.session_key = %(key)s and s.expire_date > now()
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
    return kept(request) or _dated(auth.get_user(request), request)


def kept(request: HttpRequest) -> Person | None:
    """Whose session it is, without asking anything more; None: a stranger, someone just signed in, a rotated key."""
    session: Any = request.session
    if session.get(auth.BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    person: Person | None = getattr(session, "person", None)
    if (
        person is not None
        and person.is_active
        and session.get(auth.SESSION_KEY) == str(person.pk)
        and constant_time_compare(
            session.get(auth.HASH_SESSION_KEY, ""), person.get_session_auth_hash()
        )
    ):
        return _dated(person, request)
    return None


def _dated[P](person: P, request: HttpRequest) -> P:
    """It knows when it was last shown who they are."""
    if person.is_authenticated:  # type: ignore[attr-defined]
        signed_in_at = request.session.get(SIGNED_IN_AT)
        person.signed_in_at = datetime.fromtimestamp(signed_in_at, UTC) if signed_in_at else None  # type: ignore[attr-defined]
    return person
