"""`manage.py person create|link|token NAME …`: adds someone who watches, and makes tokens for their scripts."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from audit.errors import Refused
from people.models import Person, Role, Scope, Team
from people.transitions import person as transitions
from people.transitions import token as tokens

LONGEST_NAME = 80
NO_TEXT = "The password is no text: write it in UTF-8, without a NUL."


class Command(BaseCommand):
    help = "Adds people and makes personal tokens. A password is read from standard input, asked for, or chosen through a one-time link."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="create|link|off|on|token"
        )
        create = verbs.add_parser("create", help="add a person")
        create.add_argument("name", metavar="NAME", help="what they sign in with")
        create.add_argument("--role", required=True, help=", ".join(Role.values))
        create.add_argument("--team", help="the team they watch; without it, every team")
        create.add_argument(
            "--link", action="store_true", help="print a link where they choose a password, once"
        )
        create.add_argument("--json", action="store_true", help="answer as one line of JSON")
        link = verbs.add_parser(
            "link", help="print another link where they choose a password, once"
        )
        off = verbs.add_parser("off", help="they are gone: nothing lets them in any more")
        on = verbs.add_parser("on", help="let somebody in again")
        for parser in (link, off, on):
            parser.add_argument("name", metavar="NAME", help="who it is")
        token = verbs.add_parser("token", help="make a token for the operators' API; printed once")
        token.add_argument("name", metavar="NAME", help="whose it is")
        token.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            choices=Scope.values,
            help="what it may do (repeat); default: read and decide",
        )
        token.add_argument("--days", type=int, default=90, help="how long it works, 365 at most")
        token.add_argument("--label", default="command line", help="what it is for")
        token.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(**options)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal

    def create(self, **options: Any) -> None:
        name = named(options["name"])
        role, team = role_of(options["role"]), team_of(options["team"])
        password = None if options["link"] else self._password(name)
        person = transitions.create(name, role=role, team=team, password=password, by="command")
        made = {
            "id": str(person.pk),
            "name": person.name,
            "role": str(role),
            "team": team.name if team else None,
        }
        if options["link"]:
            made["link"] = transitions.link(person, link_for, by="command")
        self.stdout.write(json.dumps(made) if options["json"] else sentence(made))

    def link(self, *, name: str, **options: Any) -> None:
        person = person_of(name)
        if not person.is_active:
            raise CommandError(f"{name} is switched off: `person on` lets them in again.")
        link = transitions.link(person, link_for, by="command")
        self.stdout.write(f"{name} chooses a password here, once:\n{link}")

    def off(self, *, name: str, **options: Any) -> None:
        transitions.switch_off(person_of(name), by="command")
        self.stdout.write(f"{name} is switched off: no password, session or token lets them in.")

    def on(self, *, name: str, **options: Any) -> None:
        transitions.switch_on(person_of(name), by="command")
        self.stdout.write(f"{name} may come in again.")

    def token(
        self, *, name: str, scopes: list[str] | None, days: int, label: str, **options: Any
    ) -> None:
        token, secret = tokens.issue(
            person_of(name),
            label=label,
            scopes=scopes or list(Scope.values),
            days=days,
            by="command",
        )
        made = {
            "id": str(token.pk),
            "token": secret,
            "scopes": token.scopes,
            "expires_at": token.expires_at.isoformat(),
        }
        words = f"{name}'s token, shown only now, works for {days} days: {secret}"
        self.stdout.write(json.dumps(made) if options["json"] else words)

    def _password(self, name: str) -> str:
        """From standard input when something is piped into it, else from a prompt that does not show it."""
        if sys.stdin.isatty():
            password = getpass.getpass(f"Password for {name}: ")
            if getpass.getpass("The same again: ") != password:
                raise CommandError("The two passwords differ.")
        else:
            password = piped()
        if "\0" in password or not is_text(password):
            raise CommandError(NO_TEXT)
        if not password:
            raise CommandError(
                "The password is empty. Pipe one in, or use --link and let them choose it."
            )
        try:
            validate_password(password, Person(name=name))
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from None
        return password


def piped() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError(NO_TEXT) from None


def is_text(word: str) -> bool:
    """Bytes that are not UTF-8 may have come in as surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def visible(text: str, *, what: str = "A name", longest: int = LONGEST_NAME) -> str:
    """A name that people can read: nothing in it is invisible or turns the rest around."""
    name = text.strip()
    if not 0 < len(name) <= longest or not name.isprintable():
        raise CommandError(f"{what} has 1 to {longest} visible characters.")
    return name


def named(text: str) -> str:
    name = visible(text)
    if Person.objects.filter(name__iexact=name).exists():
        raise CommandError(f"There is already someone called {name}.")
    return name


def person_of(name: str) -> Person:
    person = Person.objects.filter(name=name).first()
    if person is None:
        raise CommandError(f"There is nobody called {name}.")
    return person


def role_of(text: str) -> Role:
    if text not in Role.values:
        raise CommandError(f"There is no role {text}. Roles are: {', '.join(Role.values)}.")
    return Role(text)


def team_of(name: str | None) -> Team | None:
    if name is None:
        return None
    team = Team.objects.filter(name=name).first()
    if team is None:
        names = ", ".join(Team.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no team {name}. Teams are: {names}.")
    return team


def link_for(person: Person) -> str:
    """Where they choose a password. Over after its first use, or after `PASSWORD_RESET_TIMEOUT`."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("welcome", args=[uid, default_token_generator.make_token(person)])
    return f"{settings.WATCHFLOOR_URL}{path}"


def sentence(made: dict[str, Any]) -> str:
    place = made["team"] or "every team"
    text = f"{made['name']} is {made['role']} of {place} and can sign in."
    if "link" in made:
        text = f"{made['name']} is {made['role']} of {place} and chooses a password here, once:\n{made['link']}"
    return text
