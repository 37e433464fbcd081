from .entry import Entry
from .outbox import Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState

__all__ = ["Delivery", "DeliveryState", "Endpoint", "EndpointKind", "EndpointState", "Entry"]
