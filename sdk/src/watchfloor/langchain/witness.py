"""Sees tools begin and end while a graph runs, and stops the one that was not approved like this.

LangChain's callbacks: `on_tool_start` runs right before the tool's body, with the arguments it will get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from watchfloor.failures import is_interrupt

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

Check = Callable[[str, str, str, Mapping[str, Any]], None]
"""(tool call id, place, tool, arguments): raises when it must not run."""

Ran = tuple[str, str]
"""Tool call id and place in the graph. Careless models begin their ids anew with every message."""


@dataclass
class Seen:
    """One tool call as it went; `value` is what it returned or raised."""

    how: Literal["began", "ended", "failed"]
    value: Any = None


Ended = Callable[[Ran, Seen], None]


class Sight:
    """What was seen since it was last cleared."""

    def __init__(self, check: Check, ended: Ended) -> None:
        self.check = check
        self.ended = ended
        self.tools: dict[Ran, Seen] = {}
        self.began = False
        """Any node of the graph began."""
        self._runs: dict[Any, Ran] = {}

    def clear(self) -> None:
        self.tools.clear()
        self.began = False

    def starts(self, run: Any, tool_call_id: str | None, place: str, tool: str, given: Any) -> None:
        if tool_call_id is not None:
            self.check(tool_call_id, place, tool, given if isinstance(given, Mapping) else {})
            self._runs[run] = (tool_call_id, place)
            self.tools[tool_call_id, place] = Seen("began")

    def ends(self, run: Any, output: Any) -> None:
        if run in self._runs:
            self._saw(self._runs.pop(run), Seen("ended", output))

    def fails(self, run: Any, error: BaseException) -> None:
        if run not in self._runs:
            return
        ran = self._runs.pop(run)
        if is_interrupt(error, ()):
            del self.tools[ran]  # it asks something itself, and will begin anew
        else:
            self._saw(ran, Seen("failed", error))

    def _saw(self, ran: Ran, seen: Seen) -> None:
        self.tools[ran] = seen
        self.ended(ran, seen)


def handler(sight: Sight) -> BaseCallbackHandler:
    """The callback handler that tells `sight`."""
    from langchain_core.callbacks import BaseCallbackHandler

    class Witness(BaseCallbackHandler):
        raise_error = True  # LangChain swallows what a handler raises, unless it says so
        run_inline = True

        def on_chain_start(self, *_: Any, metadata: Any = None, **__: Any) -> None:
            sight.began |= "langgraph_node" in (metadata or {})

        def on_tool_start(
            self,
            serialized: Any,
            input_str: str,
            *,
            run_id: Any,
            metadata: Any = None,
            inputs: Any = None,
            **more: Any,
        ) -> None:
            place = (metadata or {}).get("langgraph_checkpoint_ns", "")
            name = (serialized or {}).get("name", "")
            sight.starts(run_id, more.get("tool_call_id"), place, name, inputs)

        def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
            sight.ends(run_id, output)

        def on_tool_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
            sight.fails(run_id, error)

    return Witness()
