"""Chips put back where they were cut from: pieces of a few scenes, each scaled by its own brightest red.

Landslide4Sense's chips (Ghorbanzadeh, O., et al., 2022, doi:10.1109/TGRS.2022.3215209) as 8-bit pictures are
`floor(255 v / max(v_red))` with v = DN / divisor, where DN is reflectance at the top of the atmosphere times
10,000 and the divisor one constant per band. What is lost is each chip's brightest red. Neighbours give it
back: across their common border the ground goes on, so that the ratio of the pixels on both sides is the
ratio of their factors. All ratios together make a linear system for the factors' logarithms, in which the few
that are known exactly are the anchors; outliers (a ridge, a cloud's rim) are weighed down, as in robust
regression.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from lscube.errors import InventoryError
from lscube.learn.chips import Chips
from lscube.paths import StrPath
from lscube.scores import IGNORE

DIVISORS = (445.173, 663.416, 824.632)
"""Of red, green and blue, in DN; measured on 21 chips that have all bands, exact to 1e-12."""
DN = 1e-4
"""Reflectance per DN."""

DARKEST, BRIGHTEST = 8, 254
"""Grey values between which a ratio is trusted."""
FEWEST = 60
"""Values along a border below which it tells nothing (128 pixels of three bands)."""
FINEST = 0.03
"""A border's ratio is trusted no further than this, as a logarithm: the ground is not the same, only near."""
TYPICAL = 2700.0
"""DN of a chip's brightest red where none of its block is known, ..."""
SPREAD = 0.35
"""... and how far a chip's lies off its block's, as a standard deviation of the logarithm."""
KNOWN = 0.005
"""The same of a factor that is known."""
OUTLIER = 0.08
"""Misfit, as a logarithm, at which a border counts half."""


class Place(NamedTuple):
    """Where a chip was cut from."""

    block: str
    """Name of the scene's part."""
    row: int
    """In chips, from the block's north."""
    column: int
    """In chips, from the block's west."""
    red_maximum: float | None
    """DN of its brightest red, where known."""

    def cell(self, edge: int) -> tuple[slice, slice]:
        """Rows and columns of its pixels in the block, of chips that are so many pixels wide."""
        top, left = self.row * edge, self.column * edge
        return slice(top, top + edge), slice(left, left + edge)


@dataclass(frozen=True)
class Block:
    """Neighbouring chips on one grid; what no chip shows is NaN."""

    name: str
    places: tuple[Place, ...]
    """Of its chips."""
    image: NDArray[np.float32]
    """Reflectance at the top of the atmosphere, (y, x, band), NaN where there is no chip."""
    labels: NDArray[np.uint8]
    """0, 1 or `IGNORE`, (y, x)."""

    @property
    def cells(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each chip."""
        edge = self.labels.shape[0] // (1 + max(place.row for place in self.places))
        return [place.cell(edge) for place in self.places]

    @property
    def masks(self) -> NDArray[np.uint8]:
        """The chips' labels, (n, y, x)."""
        return np.stack([self.labels[cell] for cell in self.cells])


def read_places(path: StrPath) -> dict[tuple[str, int], Place]:
    """Read where chips lie, from a table.

    Parameters
    ----------
    path
        CSV file with the columns `split`, `index`, `block`, `row`, `col` and `red_max_dn_exact`.

    Returns
    -------
    dict
        By file ("train" of train.npz) and number of the chip in it.

    Raises
    ------
    InventoryError
        The file is missing, or holds something else.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {
                (row["split"], int(row["index"])): Place(
                    row["block"],
                    int(row["row"]),
                    int(row["col"]),
                    float(row["red_max_dn_exact"]) if row["red_max_dn_exact"] else None,
                )
                for row in csv.DictReader(file)
            }
    except FileNotFoundError:
        raise InventoryError(
            f"Expected the chips' places at {path}, found no file; check the path."
        ) from None
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise InventoryError(
            f"Expected a table with split, index, block, row, col and red_max_dn_exact at {path}, but "
            f"{error!r}; check the file."
        ) from None


def put_together(
    chips: Mapping[str, Chips], places: Mapping[tuple[str, int], Place]
) -> dict[str, Block]:
    """Put chips together again, by block.

    Parameters
    ----------
    chips
        By file ("train"); of one size, square.
    places
        From `read_places`; a chip that has none is left out.

    Returns
    -------
    dict
        By name.
    """
    members: dict[str, list[tuple[Place, NDArray[np.uint8], NDArray[np.uint8]]]] = {}
    for (file, index), place in places.items():
        if file in chips and index < len(chips[file]):
            one = (place, chips[file].images[index], chips[file].masks[index])
            members.setdefault(place.block, []).append(one)
    return {name: _block(name, *zip(*found, strict=True)) for name, found in members.items()}


def _block(
    name: str,
    places: Sequence[Place],
    images: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.uint8]],
) -> Block:
    factors = red_maxima(places, images)
    edge = images[0].shape[0]
    rows = 1 + max(place.row for place in places)
    columns = 1 + max(place.column for place in places)
    image = np.full((rows * edge, columns * edge, 3), np.nan, np.float32)
    labels = np.full(image.shape[:2], IGNORE, np.uint8)
    scale = np.array(DIVISORS) / DIVISORS[0] * DN / 255
    for place, pixels, mask, factor in zip(places, images, masks, factors, strict=True):
        inside = place.cell(edge)
        # Half a step more: values were cut off, not rounded.
        image[inside] = (pixels + 0.5) * (factor * scale)
        labels[inside] = mask
    return Block(name, tuple(places), image, labels)


def red_maxima(places: Sequence[Place], images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Each chip's brightest red, DN, from continuity across the chips' borders.

    Parameters
    ----------
    places
        Of one block; `red_maximum` is the anchor where it is known.
    images
        The chips, (y, x, 3), 8 bit.
    """
    first, second, ratio, weight = _borders(places, images)
    known = np.array([place.red_maximum or np.nan for place in places])
    there = np.isfinite(known)
    usual = float(np.exp(np.log(known[there]).mean())) if there.any() else TYPICAL
    target = np.log(np.where(there, known, usual))
    prior = np.where(there, KNOWN**-2, SPREAD**-2)
    trust = np.ones(len(ratio))
    for _ in range(8):
        pull = weight * trust
        parts = np.r_[pull, pull, -pull, -pull]
        ends = (np.r_[first, second, first, second], np.r_[first, second, second, first])
        matrix = sparse.coo_matrix((parts, ends), (len(places),) * 2) + sparse.diags(prior)
        right = prior * target
        np.add.at(right, second, pull * ratio)
        np.add.at(right, first, -pull * ratio)
        logarithms = spsolve(matrix.tocsc(), right)
        misfit = logarithms[second] - logarithms[first] - ratio
        trust = 1 / (1 + (misfit / OUTLIER) ** 2)
    return np.asarray(np.exp(logarithms))


def _borders(
    places: Sequence[Place], images: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of neighbours, the logarithm of the second's factor over the first's, and its weight."""
    number = {(place.row, place.column): index for index, place in enumerate(places)}
    found = []
    for (row, column), index in number.items():
        east, south = number.get((row, column + 1)), number.get((row + 1, column))
        if east is not None:
            found.append((index, east, _ratio(images[index][:, -1], images[east][:, 0])))
        if south is not None:
            found.append((index, south, _ratio(images[index][-1], images[south][0])))
    told = [(one, other, *said) for one, other, said in found if said is not None]
    first, second, ratio, weight = zip(*told, strict=True) if told else ((), (), (), ())
    return (
        np.array(first, np.intp),
        np.array(second, np.intp),
        np.array(ratio, np.float64),
        np.array(weight, np.float64),
    )


def _ratio(edge: NDArray[np.uint8], facing: NDArray[np.uint8]) -> tuple[float, float] | None:
    """Logarithm of the ratio of two facing edges, (n, band), and its weight; None where it tells nothing."""
    both = np.stack([edge, facing])
    good = ((both > DARKEST) & (both < BRIGHTEST)).all(axis=0)
    if good.sum() < FEWEST:
        return None
    logarithms = np.log((edge[good] + 0.5) / (facing[good] + 0.5))
    middle = float(np.median(logarithms))
    apart = 1.4826 * float(np.median(np.abs(logarithms - middle))) + 0.01
    return middle, min(float(good.sum()) / apart**2 / 3, FINEST**-2)
