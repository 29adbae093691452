"""Quick looks in a notebook: each function gives a Matplotlib figure, without choosing a backend."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import odc.geo.xr  # noqa: F401 - registers the .odc accessor
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lscube.errors import InputError
from lscube.evaluate.cube_picture import COLOURS as REASONS
from lscube.evaluate.cube_picture import reason_image, words
from lscube.evaluate.picture import COLOURS as CONFUSION
from lscube.evaluate.picture import MOST_PIXELS, confusion_image, true_colour
from lscube.grid import bounds_of
from lscube.mapping import crop_to_area

WIDTH = 6.0
"""Inches of a panel."""


class ShownFigure(Figure):
    """A figure that a notebook shows, whatever its backend."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=90)
        return buffer.getvalue()


def rgb(cube: xr.Dataset) -> Figure:
    """Draw the images before and after in true colour.

    Parameters
    ----------
    cube
        From `lscube.open_cube`; its first three bands are red, green, blue.

    Raises
    ------
    InputError
        It has no images, as a map.
    """
    _check(cube, ("pre", "post"), "a cube from `lscube.open_cube`")
    small = _thin(cube[["pre", "post"]])
    return _panels(
        {"before": true_colour(small["pre"]), "after": true_colour(small["post"])}, small
    )


def probability(mapped: xr.Dataset) -> Figure:
    """Draw a map's landslide probability; grey where it is not known.

    Parameters
    ----------
    mapped
        From `lscube.map_region` or `lscube.mapping.open_map`.

    Raises
    ------
    InputError
        It has no probability, as a cube.
    """
    _check(mapped, ("probability",), "a map from `lscube.mapping.open_map`")
    small = _of_area(mapped, "probability")
    figure = _panels({"landslide probability": small["probability"].to_numpy()}, small)
    axes = figure.axes[0]
    axes.set_facecolor("0.7")
    figure.colorbar(axes.images[0], ax=axes, shrink=0.7)
    return figure


def observed(dataset: xr.Dataset) -> Figure:
    """Draw why pixels are unusable, before and after; white where they are usable.

    Parameters
    ----------
    dataset
        A cube or a map.

    Raises
    ------
    InputError
        It is neither.
    """
    _check(dataset, ("observed",), "a cube or a map")
    small = _of_area(dataset, "observed")
    flags = small["observed"].to_numpy()
    sides = {"before": flags & 0xFF, "after": flags >> 8}
    images = {
        f"{side}: {np.mean(bits == 0):.1%} usable": reason_image(bits)
        for side, bits in sides.items()
    }
    figure = _panels(images, small)
    return _explained(figure, {words(reason): colour for reason, colour in REASONS.items()})


def confusion(
    cube: xr.Dataset, probability: xr.DataArray, labels: xr.DataArray, threshold: float = 0.5
) -> Figure:
    """Draw right and wrong over the image after; dark where nothing is compared.

    Parameters
    ----------
    cube, probability, labels
        On one grid; labels as from `lscube.learn.make_labels`.
    threshold
        Probability from which a pixel counts as landslide.

    Raises
    ------
    InputError
        The cube has no image after, or the three are not on one grid.
    """
    _check(cube, ("post",), "a cube from `lscube.open_cube`")
    _check_planes(cube, {"probability": probability, "labels": labels})
    together = xr.Dataset({"post": cube["post"], "found": probability, "true": labels})
    small = _thin(together)
    image = confusion_image(small["post"], small["found"], small["true"], threshold)
    return _explained(_panels({"against the reference": image}, small), CONFUSION)


def _check(dataset: xr.Dataset, names: Sequence[str], wanted: str) -> None:
    """Refuse a dataset without what is drawn."""
    there = list(dataset) if isinstance(dataset, xr.Dataset) else [type(dataset).__name__]
    if not isinstance(dataset, xr.Dataset) or not set(names) <= set(there):
        raise InputError(
            f"Expected {wanted}, with {' and '.join(names)}, got {', '.join(map(str, there)) or 'nothing'}; "
            "give that one."
        )


def _check_planes(cube: xr.Dataset, planes: Mapping[str, xr.DataArray]) -> None:
    """Refuse what is no plane of the cube's grid."""
    for name, plane in planes.items():
        if not isinstance(plane, xr.DataArray):
            raise InputError(
                f"Expected {name} as an array (y, x), got {type(plane).__name__}; of a map, give "
                "`mapped['probability']`."
            )
        try:
            xr.align(cube["post"], plane, join="exact")
        except ValueError:
            raise InputError(
                f"Expected {name} on the cube's grid, {dict(cube['post'].sizes)}, got "
                f"{dict(plane.sizes)} elsewhere; crop or open them alike."
            ) from None


def _of_area(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """One variable, where the area of interest is known within it."""
    if "area" not in dataset:
        return _thin(dataset[[name]])
    return crop_to_area(_thin(dataset[[name, "area"]]))


def _thin(dataset: xr.Dataset) -> xr.Dataset:
    """No more pixels than a screen has, computed."""
    step = max(1, -(-max(dataset.sizes["y"], dataset.sizes["x"]) // MOST_PIXELS))
    every: Any = {"y": slice(None, None, step), "x": slice(None, None, step)}
    return dataset.isel(every).compute()


def _panels(images: Mapping[str, npt.NDArray[Any]], dataset: xr.Dataset) -> ShownFigure:
    """Images beside each other, in kilometres."""
    west, south, east, north = (value / 1000 for value in bounds_of(dataset.odc.geobox))
    height = WIDTH * float(np.clip((north - south) / (east - west), 0.3, 2.0)) + 0.8
    figure = ShownFigure(figsize=(WIDTH * len(images), height), layout="constrained")
    for axes, (title, image) in zip(
        figure.subplots(1, len(images), squeeze=False).flat, images.items(), strict=True
    ):
        shown: Any = {"vmin": 0, "vmax": 1, "cmap": "magma"} if image.ndim == 2 else {}
        axes.imshow(image, extent=(west, east, south, north), interpolation="nearest", **shown)
        axes.set(title=title, xlabel="easting (km)", ylabel="northing (km)")
        axes.ticklabel_format(useOffset=False)
    return figure


def _explained(figure: ShownFigure, colours: Mapping[str, Any]) -> ShownFigure:
    """Say below what the colours are."""
    patches = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=4)
    return figure
