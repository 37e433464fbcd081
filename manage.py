#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line

from audit import source
from dashboard.owning import AS_OWNER, is_for_owner

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    os.environ.setdefault("WATCHFLOOR_DB_POOL", "0")  # one connection is enough for one command
    if is_for_owner(sys.argv[1:]):
        os.environ[AS_OWNER] = "1"
    with source.of("command", program=" ".join(["manage.py", *sys.argv[1:2]])):
        execute_from_command_line(sys.argv)
