"""A word to the workers that something waits to be sent."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


def hint() -> None:
    """It may be lost, and may never fail: the sweep looks every second."""
    from ..tasks import notify

    try:
        notify.apply_async(expires=10, ignore_result=True, retry=False)
    except Exception as problem:  # each broker has errors of its own, and none of them matters here
        logger.warning("A worker could not be told of an alert: %s", problem)
