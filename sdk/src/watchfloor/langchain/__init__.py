"""LangChain and LangGraph: what their graphs ask is held for people, and answered when they decided.

`pip install watchfloor[langchain]`; neither is imported before a graph is driven.
"""

from typing import TYPE_CHECKING, Any

from watchfloor.langchain.answers import told
from watchfloor.langchain.shapes import Answer, Question, Unanswerable, UnknownShape, Wanted, read
from watchfloor.langchain.watch import AsyncWatch, Watch

if TYPE_CHECKING:
    from watchfloor.langchain.gate import Gate

__all__ = [
    "Answer",
    "AsyncWatch",
    "Gate",
    "Question",
    "Unanswerable",
    "UnknownShape",
    "Wanted",
    "Watch",
    "read",
    "told",
]


def __getattr__(name: str) -> Any:
    """A middleware has LangChain's base class: it is imported when somebody wants one."""
    if name == "Gate":
        from watchfloor.langchain.gate import Gate

        return Gate
    raise AttributeError(name)
