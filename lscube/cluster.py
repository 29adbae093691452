"""Where it runs: threads of this process, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lscube.errors import ClusterError


@contextmanager
def connect(address: str | None, timeout: float = 30.0) -> Iterator[Any]:
    """A client of a Dask scheduler, until the end of the block.

    Parameters
    ----------
    address
        Such as `tcp://host:8786`; None: no cluster.
    timeout
        Seconds to wait for an answer.

    Yields
    ------
    distributed.Client, or None without an address

    Raises
    ------
    ClusterError
        No scheduler answers there.
    """
    if address is None:
        yield None
        return
    import distributed

    try:
        client: Any = distributed.Client(  # type: ignore[no-untyped-call]
            address, timeout=timeout, set_as_default=False
        )
    except (
        OSError,
        ValueError,
    ) as error:  # a timeout is an OSError; a ValueError: no such protocol
        raise ClusterError(
            f"Expected a Dask scheduler at {address}, but none answered within {timeout:g} s "
            f"({type(error).__name__}); start one with `dask scheduler`, or correct the address."
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=5)
