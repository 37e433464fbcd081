"""The real settings, with what makes tests quick and independent of each other."""

import os

from dashboard.settings import *  # noqa: F403
from dashboard.settings import DATABASES

# Hashing is slow on purpose, and tests sign in a lot.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A pool would keep connections of one test open into the next.
DATABASES["default"]["OPTIONS"].pop("pool", None)

# Files are served from where they are: nothing to collect before a test.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_FROM_SOURCE = True

# The server of a test session starts before any test: what it told would stand in the first one's record.
WATCHFLOOR_TELLS_SETTINGS = False

# The server of a test session stores spans itself: children would have to be told of this test's database.
WATCHFLOOR_INGEST_PROCESSES = int(os.environ.get("WATCHFLOOR_INGEST_PROCESSES", "0"))
