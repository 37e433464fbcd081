"""What waits for a person, and where."""

from .hold import Hold, HoldDecision, HoldKind, HoldState
from .queue import Queue, QueueCount

__all__ = ["Hold", "HoldDecision", "HoldKind", "HoldState", "Queue", "QueueCount"]
