"""What both kinds of approval show of themselves."""

from __future__ import annotations

from typing import Any

from watchfloor.core import Core
from watchfloor.flows.admitting import Claim
from watchfloor.models import Action, Json
from watchfloor.state import RunState


class BaseApproval:
    """A request that waits for a person, or what became of it."""

    def __init__(
        self, core: Core, state: RunState, action: Action, *, lease: float | None = None
    ) -> None:
        self._core = core
        self._state = state
        self._claim = Claim.new(lease=lease, timeout=None)
        self.action = action
        """As last heard of; `wait`, `refresh`, `claim` and `perform` renew it."""
        self.result: Any = None
        """Set it inside `with approval:`; it is kept as the action's result."""

    @property
    def id(self) -> str:
        return self.action.id

    @property
    def state(self) -> str:
        """held, approved, rejected, expired, cancelled, executing, succeeded, failed, unknown."""
        return self.action.state

    @property
    def arguments(self) -> dict[str, Any]:
        """The effective ones: what a person allowed."""
        return self.action.arguments

    @property
    def message(self) -> str:
        """What the person said; meant for the model."""
        return self.action.message or ""

    @property
    def resume(self) -> Json:
        """What was given along to find the way back."""
        return self.action.resume

    def _keep(self, action: Action) -> None:
        self.action = action

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.action.tool} {self.state} {self.id}>"
