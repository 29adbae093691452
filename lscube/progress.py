"""Progress on whatever takes more than a few seconds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from lscube.logs import say

if TYPE_CHECKING:
    from lscube.mapping import Progress

PAUSE = 60.0
"""Seconds between two lines where no terminal shows a bar."""


def progress(what: str) -> AbstractContextManager[object]:
    """A bar over the Dask tasks that are computed within; silent where no terminal shows it."""
    with warnings.catch_warnings():
        # In a notebook without ipywidgets tqdm says that its bar will be of text.
        warnings.filterwarnings("ignore", "IProgress not found")
        from tqdm.dask import TqdmCallback

    bar: AbstractContextManager[object] = TqdmCallback(
        desc=what, disable=None, unit="task", leave=False
    )
    return bar


@contextmanager
def map_progress(
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[Progress], None]]:
    """Show how far a map is: a bar on a terminal, else a line now and then, on standard error.

    Parameters
    ----------
    clock
        Seconds.

    Yields
    ------
    callable
        For `lscube.mapping.Running.watch`.
    """
    from tqdm import tqdm

    # tqdm's own rate and time left would count what an earlier run did.
    bar = tqdm(disable=None, leave=False, bar_format="mapping |{bar:20}| {desc}")
    last = -PAUSE

    def watch(state: Progress) -> None:
        nonlocal last
        if bar.disable:
            now = clock()
            if now - last >= PAUSE or state.done == state.regions:
                last = now
                say(f"Mapping: {state}")
            return
        bar.total, bar.n = state.regions, state.done
        bar.set_description_str(str(state))

    with bar:
        yield watch
