"""Sessions, with whose they are: so that all of a person's can be ended, and read in one query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

if TYPE_CHECKING:
    from dashboard.sessions import SessionStore


class Session(AbstractBaseSession):
    """One browser that was here."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="sessions", null=True, blank=True
    )

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        from dashboard.sessions import SessionStore

        return SessionStore
