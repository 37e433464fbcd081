"""Large bundles are made beside requests."""

from __future__ import annotations

from celery import shared_task

from audit.transitions import exporting


@shared_task
def make_exports() -> None:
    """Make the bundles that wait; forget those of last week."""
    exporting.make_waiting()
    exporting.forget_old()
