"""Which events: an event's moment or period, and the registry of known ones."""

from lscube.events.moment import Event, make_event
from lscube.events.registry import (
    REGISTRY,
    RegisteredEvent,
    find_event,
    known_events,
    read_registry,
)

__all__ = [
    "REGISTRY",
    "Event",
    "RegisteredEvent",
    "find_event",
    "known_events",
    "make_event",
    "read_registry",
]
