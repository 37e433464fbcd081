"""`manage.py agent provisioner | revoke-provisioner`: who may make AAP instances."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from agents.models.aap import Provisioner
from agents.transitions import provisioner as provisioners
from people.transitions import team as teams

BY = "command"


def add_arguments(verbs: Any) -> None:
    """The two verbs, as parsers of their own."""
    make: ArgumentParser = verbs.add_parser(
        "provisioner", help="a token that makes AAP instances of a team; prints it once"
    )
    make.add_argument("--team", default="main", help="made when it does not exist")
    make.add_argument("--label", default="", help="what it is for, as people will read it")
    make.add_argument("--json", action="store_true")
    revoke = verbs.add_parser("revoke-provisioner", help="revoke one by its prefix")
    revoke.add_argument("prefix")
    revoke.add_argument("--json", action="store_true")


@transaction.atomic
def provisioner(*, team: str, label: str, **_: Any) -> tuple[Any, str]:
    owner = teams.named(team, by=BY)
    made, token = provisioners.authorize(owner, by=BY, label=label[:80])
    told = {"id": str(made.pk), "team": team, "label": made.label, "token": token}
    return told, f"It makes agents of {team}. Its token, shown only now: {token}"


@transaction.atomic
def revoke(*, prefix: str, **_: Any) -> tuple[Any, str]:
    known = list(Provisioner.objects.filter(prefix=prefix[:10], revoked_at=None))
    if len(known) != 1:
        raise CommandError(f"{len(known)} working provisioners begin with {prefix[:10]}.")
    provisioners.revoke(known[0], by=BY)
    return {"revoked": str(known[0].pk)}, f"{known[0].prefix}… is revoked; its agents stay."
