"""A page to draw on that leaves a notebook's own plots alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lscube.files import appearing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def new_figure(path: Path, width: float, height: float, dpi: int = 130) -> Iterator[Figure]:
    """Give an empty figure of `width` x `height` inches; what is drawn becomes a PNG at `path`.

    Without pyplot, which would choose a backend for the whole process.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    with appearing(path) as partial:
        figure.savefig(partial, dpi=dpi, format="png", metadata={"Software": None})
