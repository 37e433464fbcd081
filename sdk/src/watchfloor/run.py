"""A run, for plain code. What it decides is in the flows; this only drives them."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from watchfloor.approval import Approval
from watchfloor.core import Core
from watchfloor.effects import Flow
from watchfloor.errors import Refused
from watchfloor.flows import approving, control, handing, keeping, opening
from watchfloor.flows.guarding import CallId, guarded_step
from watchfloor.flows.once import Verify, Write, once
from watchfloor.flows.parsing import Stronger, parse
from watchfloor.flows.stepping import Step, run_step
from watchfloor.models import Directive, HandOver, Json, OnUnreachable, Review, Usage
from watchfloor.options import Tries
from watchfloor.permit import Permits
from watchfloor.run_base import BaseRun, directive_ids
from watchfloor.shape import Shape
from watchfloor.state import RunState
from watchfloor.sync_io import SyncIO

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from watchfloor.options import GuardOptions, OnceOptions, ProposalOptions, StepOptions

T = TypeVar("T")
P = ParamSpec("P")


class Run(BaseRun, Permits):
    """One execution of the agent. Use it as a context manager; it may be shared by threads."""

    def __init__(self, core: Core, io: SyncIO, state: RunState, *, watch: bool) -> None:
        super().__init__(core, state)
        self._io = io
        self._wants_watching = watch
        self._watched_by: int | None = None

    def step(self, tool: str, fn: Callable[..., T], **options: Unpack[StepOptions]) -> T:
        """Do it, guarded: asked for, timed, repeated, replaced, and at last handed to a person.

        Options are those of `options.StepOptions`. Raises the last error, HandedOver, Denied,
        Rejected, Answered, Expired, Cancelled, Terminated, OutcomeUnknown, Unreachable.
        """
        result: T = self._do(run_step(self._core, self._state, Step(tool, fn, **options)))
        return result

    def guarded(
        self, tool: str | None = None, **options: Unpack[StepOptions]
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """The same as a decorator; `arguments` are those of each call."""

        def decorate(fn: Callable[P, T]) -> Callable[P, T]:
            return self._wrapped(fn, tool, None, None, (), options)

        return decorate

    def guard_tool(
        self,
        fn: Callable[P, T],
        tool: str | None = None,
        *,
        call_id: CallId = None,
        on_refused: Callable[[Refused], Any] | None = None,
        interrupts: Tries = (),
        **options: Unpack[GuardOptions],
    ) -> Callable[P, T]:
        """The same callable, guarded, for a framework to call. Not retried unless asked to."""
        return self._wrapped(fn, tool, call_id, on_refused, interrupts, {"retries": 0, **options})

    def once(
        self,
        transaction_id: str,
        tool: str,
        fn: Callable[..., T],
        *,
        verify: Verify | None = None,
        **options: Unpack[OnceOptions],
    ) -> T:
        """An external write, at most once across runs, restarts and processes.

        Options are those of `options.OnceOptions`. Raises OutcomeUnknown, ResultNotStored, a
        refusal, Terminated, Unreachable, or what `fn` raised when certainly nothing happened.
        """
        write = Write(transaction_id, tool, fn, verify=verify, **options)
        result: T = self._do(once(self._core, self._state, write))
        return result

    def parse(
        self,
        call: Callable[..., Any],
        parser: Callable[[Any], T],
        *,
        tool: str,
        attempts: int = 3,
        stronger: Stronger | None = None,
        **options: Unpack[StepOptions],
    ) -> T:
        """What `parser` makes of the first output of `call(instruction, **arguments)` it accepts.

        Raises Unparseable or HandedOver, and all that a step raises.
        """
        step = Step(tool, call, **{"kind": "model", **options})  # type: ignore[arg-type]
        flow = parse(self._core, self._state, step, parser, attempts=attempts, stronger=stronger)
        result: T = self._do(flow)
        return result

    def approval(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        call_id: str | None = None,
        **options: Unpack[ProposalOptions],
    ) -> Approval:
        """Ask a person. The same call again, also after a restart, is the same request."""
        flow = approving.request(
            self._core, self._state, tool, arguments, call_id=call_id, **options
        )
        return Approval(self._core, self._io, self._state, self._do(flow))

    def perform(
        self,
        approval: Approval,
        fn: Callable[..., T],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T:
        """Wait, claim, `fn(**approval.arguments)`, settle."""
        return approval.perform(fn, timeout=timeout, usage=usage)

    def hand_over(
        self,
        key: str,
        title: str,
        payload: Json = None,
        *,
        queue: str | None = None,
        reason: str | None = None,
        subject: str | None = None,
        on_unreachable: OnUnreachable | None = None,
    ) -> Review:
        """Give work to a person; the same key twice is the same review. Raises Unreachable."""
        to = HandOver(queue, title, payload, key, reason)
        may_wait = self._core.may_go_on_without(on_unreachable)
        return self._do(
            handing.hand_over(self._core, self._state, to, subject=subject, may_wait=may_wait)
        )

    def save(
        self,
        state: Json,
        name: str = "main",
        *,
        expected_version: int | None = None,
        force: bool = False,
    ) -> int:
        """Keep state → its version. Raises VersionConflict when it is not the one last seen here."""
        return self._do(keeping.save(self._core, self._state, state, name, expected_version, force))

    def load(self, name: str = "main", default: Json = None) -> Json:
        """The state saved last, or `default`."""
        return self._do(keeping.load(self._core, self._state, name, default))

    def check(self, *, block: bool = True) -> list[Directive]:
        """Wait while paused (or raise Paused), raise Terminated, return what is new."""
        return self._do(control.check(self._core, self._state, block=block))

    def heartbeat(self) -> None:
        """Say that this run is alive, for code that has nothing else to tell for long. Never raises."""
        self._do(control.heartbeat(self._core, self._state))

    def ack(self, *directives: Directive | str) -> None:
        """They now stand in durable state and need not be repeated."""
        self._do(control.ack(self._core, self._state, directive_ids(directives)))

    def __enter__(self) -> Run:
        self._io.run(opening.enter(self._core, self._state))
        self._watch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._io.run(opening.leave(self._core, self._state, error, self.output))

    def _wrapped(
        self,
        fn: Callable[P, T],
        tool: str | None,
        call_id: CallId,
        on_refused: Callable[[Refused], Any] | None,
        interrupts: Tries,
        options: Mapping[str, Any],
    ) -> Callable[P, T]:
        shape = Shape(fn)

        @functools.wraps(fn)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            arguments = shape.named(args, kwargs)
            step = guarded_step(shape, tool, arguments, call_id, interrupts, options)
            try:
                result: T = self._do(run_step(self._core, self._state, step))
            except Refused as refused:
                if on_refused is None:
                    raise
                result = on_refused(refused)
            return result

        return guarded

    def _do(self, flow: Flow[T]) -> T:
        self._watch()
        return self._io.run(flow)

    def _watch(self) -> None:
        """Start the watcher: once, and once more in a forked child."""
        if self._watched_by == os.getpid() or not self._wants_watching:
            return
        self._watched_by = os.getpid()
        if self._state.closed.is_rung():
            return
        threading.Thread(
            target=self._io.run,
            args=(control.watching(self._core, self._state),),
            name=f"watchfloor-{self.name}",
            daemon=True,
        ).start()
