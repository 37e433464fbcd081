from .entry import Entry
from .line import Line, Payload, Pending
from .outbox import Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState
from .text import Indexed, Text
from .tree import Checkpoint, Leaf, Log, LogKey, Tile

__all__ = [
    "Checkpoint",
    "Delivery",
    "DeliveryState",
    "Endpoint",
    "EndpointKind",
    "EndpointState",
    "Entry",
    "Indexed",
    "Leaf",
    "Line",
    "Log",
    "LogKey",
    "Payload",
    "Pending",
    "Text",
    "Tile",
]
