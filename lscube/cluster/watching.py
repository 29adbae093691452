"""Keeping secrets out of the logs of scheduler and workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lscube.logs import LogSettings, current_settings, log_for_good


@contextmanager
def watched_logs(client: Any, owned: bool) -> Iterator[None]:
    """Let scheduler and workers log without secrets; those of a cluster of our own also as the job does.

    Parameters
    ----------
    client
        A `distributed.Client`, whose scheduler and workers have lscube.
    owned
        Whether nobody else uses the cluster.
    """
    from lscube.cluster.plugin import Logging

    settings: LogSettings | None = current_settings() if owned else None
    if getattr(client.cluster, "scheduler", None) is None:  # else it is in this process
        client.run_on_scheduler(log_for_good, None)
    client.register_plugin(Logging(settings))
    try:
        yield
    finally:
        # Workers that come to somebody else's scheduler later may not have lscube.
        if not owned and client.status == "running":
            with suppress(OSError, ValueError):
                client.unregister_worker_plugin(Logging.name)
