#!/usr/bin/env python
"""Django's command line."""

import os
import secrets
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from audit import source
from dashboard.embedded.runtime import data_folder
from dashboard.owning import AS_OWNER, is_for_owner


def main(words: list[str]) -> None:
    """Run a command; what only the environment can mend is one sentence."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        sys.exit("What you wrote is not UTF-8 text.")
    try:
        with source.of("command", program=" ".join(["manage.py", *words[1:2]])):
            execute_from_command_line(words)
    except ImproperlyConfigured as wrong:
        sys.exit(str(wrong))
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", ""):  # a database has answered
            raise
        sys.exit(without_database(str(error).partition("\n")[0]))


def without_database(reason: str) -> str:
    from django.conf import settings

    database = settings.DATABASES["default"]
    port = f" port {database['PORT']}" if database.get("PORT") else ""
    where = f"{database.get('HOST') or 'this machine'}{port}"
    return f"No database answers at {where} ({reason}): start bin/dev, or set DATABASE_URL."


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    os.environ.setdefault("WATCHFLOOR_DB_POOL", "0")  # one connection is enough for one command
    if is_for_owner(sys.argv[1:]):
        os.environ[AS_OWNER] = "1"
    if not (os.environ.get("DATABASE_URL") or data_folder().exists()):
        # There is no floor, and only bin/dev lays one: nothing that a kept key would be needed for.
        os.environ.setdefault("WATCHFLOOR_SECRET_KEY", secrets.token_urlsafe(50))
    main(sys.argv)
