"""A scheduler that runs already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from lscube.cluster.link import ANSWER, Link, client_of
from lscube.errors import ClusterError, NoClusterError
from lscube.settings import ClusterSettings


@contextmanager
def open_address(settings: ClusterSettings) -> Iterator[Link]:
    """Connect to a scheduler; it and its workers are left running.

    Raises
    ------
    NoClusterError
        No scheduler answers there.
    ClusterError
        It is no address, or what answers speaks another version's language.
    """
    # `wait` is long by default, as clusters start slowly; who sets it may start the scheduler meanwhile.
    asked = "wait" in settings.model_fields_set
    address, timeout = settings.where, settings.wait if asked else ANSWER
    with ExitStack() as stack:
        try:
            client = stack.enter_context(client_of(address, timeout))
        except (ImportError, KeyError, AssertionError, TypeError) as error:
            raise ClusterError(
                f"Expected a Dask scheduler at {address}, but what answers there speaks another version's "
                f"language ({type(error).__name__}); use one image or environment for all."
            ) from error
        except (
            OSError,
            ValueError,
        ) as error:  # a timeout is an OSError; ValueError: no such protocol
            raise (ClusterError if isinstance(error, ValueError) else NoClusterError)(
                f"Expected a Dask scheduler at {address}, but none answered within {timeout:g} s "
                f"({type(error).__name__}); start one with `dask scheduler`, or correct the address."
            ) from error
        look = f"whether `dask worker {address}` runs anywhere, and what its log says"
        yield Link(client, f"the scheduler at {address}", settings.workers or 1, look, owned=False)
