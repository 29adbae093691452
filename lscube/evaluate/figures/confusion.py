"""Right and wrong on a map, after Figures 3 and 5 of Prakash, Manconi and Loew (2021)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube.drawing import new_figure
from lscube.evaluate.figures.common import model_label
from lscube.evaluate.picture import COLOURS, MOST_PIXELS, confusion_image, true_colour
from lscube.paths import StrPath
from lscube.scores import IGNORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BORDER = 8
"""Pixels shown around the labelled part."""

VIEW = 400
"""Pixels along the edge of the view; a part that is no larger is shown as a whole only."""

OUTLINE = "#FFE000"

WIDTH, PANEL = 14.4, 4.45
"""Inches of the figure and of a panel."""

DPI = 100
"""Images are heavy: the page with all of them is to open on a phone."""

Extent = tuple[float, float, float, float]
"""West, east, south and north in kilometres."""

Pixels = TypeVar("Pixels", xr.DataArray, xr.Dataset)


def draw_confusion(
    path: StrPath,
    image: xr.Dataset,
    probability: xr.DataArray,
    labels: xr.DataArray,
    threshold: float,
    title: str = "",
) -> None:
    """Draw a PNG of the labelled part: before, after with the inventory's outlines, confusion.

    Large parts are shown in blocks of pixels: images by their mean, the confusion by majority as in
    the paper, so a block is mapped where half of its usable pixels are. Below is then a view of all
    pixels where the inventory has most landslides; how good the map is has no part in that choice.

    Parameters
    ----------
    path
        File to write.
    image
        Cube with `pre` and `post`, (band, y, x), on the grid of the others; its first three bands are
        shown as red, green, blue.
    probability, labels
        (y, x); labels 0, 1 or `lscube.scores.IGNORE`.
    threshold
        From which probability on a pixel counts as landslide.
    title
        Above the panels.
    """
    path = Path(path)
    part = labelled_part(labels)
    image, probability, labels = image.isel(part), probability.isel(part), labels.isel(part)
    shown = [_shown(image, probability, labels, threshold)]
    if max(labels.shape) > VIEW:
        view = densest_view(labels)
        shown.append(_shown(image.isel(view), probability.isel(view), labels.isel(view), threshold))
    heights = [PANEL * each.aspect + 0.8 for each in shown]
    with new_figure(path, WIDTH, sum(heights) + 0.6, DPI) as figure:
        rows = figure.subplots(len(shown), 3, squeeze=False, height_ratios=heights)
        for row, each in zip(rows, shown, strict=True):
            _draw_row(row, each)
        for axes in rows[0] if len(shown) > 1 else ():
            _frame(axes, shown[1].extent)
        _legend(figure)
        figure.suptitle(model_label(title))


def densest_view(labels: xr.DataArray) -> dict[Any, slice]:
    """Rows and columns of the square of `VIEW` pixels that holds most landslide pixels.

    Of squares on a lattice of half their size; the first where several hold as many.
    """
    landslide = labels.to_numpy() == 1

    def at(start: tuple[int, ...]) -> dict[Any, slice]:
        return {name: slice(first, first + VIEW) for name, first in zip("yx", start, strict=True)}

    def landslides(start: tuple[int, ...]) -> int:
        return int(np.count_nonzero(landslide[tuple(at(start).values())]))

    return at(max(product(*map(_starts, landslide.shape)), key=landslides))


def _starts(size: int) -> list[int]:
    last = max(size - VIEW, 0)
    return [*range(0, last, VIEW // 2), last]


def labelled_part(labels: xr.DataArray) -> dict[Any, slice]:
    """Rows and columns that hold all labelled pixels and a border; all where none is labelled."""
    known = labels.to_numpy() != IGNORE
    if not known.any():
        return {"y": slice(None), "x": slice(None)}
    part: dict[Any, slice] = {}
    for name, axis in (("y", 1), ("x", 0)):
        places = np.flatnonzero(known.any(axis=axis))
        part[name] = slice(max(int(places[0]) - BORDER, 0), int(places[-1]) + 1 + BORDER)
    return part


def majority(
    probability: xr.DataArray, labels: xr.DataArray, threshold: float
) -> tuple[xr.DataArray, xr.DataArray]:
    """Thin a map and its labels so that no edge has more than `MOST_PIXELS`.

    Returns
    -------
    found
        (y, x): 1 where at least half of a block's usable pixels are mapped, else 0; NaN where none
        is usable.
    true
        (y, x): 1 where at least half of them are landslide, else 0; `IGNORE` where none is usable.
    """
    probability = probability.compute()
    usable = np.isfinite(probability) & (labels != IGNORE)
    mapped = _in_blocks((probability >= threshold).astype(np.float32).where(usable))
    landslide = _in_blocks((labels == 1).astype(np.float32).where(usable))
    true = (landslide >= 0.5).astype(np.uint8).where(landslide.notnull(), IGNORE)
    return (mapped >= 0.5).astype(np.float32).where(mapped.notnull()), true


def _in_blocks(pixels: Pixels) -> Pixels:
    """Mean over square blocks, NaN left out; a rest narrower than a block is left out."""
    step = max(1, -(-max(pixels.sizes["y"], pixels.sizes["x"]) // MOST_PIXELS))
    if step == 1:
        return pixels.compute()
    coarse: Any = pixels.coarsen(y=step, x=step, boundary="trim")
    return coarse.mean().compute()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Shown:
    """What one row of panels shows."""

    images: xr.Dataset
    found: xr.DataArray
    true: xr.DataArray
    extent: Extent

    @property
    def aspect(self) -> float:
        """Height over width of a panel."""
        rows, columns = self.found.shape
        return float(np.clip(rows / columns, 0.3, 2.0))


def _shown(
    image: xr.Dataset, probability: xr.DataArray, labels: xr.DataArray, threshold: float
) -> _Shown:
    found, true = majority(probability, labels, threshold)
    return _Shown(_in_blocks(image[["pre", "post"]]), found, true, _kilometres(found))


def _draw_row(row: npt.NDArray[Any], shown: _Shown) -> None:
    before, after, right = row
    before.imshow(true_colour(shown.images["pre"]), extent=shown.extent)
    before.set(title="before", ylabel="northing (km)")
    after.imshow(true_colour(shown.images["post"]), extent=shown.extent)
    after.set_title("after, with the inventory's outlines")
    _outline(after, shown.true, shown.extent)
    colours = confusion_image(shown.images["post"], shown.found, shown.true, 0.5)
    right.imshow(colours, extent=shown.extent)
    right.set_title("right and wrong (dark: not scored)")
    for axes in row:
        axes.set_xlabel("easting (km)")
        axes.tick_params(labelsize=8, labelleft=axes is before)
        axes.ticklabel_format(useOffset=False)


def _frame(axes: Axes, extent: Extent) -> None:
    west, east, south, north = extent
    x, y = (west, east, east, west, west), (south, south, north, north, south)
    axes.plot(x, y, color="black", linewidth=2.4)
    axes.plot(x, y, color="white", linewidth=1.2)


def _outline(axes: Axes, true: xr.DataArray, extent: Extent) -> None:
    landslide = (true == 1).to_numpy()
    if landslide.any():
        framed = np.pad(landslide, 1)[::-1]  # an outline closes at the edge too
        west, east, south, north = extent
        dx, dy = (east - west) / true.shape[1], (north - south) / true.shape[0]
        x = west + dx * (np.arange(framed.shape[1]) - 0.5)
        y = south + dy * (np.arange(framed.shape[0]) - 0.5)
        axes.contour(x, y, framed, levels=[0.5], colors=OUTLINE, linewidths=0.8)
        axes.set(xlim=(west, east), ylim=(south, north))


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    outline = Line2D([], [], color=OUTLINE, label="inventory")
    patches = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(
        handles=[outline, *patches], loc="outside lower center", ncols=4, facecolor="0.75"
    )


def _kilometres(plane: xr.DataArray) -> Extent:
    """West, east, south and north of the pixels' outer edges, for an image with north at the top."""
    x, y = plane["x"].to_numpy() / 1000, plane["y"].to_numpy() / 1000
    dx = (x[1] - x[0]) / 2 if x.size > 1 else 0.005
    dy = (y[0] - y[1]) / 2 if y.size > 1 else 0.005
    return float(x[0] - dx), float(x[-1] + dx), float(y[-1] - dy), float(y[0] + dy)
