"""What waits for a person, and where."""

from .hold import Hold, HoldDecision, HoldKind, HoldState
from .queue import Queue, QueueCount
from .vote import Comment, Vote

__all__ = [
    "Comment",
    "Hold",
    "HoldDecision",
    "HoldKind",
    "HoldState",
    "Queue",
    "QueueCount",
    "Vote",
]
