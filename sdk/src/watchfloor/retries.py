"""When to try again: tenacity's plans, driven as flows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import (
    DoAttempt,
    DoSleep,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from watchfloor.effects import Bell, Flow, Sleep
from watchfloor.errors import StepTimeout, WatchfloorError
from watchfloor.failures import is_interrupt
from watchfloor.options import Backoff, Tries
from watchfloor.protocol import Lost, Passing

T = TypeVar("T")


def persistently(plan: Retrying, attempt: Callable[[], Flow[T]], until: Bell | None) -> Flow[T]:
    """Run `attempt` as often as `plan` says; the last error is raised."""
    plan.begin()
    state = RetryCallState(plan, fn=None, args=(), kwargs={})
    while True:
        todo: Any = plan.iter(retry_state=state)
        if isinstance(todo, DoAttempt):
            try:
                result = yield from attempt()
            except Exception:
                state.set_exception(sys.exc_info())  # type: ignore[arg-type]
            else:
                state.set_result(result)
        elif isinstance(todo, DoSleep):
            state.prepare_for_next_attempt()
            yield Sleep(float(todo), until)
        else:
            return todo  # type: ignore[no-any-return]


def for_transport(patience: float) -> Retrying:
    """Repeat lost and passing answers for `patience` seconds; obey `Retry-After`."""
    jittered = wait_exponential(multiplier=0.1, max=3.0) + wait_random(0, 0.2)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, Passing) else None
        return jittered(state) if asked is None else asked

    return Retrying(
        stop=stop_before_delay(patience),
        wait=wait,
        retry=retry_if_exception_type((Lost, Passing)),
        reraise=True,
    )


def for_steps(
    retries: int, backoff: Backoff, is_worth_it: Callable[[BaseException], bool]
) -> Retrying:
    """Repeat a failed attempt up to `retries` times."""
    return Retrying(
        stop=stop_after_attempt(retries + 1),
        wait=wait_exponential(multiplier=backoff.first, max=backoff.most)
        + wait_random(0, backoff.jitter),
        retry=retry_if_exception(is_worth_it),
        reraise=True,
    )


def is_worth_retrying(
    error: BaseException, retry_on: Tries, interrupts: tuple[type[BaseException], ...] = ()
) -> bool:
    """Refusals, stops, unknown outcomes and a framework's interrupts are answers, not failures."""
    if is_interrupt(error, interrupts):
        return False
    if isinstance(error, WatchfloorError) and not isinstance(error, StepTimeout):
        return False
    return isinstance(error, retry_on)
