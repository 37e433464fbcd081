from .anchor import Anchor, AnchorKind, AnchorState
from .entry import Entry
from .export import Export, ExportState
from .keeping import LegalHold, Retention, Scope
from .line import Line, Payload, Pending
from .outbox import Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState
from .text import Indexed, Text
from .tree import Checkpoint, Leaf, Log, LogKey, Tile

__all__ = [
    "Anchor",
    "AnchorKind",
    "AnchorState",
    "Checkpoint",
    "Delivery",
    "DeliveryState",
    "Endpoint",
    "EndpointKind",
    "EndpointState",
    "Entry",
    "Export",
    "ExportState",
    "Indexed",
    "Leaf",
    "LegalHold",
    "Line",
    "Log",
    "LogKey",
    "Payload",
    "Pending",
    "Retention",
    "Scope",
    "Text",
    "Tile",
]
