"""What is done on every worker process, also on those that come later."""

from __future__ import annotations

from typing import Any

import distributed

from lscube.logs import LogSettings, log_for_good


class Logging(distributed.WorkerPlugin):
    """Hides secrets in whatever a worker logs; with settings, the worker logs as the job does."""

    name = "lscube-logging"

    def __init__(self, settings: LogSettings | None) -> None:
        self.settings = settings

    def setup(self, worker: Any) -> None:
        """Called by Dask in the worker's process."""
        log_for_good(self.settings)
