"""The clock of the site itself."""

from __future__ import annotations

from celery import shared_task

from dashboard.sessions import SessionStore


@shared_task
def forget_sessions() -> None:
    """Remove sessions that are over."""
    SessionStore.clear_expired()
