"""The picture of a cube: before and after, and why pixels are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lscube.cube.masks import Reason
from lscube.drawing import new_figure
from lscube.evaluate.picture import MOST_PIXELS, true_colour
from lscube.paths import StrPath

COLOURS = {
    Reason.UNREADABLE_SOURCE: "black",
    Reason.MASKED_BY_USER: "purple",
    Reason.CLOUD: "tab:red",
    Reason.CLOUD_SHADOW: "tab:orange",
    Reason.TERRAIN_SHADOW: "saddlebrown",
    Reason.SNOW: "deepskyblue",
    Reason.SATURATED: "gold",
    Reason.NO_DATA: "0.6",
}
"""Of a pixel with several reasons the first of these is shown."""


def draw_cube(path: StrPath, cube: xr.Dataset) -> None:
    """Draw a PNG: both images, and for each the reasons for its gaps.

    Parameters
    ----------
    path
        File to write.
    cube
        From `lscube.open_cube`; its first three bands are shown as red, green, blue.
    """
    path = Path(path)
    from matplotlib.patches import Patch

    step = max(1, -(-max(cube["observed"].shape) // MOST_PIXELS))
    thin: dict[Any, slice] = {"y": slice(None, None, step), "x": slice(None, None, step)}
    small = cube[["pre", "post", "observed"]].isel(thin).compute()
    rows, columns = small["observed"].shape
    aspect = float(np.clip(rows / columns, 0.3, 2.0))
    with new_figure(path, 13, 13 * aspect + 1.2, 90) as figure:
        axes = figure.subplots(2, 2)
        for column, (side, byte) in enumerate((("pre", 0), ("post", 8))):
            axes[0, column].imshow(true_colour(small[side]))
            axes[0, column].set_title("before" if side == "pre" else "after")
            reason = (small["observed"].to_numpy() >> byte) & 0xFF
            axes[1, column].imshow(reason_image(reason), interpolation="nearest")
            axes[1, column].set_title(f"{np.mean(reason == 0):.1%} usable")
        for axis in axes.flat:
            axis.set_axis_off()
        patches = [Patch(color=c, label=words(reason)) for reason, c in COLOURS.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
        figure.suptitle(f"{cube.attrs['event_id']}, {cube.attrs['event_time'][:10]}")


def reason_image(reason: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Bits of `Reason` (y, x) as colours (y, x, 3); white where usable."""
    from matplotlib.colors import to_rgb

    image = np.ones((*reason.shape, 3), np.float32)
    for bit, colour in reversed(COLOURS.items()):
        image[(reason & bit) != 0] = to_rgb(colour)
    return image


def words(reason: Reason) -> str:
    """A reason as a person says it."""
    return str(reason.name).lower().replace("_", " ")
