"""Squares of a finished map with sure pixels, and what they were mapped from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dask
import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube.cube import open_part
from lscube.errors import OtherRunError
from lscube.learn.squares import MARGIN, Squares
from lscube.manifest import Manifest, differences, short
from lscube.mapping.design import Design
from lscube.mapping.opening import manifest_of
from lscube.mapping.windows import network_input
from lscube.settings import AdaptSettings

EDGE = 256
"""Pixels along a square's edge."""

_AT_ONCE = 16
"""Squares that are read at once."""

_FREE = {"lscube", "layout", "predict.engine", "predict.policy", "predict.core", "predict.margin"}
"""Entries of a manifest in which a map may differ from what would be made now, and be the same map."""


@dataclass(frozen=True)
class _Chosen:
    """Squares of one kind, as rows and columns of the map in squares."""

    places: npt.NDArray[np.int64]
    """(square, 2)."""
    standing_for: float
    """How many squares of its kind each stands for."""


def check_map(design: Design, mapped: xr.Dataset, name: str) -> None:
    """Refuse a map that another job, or another model, made.

    Raises
    ------
    OtherRunError
        Names the entry that differs, and both values.
    """
    theirs: Manifest = manifest_of(mapped)
    for entry, mine, other in differences(design.manifest, theirs):
        if entry.partition(".")[0] not in _FREE and entry not in _FREE:
            raise OtherRunError(
                f"Expected the map that this job and this model make at {name}, but its {entry} is "
                f"{short(other)}, here {short(mine)}; give the job and the model that it was made with."
            )


def read_squares(design: Design, mapped: xr.Dataset, settings: AdaptSettings) -> Squares:
    """Read squares of a map, those with sure landslides and others alike, as far as there are both.

    Parameters
    ----------
    design
        Of the map (`lscube.mapping.design_map`).
    mapped
        The map, on its whole grid.
    settings
        Which pixels are sure, and how many squares are read.
    """
    chosen = _choose(mapped["probability"], settings)
    card = design.ensemble.models[0].card
    shape = design.layout.cores.shape
    places = np.concatenate([one.places for one in chosen])
    windows, probability = [], []
    for part in _parts(places):
        pixels = [
            tuple(
                slice(i * EDGE, min((i + 1) * EDGE, n)) for i, n in zip(place, shape, strict=True)
            )
            for place in part
        ]
        cores = [design.layout.cores[rows, columns] for rows, columns in pixels]
        opened = [open_part(design.plan, core.pad(MARGIN)) for core in cores]
        stacked = [network_input(one, card, design.ensemble.needed)[:-1] for one in opened]
        shown = [mapped["probability"].data[rows, columns] for rows, columns in pixels]
        read, own = dask.compute(stacked, shown)
        windows += [_filled(one, EDGE + 2 * MARGIN) for one in read]
        probability += [_filled(one, EDGE) for one in own]
    return Squares(
        windows=np.stack(windows),
        probability=np.stack(probability),
        half=places.sum(axis=1) % 2 == 1,
        standing_for=np.concatenate(
            [np.full(len(one.places), one.standing_for, np.float32) for one in chosen]
        ),
    )


def _choose(probability: xr.DataArray, settings: AdaptSettings) -> tuple[_Chosen, _Chosen]:
    """Squares with sure landslides, and squares with sure others alone."""
    counts = xr.Dataset(
        {
            "landslide": (probability >= settings.landslide_from).astype(np.float32),
            "other": (probability <= settings.other_to).astype(np.float32),
        }
    )
    counts = counts.coarsen(y=EDGE, x=EDGE, boundary="pad").sum().compute()
    landslide, other = (counts[name].to_numpy() > 0 for name in ("landslide", "other"))
    rng = np.random.default_rng(settings.seed)
    half = settings.max_squares // 2
    first = int(min(landslide.sum(), half))
    return (
        _drawn(landslide, first, rng),
        _drawn(other & ~landslide, settings.max_squares - first, rng),
    )


def _drawn(wanted: npt.NDArray[np.bool_], most: int, rng: np.random.Generator) -> _Chosen:
    places = np.argwhere(wanted)
    kept = np.sort(rng.permutation(len(places))[:most])
    return _Chosen(places[kept], len(places) / max(len(kept), 1))


def _parts(places: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for first in range(0, len(places), _AT_ONCE):
        yield places[first : first + _AT_ONCE]


def _filled(values: npt.NDArray[np.float32], edge: int) -> npt.NDArray[np.float32]:
    """Whole squares; NaN beyond the map."""
    rows, columns = (edge - size for size in values.shape[-2:])
    more = [(0, 0)] * (values.ndim - 2) + [(0, rows), (0, columns)]
    return np.pad(values.astype(np.float32, copy=False), more, constant_values=np.nan)
