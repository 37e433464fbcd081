"""Coming in and going out, for the record: who, how and from where, and who was refused."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from audit import refusals
from audit.record import record
from audit.refusals import STRANGER, Subject
from people.models import Person

LONGEST_NAME = 80


def came(request: HttpRequest, user: Person, **_: Any) -> None:
    match = getattr(request, "resolver_match", None)
    how = "link" if match is not None and match.url_name == "welcome" else "password"
    record("person.signed_in", actor=user, about=user, data={"how": how})


def left(user: Person | None, **_: Any) -> None:
    if user is not None:
        record("person.signed_out", actor=user, about=user)


user_logged_in.connect(came, dispatch_uid="came")
user_logged_out.connect(left, dispatch_uid="left")


def refused(name: str, reason: str) -> None:
    """Somebody tried to come in as `name`, which may be anybody's, nobody's, or a password typed in the wrong field."""
    name = refusals.words(name, LONGEST_NAME)

    def tell() -> dict[str, Any]:
        known = Person.objects.filter(name=name).first()
        about = known or Subject("person")
        return refusals.told(STRANGER, about, reason, name=name, reason=refusals.words(reason))

    refusals.note("sign_in.refused", "", tell)


def link_refused(reason: str) -> None:
    """A one-time link that is over, or never was one."""
    about = Subject("link")
    refusals.note("link.refused", "", lambda: refusals.told(STRANGER, about, reason, reason=reason))


def confirmed(person: Person) -> None:
    record("person.confirmed", actor=person, about=person)


def not_confirmed(person: Person, reason: str) -> None:
    refusals.note(
        "confirmation.refused",
        person.record_name,
        lambda: refusals.told(person, person, reason, reason=refusals.words(reason)),
    )
