"""What a published item says of a map's pixels, from one pass over them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lscube.cube.masks import inside_area
from lscube.products.rasters import digest_pixels


@dataclass(frozen=True)
class Facts:
    """What a map's pixels are, in short."""

    digests: dict[str, str]
    """sha256 of each variable; see `lscube.products.rasters.digest_pixels`."""
    pixels: int
    """Of the map's grid."""
    inside: int
    """Within the area of interest."""
    mapped: int
    """With a probability."""
    statistics: dict[str, float]
    """Of the probabilities, as the raster extension has them; only "valid_percent" where there is none."""
    last_day: date | None
    """Latest day of an image after the event; None where nothing was seen since."""

    @property
    def mapped_share(self) -> float:
        """Share of the area of interest that has a probability."""
        return self.mapped / self.inside if self.inside else 0.0


class _Watch:
    """Counts, block by block."""

    def __init__(self) -> None:
        self.inside = self.mapped = 0
        self.total, self.lowest, self.highest = 0.0, np.inf, -np.inf
        self.last: Any = np.datetime64("NaT")

    def __call__(self, name: str, values: NDArray[Any]) -> None:
        if name == "probability":
            known = values[np.isfinite(values)]
            self.mapped += known.size
            self.total += float(known.sum(dtype=np.float64))
            if known.size:
                self.lowest = min(self.lowest, float(known.min()))
                self.highest = max(self.highest, float(known.max()))
        elif name == "area":
            self.inside += int(inside_area(values).sum())
        elif name == "post_date":
            days = values[~np.isnat(values)]
            if days.size:
                self.last = days.max() if np.isnat(self.last) else max(self.last, days.max())


def measure(mapped: xr.Dataset) -> Facts:
    """Read a map once, block by block.

    Parameters
    ----------
    mapped
        From `lscube.mapping.open_map`.
    """
    watch = _Watch()
    digests = digest_pixels(mapped, watch)
    pixels = int(mapped["probability"].size)
    statistics = {"valid_percent": round(100 * watch.mapped / pixels, 4)}
    if watch.mapped:
        mean = watch.total / watch.mapped
        lowest, highest = watch.lowest, watch.highest
        statistics |= {
            "minimum": round(lowest, 6),
            "maximum": round(highest, 6),
            "mean": round(mean, 6),
        }
    last = None if np.isnat(watch.last) else date.fromisoformat(str(watch.last)[:10])
    return Facts(digests, pixels, watch.inside, watch.mapped, statistics, last)
