"""Calls ↔ named arguments, so that people see `amount=250` and not a position."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any


class Shape:
    """A function's signature, used both ways."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.name = getattr(fn, "__name__", type(fn).__name__)
        self._signature = inspect.signature(fn)
        kinds = {p.kind: name for name, p in self._signature.parameters.items()}
        self._rest = kinds.get(inspect.Parameter.VAR_KEYWORD)

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name; `**rest` is laid open. Raises TypeError as the call would."""
        arguments = dict(self._signature.bind(*args, **kwargs).arguments)
        if self._rest is not None:
            arguments |= arguments.pop(self._rest, {})
        return arguments

    def caller(self) -> Callable[..., Any]:
        """Takes named arguments, gives them to the function as its signature wants them."""
        if inspect.iscoroutinefunction(self.fn):

            async def call_async(**arguments: Any) -> Any:
                bound = self._bound(arguments)
                return await self.fn(*bound.args, **bound.kwargs)

            return call_async

        def call(**arguments: Any) -> Any:
            bound = self._bound(arguments)
            return self.fn(*bound.args, **bound.kwargs)

        return call

    def _bound(self, arguments: Mapping[str, Any]) -> inspect.BoundArguments:
        known = {n: v for n, v in arguments.items() if n in self._signature.parameters}
        rest = {name: value for name, value in arguments.items() if name not in known}
        if self._rest is None and rest:
            raise TypeError(f"{self.name} takes no {', '.join(rest)}")
        ordered = {n: known[n] for n in self._signature.parameters if n in known}
        if self._rest is not None:
            ordered[self._rest] = rest
        return inspect.BoundArguments(self._signature, OrderedDict(ordered))
