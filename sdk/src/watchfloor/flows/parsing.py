"""Output that must parse: validate, ask again more firmly, give up to a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from watchfloor.core import Core
from watchfloor.effects import Flow
from watchfloor.errors import Unparseable
from watchfloor.flows.stepping import Step, handed_over, run_step
from watchfloor.state import RunState

Stronger = Callable[[Exception, int], str]
"""(why the last output did not parse, number of the attempt to come) → extra instruction."""


def firmly(error: Exception, attempt: int) -> str:
    return (
        f"Your last answer could not be read: {error}. "
        "Answer again, in exactly the form that was asked for and nothing else."
    )


def parse(
    core: Core, run: RunState, step: Step, parser: Callable[[Any], Any], *,
    attempts: int, stronger: Stronger | None,
) -> Flow[Any]:  # fmt: skip
    """What `parser` makes of the first output it accepts. `step.fn` takes the instruction first.

    Raises Unparseable, HandedOver, and all that a step raises.
    """
    instruction: str | None = None
    name = step.step_id or run.steps.take(step.tool, step.subject, step.given)
    last: Exception
    for number in range(1, attempts + 1):
        asked = _asked(step, parser, f"{name}~{number}", instruction)
        try:
            return (yield from run_step(core, run, asked))
        except Unparseable as error:
            last = error
            why = error.error if isinstance(error.error, Exception) else error
            instruction = (stronger or firmly)(why, number + 1)
        except Exception as error:
            if not step.is_worth_retrying(error, run):
                raise
            last = error
            break
    if step.fallbacks:
        return (yield from run_step(core, run, _fallback(step, f"{name}~fallback")))
    yield from handed_over(core, run, step, name, last)
    raise last


def _fallback(step: Step, name: str) -> Step:
    """The rest of the chain; what it returns is the value, there is nothing to parse."""
    tool, fn = step.fallbacks[0]
    return replace(step, tool=tool, fn=fn, fallbacks=step.fallbacks[1:], step_id=name)


def _asked(step: Step, parser: Callable[[Any], Any], name: str, instruction: str | None) -> Step:
    """One prompt as a step of its own. The instruction is part of what a person sees."""
    fn = step.fn

    def call(**arguments: Any) -> Any:
        return fn(arguments.pop("instruction", None), **arguments)

    arguments = {**step.given, "instruction": instruction}
    return replace(
        step, fn=call, arguments=arguments, step_id=name, accept=parser, hand_over=None,
        fallbacks=(),
    )  # fmt: skip
