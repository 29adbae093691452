"""Progress bars on whatever takes more than a few seconds."""

from __future__ import annotations

from contextlib import AbstractContextManager


def progress(what: str) -> AbstractContextManager[object]:
    """A bar over the Dask tasks that are computed within; silent where no terminal shows it."""
    from tqdm.dask import TqdmCallback

    bar: AbstractContextManager[object] = TqdmCallback(
        desc=what, disable=None, unit="task", leave=False
    )
    return bar
