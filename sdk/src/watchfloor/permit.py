"""A permit, for plain code."""

from __future__ import annotations

import threading
from types import TracebackType

from watchfloor.core import Core
from watchfloor.flows import permitting
from watchfloor.flows.permitting import Wanted
from watchfloor.models import OnUnreachable
from watchfloor.permit_base import BasePermit
from watchfloor.state import RunState
from watchfloor.sync_io import SyncIO


class Permit(BasePermit):
    """See README: `with run.permit("openai"):` waits for its turn, keeps a lease, gives it back."""

    def __init__(self, core: Core, io: SyncIO, run: RunState | None, wanted: Wanted) -> None:
        super().__init__(core, run, wanted)
        self._io = io

    def __enter__(self) -> Permit:
        info = self._io.run(permitting.permit(self._core, self._run, self._wanted))
        if self._taken(info) and info is not None:
            keeping = permitting.keep(self._core, info, self._wanted, self._done, self._lost)
            name = f"watchfloor-permit-{self.resource[:40]}"
            threading.Thread(target=self._io.run, args=(keeping,), name=name, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.ring()
        if self.info is not None:
            self._io.run(permitting.give_back(self._core, self.info))


class Permits:
    """Whoever can ask for permits: a client, and a run, which waits while it is paused."""

    _core: Core
    _io: SyncIO

    def permit(
        self,
        resource: str,
        n: int = 1,
        *,
        max_wait: float = 30.0,
        lease: float | None = None,
        on_unreachable: OnUnreachable | None = None,
    ) -> Permit:
        """A block that begins when the resource may be used, `n` units of it; seconds throughout.

        Entering raises NoPermit when that is not within `max_wait`, ApiError (`no_such_limit`,
        `over_burst`), Unreachable, Terminated.
        """
        wanted = Wanted(resource, n, max_wait, lease, on_unreachable)
        return Permit(self._core, self._io, getattr(self, "_state", None), wanted)
