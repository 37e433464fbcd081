"""What waits for a person, where, and who is told of it."""

from .alert import Alert, AlertState, Occurrence, Silence
from .channel import Channel, ChannelKind, ChannelState, Route
from .hold import Hold, HoldDecision, HoldKind, HoldState
from .notification import Notification, NotificationState
from .queue import Queue, QueueCount
from .vote import Comment, Vote

__all__ = [
    "Alert",
    "AlertState",
    "Channel",
    "ChannelKind",
    "ChannelState",
    "Comment",
    "Hold",
    "HoldDecision",
    "HoldKind",
    "HoldState",
    "Notification",
    "NotificationState",
    "Occurrence",
    "Queue",
    "QueueCount",
    "Route",
    "Silence",
    "Vote",
]
