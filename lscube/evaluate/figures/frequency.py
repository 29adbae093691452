"""Magnitude and frequency of landslides (the paper's supplementary figure 1).

Malamud, Turcotte, Guzzetti and Reichenbach (2004), Landslide inventories and their statistical
properties, doi:10.1002/esp.1064.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lscube.drawing import new_figure
from lscube.evaluate.figures.common import COLOURS, DASHES, MARKERS, plain
from lscube.evaluate.results import AreaFacts, ExperimentResults
from lscube.paths import StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS_PER_DECADE = 5
FEWEST = 10
"""With fewer landslides a density says nothing; they are shown one by one."""

RHO, SCALE, SHIFT = 1.40, 1.28e3, -1.32e2
"""Exponent, scale (m2) and shift (m2) of Malamud et al.'s general distribution."""


@dataclass(frozen=True)
class Density:
    """Probability density of landslide areas in bins of equal width on a logarithmic axis."""

    edges: npt.NDArray[np.float64]
    """Bin edges in square metres, (n + 1,), rising; powers of ten are edges."""
    values: npt.NDArray[np.float64]
    """Probability density per square metre, (n,); times the bins' widths they sum to 1."""

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Geometric middles of the bins in square metres, (n,)."""
        return np.sqrt(self.edges[1:] * self.edges[:-1])


def frequency_density(sizes: Sequence[float]) -> Density:
    """Count landslides by area: ``p(A) = n / (N * width)`` (Malamud et al. 2004, equation 1).

    Parameters
    ----------
    sizes
        Areas in square metres, at least one, each above 0.

    Raises
    ------
    ValueError
        There is no area, or one is not above 0.
    """
    if not sizes or min(sizes) <= 0:
        raise ValueError("expected areas above 0 in square metres, at least one")
    bins = np.floor(np.log10(np.asarray(sizes, np.float64)) * BINS_PER_DECADE).astype(int)
    counts = np.bincount(bins - bins.min())
    edges = 10.0 ** (np.arange(bins.min(), bins.max() + 2) / BINS_PER_DECADE)
    return Density(edges, counts / (len(sizes) * np.diff(edges)))


def general_density(sizes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Malamud et al.'s general distribution (their equation 3) per square metre, at areas in m2."""
    scaled = SCALE / (np.asarray(sizes, np.float64) - SHIFT)
    density: npt.NDArray[np.float64] = (
        scaled ** (RHO + 1) * np.exp(-scaled) / (SCALE * math.gamma(RHO))
    )
    return density


def draw_frequency(path: StrPath, results: ExperimentResults) -> None:
    """Draw the density of each area's inventory on logarithmic axes, as PNG."""
    path = Path(path)
    known = [area for area in results.areas if area.sizes]
    with new_figure(path, 7.5, 5.2) as figure:
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log")
        for index, area in enumerate(known):
            _draw_area(axes, area, index)
        smallest = min(area.sizes[0] for area in known)
        largest = max(area.sizes[-1] for area in known)
        between = np.geomspace(smallest, largest * 1.01, 200)
        axes.plot(between, general_density(between), color="0.6", label="Malamud et al. 2004")
        axes.set_xlabel("landslide area (m²)")
        axes.set_ylabel("probability density (m⁻²)")
        axes.grid(which="major", color="0.9")
        figure.legend(loc="outside right upper", fontsize=9, frameon=False)


def _draw_area(axes: Axes, area: AreaFacts, index: int) -> None:
    count, colour = len(area.sizes), COLOURS[index % len(COLOURS)]
    name = plain(f"{area.letter} ({count} landslide{'s' if count > 1 else ''})")
    if count < FEWEST:
        axes.plot(
            area.sizes, [0.03] * count, "|", color=colour, markersize=14, markeredgewidth=2,
            transform=axes.get_xaxis_transform(), label=name,
        )  # fmt: skip
        return
    density = frequency_density(area.sizes)
    seen = density.values > 0
    axes.plot(
        density.centres[seen], density.values[seen], color=colour, label=name, markersize=4.5,
        linestyle=DASHES[index % len(DASHES)], marker=MARKERS[index % len(MARKERS)],
    )  # fmt: skip
