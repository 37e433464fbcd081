"""What both kinds of permit show of themselves."""

from __future__ import annotations

from typing import Any

from watchfloor.core import Core
from watchfloor.effects import Bell
from watchfloor.flows.permitting import Wanted
from watchfloor.models import PermitInfo
from watchfloor.state import RunState


class BasePermit:
    """Leave to use a resource that many share, for the length of a `with` block."""

    def __init__(self, core: Core, run: RunState | None, wanted: Wanted) -> None:
        self._core, self._run, self._wanted = core, run, wanted
        self._done = Bell()
        self.info: PermitInfo | None = None
        """What the server said; None before, and when it was away and the caller goes on without."""
        self.is_lost = False
        """The lease ended before the block did, and somebody else may have the place."""

    @property
    def resource(self) -> str:
        return self._wanted.resource

    @property
    def limit(self) -> dict[str, Any]:
        """The limit as it holds: `{resource, rate, burst, concurrency, lease}`, what it has of these."""
        return self.info.limit if self.info else {}

    def _taken(self, info: PermitInfo | None) -> bool:
        """Whether there is a lease to keep."""
        self.info, self.is_lost, self._done = info, False, Bell()
        return info is not None and info.lease_id is not None

    def _lost(self) -> None:
        self.is_lost = True

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.resource} {self.info.id if self.info else 'not asked'}>"
        )
