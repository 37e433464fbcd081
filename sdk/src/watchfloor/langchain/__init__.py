"""LangChain and LangGraph: what their graphs ask is held for people, and answered when they decided.

`pip install watchfloor[langchain]`; neither is imported before a graph is driven.
"""

from watchfloor.langchain.answers import told
from watchfloor.langchain.shapes import Answer, Asked, Question, Unanswerable, UnknownShape, read
from watchfloor.langchain.watch import AsyncWatch, Watch

__all__ = [
    "Answer",
    "Asked",
    "AsyncWatch",
    "Question",
    "Unanswerable",
    "UnknownShape",
    "Watch",
    "read",
    "told",
]
