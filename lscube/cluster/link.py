"""What each way of getting a cluster gives, and the ways' common steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lscube.errors import ClusterError, NoClusterError
from lscube.settings import ClusterSettings

ANSWER = 30.0
"""Seconds for a scheduler that is there to answer."""


@dataclass(frozen=True)
class Link:
    """A connection to a cluster whose workers may not have come yet."""

    client: Any
    """A `distributed.Client`."""
    name: str
    """What the cluster is called in messages."""
    workers: int
    """How many are to come."""
    look: str
    """What to look at if they do not."""
    owned: bool = True
    """Whether the cluster was made for this job, and ends with it."""


Way = Callable[[ClusterSettings], AbstractContextManager[Link]]
"""Gets a cluster until the end of a block, also when the block fails."""


@contextmanager
def client_of(cluster: Any, timeout: float = ANSWER) -> Iterator[Any]:
    """A client of a cluster, or of a scheduler's address, until the end of the block."""
    import distributed

    client: Any = object.__new__(distributed.Client)
    with warnings.catch_warnings():
        # `check_versions` says it in one sentence, and refuses what cannot work.
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        try:
            client.__init__(cluster, timeout=timeout, set_as_default=False)
        except BaseException:
            # Otherwise Dask tries to close, when Python deletes it, what was never open; for a minute.
            client.status = "closed"
            raise
    try:
        yield client
    finally:
        client.close(timeout=5)


def counted(workers: int) -> str:
    """A number of workers in words."""
    return "1 worker" if workers == 1 else f"{workers} workers"


def cannot_start(
    what: str, error: BaseException, advice: str, may_pass: bool = False
) -> ClusterError:
    """Say that a cluster did not start, in one line, and by its kind whether it may on another try."""
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return (NoClusterError if may_pass else ClusterError)(
        f"Expected {what} to start, but it failed ({reason.rstrip('.')}); {advice}."
    )
