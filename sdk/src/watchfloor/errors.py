"""What can go wrong, as one small tree: catch the branch you can act upon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchfloor.models import Action, Review


class WatchfloorError(Exception):
    """Anything this package raises by itself."""


class Unreachable(WatchfloorError):
    """The control plane did not answer in time. Nothing gated was done (fail closed)."""


class ApiError(WatchfloorError):
    """The server refused a request (RFC 9457). `code` is stable, `detail` is for people."""

    def __init__(self, status: int, code: str, detail: str, body: dict[str, Any] | None = None):
        super().__init__(f"{code}: {detail}" if detail else code)
        self.status = status
        self.code = code
        self.detail = detail
        self.body = body or {}


class Unauthorized(ApiError):
    """The key is unknown or was revoked."""


class Conflict(ApiError):
    """Someone or something was there first; `code` says how."""


class RunFinished(Conflict):
    """The run is over: it can neither be continued nor act."""


class VersionConflict(Conflict):
    """The checkpoint was changed by somebody else; load it again."""

    @property
    def current_version(self) -> int:
        return int(self.body.get("current_version", 0))


class PolicyChanged(Conflict):
    """The rules became stricter since, and do not let it go ahead as it was allowed: propose it again."""

    action: Action | None = None


class Stopped(WatchfloorError):
    """The agent must not go on now."""

    def __init__(self, reason: str = ""):
        super().__init__(reason or type(self).__name__.lower())
        self.reason = reason


class Terminated(Stopped):
    """A person (or the retirement of the agent) ended this run for good."""


class Paused(Stopped):
    """The run is paused and the caller asked not to wait."""


class Refused(WatchfloorError):
    """The action will not happen. `message` is meant for the model."""

    def __init__(self, message: str = "", action: Action | None = None):
        super().__init__(message or type(self).__name__.lower())
        self.message = message
        self.action = action


class Denied(Refused):
    """A rule forbids it, whoever asks: `code` is `tool_not_listed` or `policy`, `reason` says why."""

    def __init__(self, code: str, reason: str = "", action: Action | None = None):
        super().__init__(reason or code, action)
        self.code = code
        self.reason = reason


class Rejected(Refused):
    """A person said no; `message` is what they said.

    `remembered`: they said it to the same request before, and nobody was asked again.
    """

    def __init__(
        self, message: str = "", action: Action | None = None, *, remembered: bool = False
    ):
        super().__init__(message, action)
        self.remembered = remembered


class Answered(Refused):
    """A person answered instead of letting it happen; `message` is the answer."""


class Asked(Refused):
    """A person wants to know something first; `message` is the question.

    Propose it again, changed or not, with the answer as its `reason`: it becomes a new version of
    this request.
    """


class Expired(Refused):
    """Nobody decided in time, or the approval was not used in time."""


class Cancelled(Refused):
    """The request was withdrawn."""


class StillHeld(WatchfloorError, TimeoutError):
    """`wait(timeout)` is over and nobody has decided yet. The request still stands."""

    def __init__(self, action: Action):
        super().__init__(f"{action.tool} still waits for a person")
        self.action = action


class StepTimeout(WatchfloorError, TimeoutError):
    """One attempt took longer than its `timeout`.

    `still_running`: it was a plain function in a thread, which cannot be stopped from outside.
    """

    def __init__(self, tool: str = "", *, still_running: bool = False):
        super().__init__(f"{tool} took too long")
        self.still_running = still_running


class StepCancelled(WatchfloorError):
    """A person asked to stop this step, and it stopped. Settled as failed, `cancelled`; not tried again."""

    def __init__(self, tool: str = ""):
        super().__init__(f"{tool or 'the step'} was stopped because a person asked for it")


class NoPermit(WatchfloorError, TimeoutError):
    """Others use the resource, for longer than `max_wait`. After `retry_after` seconds it may be free."""

    def __init__(self, resource: str, retry_after: float):
        super().__init__(f"{resource} is used by others; try again in {retry_after:.1f} s")
        self.resource = resource
        self.retry_after = retry_after


class OutcomeUnknown(WatchfloorError):
    """It may or may not have happened, and nothing here can tell. A person will look."""

    def __init__(self, action: Action, because: str = ""):
        super().__init__(
            f"the outcome of {action.tool} ({action.call_id}) is unknown"
            + (f": {because}" if because else "")
        )
        self.action = action


class ResultNotStored(WatchfloorError):
    """It did happen, earlier, but its result was not JSON, so it cannot be given again."""

    def __init__(self, action: Action):
        super().__init__(f"{action.tool} ({action.call_id}) succeeded, its result was not stored")
        self.action = action


class BindingBroken(WatchfloorError):
    """What was about to run is not what was approved, or nobody can tell. Nothing was run."""

    def __init__(self, action: Action, because: str):
        super().__init__(f"{action.tool} ({action.call_id}) was not run: {because}")
        self.action = action
        self.because = because


class Unparseable(WatchfloorError):
    """No attempt gave output that parses. `raw` is the last output, `error` why it failed."""

    def __init__(self, raw: Any, error: BaseException):
        super().__init__(f"output did not parse: {error}")
        self.raw = raw
        self.error = error


class HandedOver(WatchfloorError):
    """Every way failed and the work now waits for a person, as `review`."""

    def __init__(self, review: Review, error: BaseException | None = None):
        super().__init__(f"handed over to {review.queue}: {review.title}")
        self.review = review
        self.error = error
