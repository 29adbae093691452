"""The picture: before, after, probability and, where there is a reference, right and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from lscube.drawing import new_figure
from lscube.grid import Bounds
from lscube.paths import StrPath
from lscube.scores import IGNORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "true positive": (0.13, 0.63, 0.30),
    "false positive": (0.90, 0.25, 0.20),
    "false negative": (0.20, 0.45, 0.90),
}
"""Confusion colours; readable over a grey image."""

MOST_PIXELS = 1200
"""Longest edge of a panel; larger maps are thinned out."""


def draw_quicklook(
    path: StrPath,
    cube: xr.Dataset,
    probability: xr.DataArray,
    labels: xr.DataArray | None = None,
    threshold: float = 0.5,
    title: str = "",
    evaluated: Bounds | None = None,
) -> None:
    """Draw a PNG with up to four panels.

    Parameters
    ----------
    path
        File to write.
    cube, probability, labels
        On one grid. The first three bands of the cube are shown as red, green, blue.
    threshold
        From which probability on a pixel counts as landslide in the fourth panel.
    title
        Above the panels.
    evaluated
        Part that was scored (west, south, east, north, metres); outlined in the fourth panel.
    """
    path = Path(path)
    step = max(1, -(-max(probability.shape) // MOST_PIXELS))
    thin: dict[Any, slice] = {"y": slice(None, None, step), "x": slice(None, None, step)}
    cube, probability = cube.isel(thin), probability.isel(thin)
    extent = _kilometres(probability)
    height = 13 * _aspect(probability) + 0.8
    with new_figure(path, 13, height, 110) as figure:
        before, after, likely, right = figure.subplots(2, 2).flat
        before.imshow(true_colour(cube["pre"]), extent=extent)
        before.set_title("before")
        after.imshow(true_colour(cube["post"]), extent=extent)
        after.set_title("after")
        shown = likely.imshow(
            probability, vmin=0, vmax=1, cmap="magma", extent=extent, interpolation="nearest"
        )
        likely.set_facecolor("0.7")
        likely.set_title("landslide probability (grey: not observed)")
        figure.colorbar(shown, ax=likely, shrink=0.7)
        if labels is None:
            right.set_axis_off()
        else:
            image = confusion_image(cube["post"], probability, labels.isel(thin), threshold)
            right.imshow(image, extent=extent, interpolation="nearest")
            _explain(right, probability, evaluated)
        for axis in (before, after, likely, right):
            axis.set_xlabel("easting (km)")
            axis.set_ylabel("northing (km)")
        figure.suptitle(title)


def _explain(axes: Axes, probability: xr.DataArray, evaluated: Bounds | None) -> None:
    """Say what the confusion colours are, and frame what was scored."""
    from matplotlib.patches import Rectangle

    axes.set_title("against the reference" + (", scored in the frame" if evaluated else ""))
    if evaluated:
        frame = shapely.box(*evaluated).intersection(shapely.box(*_bounds(probability)))
        axes.plot(*(np.asarray(frame.exterior.xy) / 1000), color="white", linewidth=1.5)
    patches = [Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    axes.legend(patches, list(COLOURS), loc="lower right", framealpha=0.9)


def _kilometres(plane: xr.DataArray) -> tuple[float, float, float, float]:
    x, y = plane["x"].to_numpy() / 1000, plane["y"].to_numpy() / 1000
    return float(x[0]), float(x[-1]), float(y[-1]), float(y[0])


def _bounds(plane: xr.DataArray) -> Bounds:
    west, east, south, north = (1000 * value for value in _kilometres(plane))
    return west, south, east, north


def _aspect(plane: xr.DataArray) -> float:
    return float(np.clip(plane.shape[0] / plane.shape[1], 0.3, 2.0))


def true_colour(image: xr.DataArray) -> npt.NDArray[np.float32]:
    """Reflectance (band, y, x) as RGB (y, x, 3), stretched over its 2nd to 98th percentile."""
    rgb = image.isel(band=[0, 1, 2] if image.sizes["band"] >= 3 else [0, 0, 0]).to_numpy()
    seen = rgb[np.isfinite(rgb)]
    low, high = np.percentile(seen, (2, 98)).tolist() if seen.size else (0.0, 1.0)
    # They are plain numbers, so float32 stays float32.
    stretched = np.clip((rgb - low) / max(high - low, 1e-6), 0, 1)
    shown: npt.NDArray[np.float32] = np.nan_to_num(stretched, nan=0.7).transpose(1, 2, 0)
    return shown


def confusion_image(
    post: xr.DataArray, probability: xr.DataArray, labels: xr.DataArray, threshold: float
) -> npt.NDArray[np.float32]:
    """Confusion colours over the grey post-event image, (y, x, 3)."""
    grey = true_colour(post).mean(axis=-1, keepdims=True)
    image: npt.NDArray[np.float32] = np.repeat(0.35 + 0.5 * grey, 3, axis=-1).astype(np.float32)
    value, label = probability.to_numpy(), labels.to_numpy()
    usable = np.isfinite(value) & (label != IGNORE)
    found, true = value >= threshold, label == 1
    for name, where in zip(COLOURS, (found & true, found & ~true, ~found & true), strict=True):
        image[usable & where] = COLOURS[name]
    image[~usable] *= 0.5
    return image
