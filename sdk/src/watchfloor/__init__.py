"""Ask before acting: the Watchfloor client for AI agents. See README.md for the surface.

Names are loaded when they are asked for: `watchfloor verify` needs no HTTP client, and starts in a tenth of the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchfloor.approval import Approval
    from watchfloor.async_approval import AsyncApproval
    from watchfloor.async_client import AsyncClient
    from watchfloor.async_permit import AsyncPermit
    from watchfloor.async_run import AsyncRun
    from watchfloor.cancelling import on_stop_requested, stop_if_requested, stop_requested
    from watchfloor.client import Client
    from watchfloor.errors import (
        Answered,
        ApiError,
        Asked,
        BindingBroken,
        Cancelled,
        Conflict,
        Denied,
        Expired,
        HandedOver,
        NoPermit,
        OutcomeUnknown,
        Paused,
        PolicyChanged,
        Refused,
        Rejected,
        ResultNotStored,
        RunFinished,
        StepCancelled,
        StepTimeout,
        StillHeld,
        Stopped,
        Terminated,
        Unauthorized,
        Unparseable,
        Unreachable,
        VersionConflict,
        WatchfloorError,
    )
    from watchfloor.models import (
        Action,
        Admission,
        Control,
        Directive,
        Found,
        HandOver,
        NotFound,
        PermitInfo,
        Review,
        RunInfo,
        Stop,
        Usage,
        Version,
    )
    from watchfloor.options import Backoff
    from watchfloor.permit import Permit
    from watchfloor.run import Run
    from watchfloor.schemas import schema_of

__all__ = [
    "Action",
    "Admission",
    "Answered",
    "ApiError",
    "Approval",
    "Asked",
    "AsyncApproval",
    "AsyncClient",
    "AsyncPermit",
    "AsyncRun",
    "Backoff",
    "BindingBroken",
    "Cancelled",
    "Client",
    "Conflict",
    "Control",
    "Denied",
    "Directive",
    "Expired",
    "Found",
    "HandOver",
    "HandedOver",
    "NoPermit",
    "NotFound",
    "OutcomeUnknown",
    "Paused",
    "Permit",
    "PermitInfo",
    "PolicyChanged",
    "Refused",
    "Rejected",
    "ResultNotStored",
    "Review",
    "Run",
    "RunFinished",
    "RunInfo",
    "StepCancelled",
    "StepTimeout",
    "StillHeld",
    "Stop",
    "Stopped",
    "Terminated",
    "Unauthorized",
    "Unparseable",
    "Unreachable",
    "Usage",
    "Version",
    "VersionConflict",
    "WatchfloorError",
    "on_stop_requested",
    "schema_of",
    "stop_if_requested",
    "stop_requested",
]

_HOMES = {
    "approval": ("Approval",),
    "async_approval": ("AsyncApproval",),
    "async_client": ("AsyncClient",),
    "async_permit": ("AsyncPermit",),
    "async_run": ("AsyncRun",),
    "cancelling": ("on_stop_requested", "stop_if_requested", "stop_requested"),
    "client": ("Client",),
    "errors": (
        "Answered",
        "ApiError",
        "Asked",
        "BindingBroken",
        "Cancelled",
        "Conflict",
        "Denied",
        "Expired",
        "HandedOver",
        "NoPermit",
        "OutcomeUnknown",
        "Paused",
        "PolicyChanged",
        "Refused",
        "Rejected",
        "ResultNotStored",
        "RunFinished",
        "StepCancelled",
        "StepTimeout",
        "StillHeld",
        "Stopped",
        "Terminated",
        "Unauthorized",
        "Unparseable",
        "Unreachable",
        "VersionConflict",
        "WatchfloorError",
    ),
    "models": (
        "Action",
        "Admission",
        "Control",
        "Directive",
        "Found",
        "HandOver",
        "NotFound",
        "PermitInfo",
        "Review",
        "RunInfo",
        "Stop",
        "Usage",
        "Version",
    ),
    "options": ("Backoff",),
    "permit": ("Permit",),
    "run": ("Run",),
    "schemas": ("schema_of",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
