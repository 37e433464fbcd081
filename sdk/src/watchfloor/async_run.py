"""A run, for async code. What it decides is in the flows; this only drives them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from watchfloor.async_approval import AsyncApproval
from watchfloor.async_io import AsyncIO
from watchfloor.async_permit import AsyncPermits
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
from watchfloor.run_base import BaseRun, directive_ids
from watchfloor.shape import Shape
from watchfloor.state import RunState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from watchfloor.options import GuardOptions, OnceOptions, ProposalOptions, StepOptions

T = TypeVar("T")
P = ParamSpec("P")


class Guard(Protocol):
    """Makes a plain or async function an async one that is guarded."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __call__(self, fn: Callable[P, T], /) -> Callable[P, Awaitable[T]]: ...


class AsyncRun(BaseRun, AsyncPermits):
    """One execution of the agent. Use it as an async context manager, within one event loop."""

    def __init__(self, core: Core, io: AsyncIO, state: RunState, *, watch: bool) -> None:
        super().__init__(core, state)
        self._io = io
        self._wants_watching = watch
        self._watcher: asyncio.Task[None] | None = None

    @overload
    async def step(
        self, tool: str, fn: Callable[..., Awaitable[T]], **options: Unpack[StepOptions]
    ) -> T: ...
    @overload
    async def step(self, tool: str, fn: Callable[..., T], **options: Unpack[StepOptions]) -> T: ...
    async def step(self, tool: str, fn: Callable[..., Any], **options: Unpack[StepOptions]) -> Any:
        """Do it, guarded: asked for, timed, repeated, replaced, and at last handed to a person.

        Options are those of `options.StepOptions`. Raises the last error, HandedOver, Denied,
        Rejected, Answered, Expired, Cancelled, Terminated, OutcomeUnknown, Unreachable.
        """
        return await self._do(run_step(self._core, self._state, Step(tool, fn, **options)))

    def guarded(self, tool: str | None = None, **options: Unpack[StepOptions]) -> Guard:
        """The same as a decorator; `arguments` are those of each call."""

        def decorate(fn: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
            return self._wrapped(fn, tool, None, None, (), options)

        return decorate

    @overload
    def guard_tool(
        self,
        fn: Callable[P, Awaitable[T]],
        tool: str | None = None,
        *,
        call_id: CallId = None,
        on_refused: Callable[[Refused], Any] | None = None,
        interrupts: Tries = (),
        **options: Unpack[GuardOptions],
    ) -> Callable[P, Awaitable[T]]: ...
    @overload
    def guard_tool(
        self,
        fn: Callable[P, T],
        tool: str | None = None,
        *,
        call_id: CallId = None,
        on_refused: Callable[[Refused], Any] | None = None,
        interrupts: Tries = (),
        **options: Unpack[GuardOptions],
    ) -> Callable[P, Awaitable[T]]: ...
    def guard_tool(
        self,
        fn: Callable[P, Any],
        tool: str | None = None,
        *,
        call_id: CallId = None,
        on_refused: Callable[[Refused], Any] | None = None,
        interrupts: Tries = (),
        **options: Unpack[GuardOptions],
    ) -> Callable[P, Awaitable[Any]]:
        """The same callable, guarded, for a framework to call. Not retried unless asked to."""
        return self._wrapped(fn, tool, call_id, on_refused, interrupts, {"retries": 0, **options})

    @overload
    async def once(
        self,
        transaction_id: str,
        tool: str,
        fn: Callable[..., Awaitable[T]],
        *,
        verify: Verify | None = None,
        **options: Unpack[OnceOptions],
    ) -> T: ...
    @overload
    async def once(
        self,
        transaction_id: str,
        tool: str,
        fn: Callable[..., T],
        *,
        verify: Verify | None = None,
        **options: Unpack[OnceOptions],
    ) -> T: ...
    async def once(
        self,
        transaction_id: str,
        tool: str,
        fn: Callable[..., Any],
        *,
        verify: Verify | None = None,
        **options: Unpack[OnceOptions],
    ) -> Any:
        """An external write, at most once across runs, restarts and processes.

        Options are those of `options.OnceOptions`. Raises OutcomeUnknown, ResultNotStored, a
        refusal, Terminated, Unreachable, or what `fn` raised when certainly nothing happened.
        """
        write = Write(transaction_id, tool, fn, verify=verify, **options)
        return await self._do(once(self._core, self._state, write))

    async def parse(
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
        result: T = await self._do(flow)
        return result

    async def approval(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        call_id: str | None = None,
        **options: Unpack[ProposalOptions],
    ) -> AsyncApproval:
        """Ask a person. The same call again, also after a restart, is the same request."""
        flow = approving.request(
            self._core, self._state, tool, arguments, call_id=call_id, **options
        )
        return AsyncApproval(self._core, self._io, self._state, await self._do(flow))

    @overload
    async def perform(
        self,
        approval: AsyncApproval,
        fn: Callable[..., Awaitable[T]],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T: ...
    @overload
    async def perform(
        self,
        approval: AsyncApproval,
        fn: Callable[..., T],
        *,
        timeout: float | None = None,
        usage: Callable[[T], Usage | None] | None = None,
    ) -> T: ...
    async def perform(
        self,
        approval: AsyncApproval,
        fn: Callable[..., Any],
        *,
        timeout: float | None = None,
        usage: Callable[[Any], Usage | None] | None = None,
    ) -> Any:
        """Wait, claim, `fn(**approval.arguments)`, settle."""
        return await approval.perform(fn, timeout=timeout, usage=usage)

    async def hand_over(
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
        return await self._do(
            handing.hand_over(self._core, self._state, to, subject=subject, may_wait=may_wait)
        )

    async def save(
        self,
        state: Json,
        name: str = "main",
        *,
        expected_version: int | None = None,
        force: bool = False,
    ) -> int:
        """Keep state → its version. Raises VersionConflict when it is not the one last seen here."""
        return await self._do(
            keeping.save(self._core, self._state, state, name, expected_version, force)
        )

    async def load(self, name: str = "main", default: Json = None) -> Json:
        """The state saved last, or `default`."""
        return await self._do(keeping.load(self._core, self._state, name, default))

    async def check(self, *, block: bool = True) -> list[Directive]:
        """Wait while paused (or raise Paused), raise Terminated, return what is new."""
        return await self._do(control.check(self._core, self._state, block=block))

    async def heartbeat(self) -> None:
        """Say that this run is alive, for code that has nothing else to tell for long. Never raises."""
        await self._do(control.heartbeat(self._core, self._state))

    async def ack(self, *directives: Directive | str) -> None:
        """They now stand in durable state and need not be repeated."""
        await self._do(control.ack(self._core, self._state, directive_ids(directives)))

    async def __aenter__(self) -> AsyncRun:
        await self._io.run(opening.enter(self._core, self._state))
        self._watch()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._io.run(opening.leave(self._core, self._state, error, self.output))
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    def _wrapped(
        self,
        fn: Callable[P, Awaitable[T] | T],
        tool: str | None,
        call_id: CallId,
        on_refused: Callable[[Refused], Any] | None,
        interrupts: Tries,
        options: Mapping[str, Any],
    ) -> Callable[P, Awaitable[Any]]:
        shape = Shape(fn)

        @functools.wraps(fn)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            arguments = shape.named(args, kwargs)
            step = guarded_step(shape, tool, arguments, call_id, interrupts, options)
            try:
                return await self._do(run_step(self._core, self._state, step))
            except Refused as refused:
                if on_refused is None:
                    raise
                return on_refused(refused)

        return guarded

    async def _do(self, flow: Flow[T]) -> T:
        self._watch()
        return await self._io.run(flow)

    def _watch(self) -> None:
        if self._watcher is None and self._wants_watching and not self._state.closed.is_rung():
            watching = self._io.run(control.watching(self._core, self._state))
            self._watcher = asyncio.ensure_future(watching)
