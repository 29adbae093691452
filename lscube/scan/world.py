"""What a scan is given: where it remembers, whom it asks, what time it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lscube.deliveries.inputs import Ask
from lscube.jobs import OUTSIDE, Outside
from lscube.learn import LoadedModel
from lscube.mapping import Timing
from lscube.scan.area import Area
from lscube.scan.hazard import Hazard, Trigger
from lscube.scan.home import Home
from lscube.scan.rules import Decision
from lscube.scan.state import State
from lscube.settings.scan import ScanSettings

logger = logging.getLogger("lscube.scan")

Post = Callable[[bytes, Mapping[str, str]], None]
"""Posts a message with its headers to the webhook; raises an `LscubeError` where that fails."""


@dataclass(frozen=True)
class World:
    """What a scan is given; tests give their own."""

    settings: ScanSettings
    """The scan's."""
    state: State
    """Where it remembers."""
    home: Home
    """Where its products are."""
    triggers: Mapping[str, Trigger]
    """Who tells of events, by name."""
    models: Sequence[LoadedModel]
    """Checked models."""
    wanted: Callable[[Hazard], Decision]
    """Whether an event is to be mapped."""
    area_of: Callable[[Hazard], Area]
    """Where an event is to be mapped."""
    clock: Callable[[], datetime]
    """UTC."""
    outside: Outside = OUTSIDE
    """How catalogues and files are reached."""
    etag: Ask | None = None
    """How servers are asked for ETags of input files."""
    post: Post | None = None
    """The webhook; None: there is none."""
    secret: bytes | None = None
    """What messages are signed with."""
    sleep: Callable[[float], object] = lambda seconds: None
    """Waits between two attempts."""
    connect: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Gives a `distributed.Client` while a map is made; None: threads of this process."""
    lease: Timing = field(default_factory=Timing)
    """Of leases in an object store."""
    at: Callable[[str], object] = lambda step: None
    """Told of each step before and after it is remembered, such as "wrote usgs-1 made"; tests kill there."""
    run: str = ""
    """Id of this pass, for the log."""

    def log(self, level: int, event: str, message: str, *values: object) -> None:
        """Log a line with the pass's and the event's id."""
        logger.log(
            level, f"{event}: {message}", *values, extra={"scan_id": self.run, "event_id": event}
        )
