"""Chips: small 8-bit images with masks, as benchmarks hand them out, in NPZ files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lscube.errors import InventoryError
from lscube.paths import StrPath
from lscube.scores import IGNORE

if TYPE_CHECKING:
    from lscube.learn.patches import Layers

FULL_SCALE = 0.3
"""Reflectance that the value 255 of an 8-bit composite stands for."""


@dataclass(frozen=True)
class Chips:
    """Images after an event and where landslides are on them."""

    images: NDArray[np.uint8]
    """Red, green, blue, (n, y, x, 3)."""
    masks: NDArray[np.uint8]
    """0, 1 or `IGNORE`, (n, y, x)."""
    names: tuple[str, ...]
    """One for each chip."""
    origin: str
    """Name of the file."""

    def __len__(self) -> int:
        return len(self.images)

    def reflectance(self, indices: NDArray[np.intp] | slice) -> NDArray[np.float32]:
        """Rho = 0.3 v / 255 of some chips, (n, y, x, 3)."""
        return reflectance_of(self.images[indices])


def reflectance_of(shown: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rho = 0.3 v / 255 of 8 bits."""
    return shown.astype(np.float32) * np.float32(FULL_SCALE / 255)


def read_chips(path: StrPath) -> Chips:
    """Read an NPZ file with `image` (n, y, x, 3) and `mask` (n, y, x), both uint8, and maybe `name` (n,).

    Raises
    ------
    InventoryError
        The file is missing, or holds something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            images, masks = file["image"], file["mask"]
            names = _names(file, len(images))
    except FileNotFoundError:
        raise InventoryError(f"Expected chips at {path}, found no file; check the path.") from None
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        TypeError,
        AttributeError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InventoryError(
            f"Expected an NPZ file with arrays 'image' and 'mask' at {path}, but {reason}; save them with "
            "numpy.savez."
        ) from None
    _check(images, masks, path)
    return Chips(images, masks, names, path.name)


def _names(file: np.lib.npyio.NpzFile, count: int) -> tuple[str, ...]:
    """The chips' names; their numbers where there are none, or only Python objects."""
    try:
        return tuple(str(name) for name in file["name"])
    except (KeyError, ValueError):
        return tuple(str(number) for number in range(count))


def _check(images: NDArray[np.uint8], masks: NDArray[np.uint8], path: Path) -> None:
    fits = images.ndim == 4 and images.shape[-1] == 3 and masks.shape == images.shape[:3]
    if not fits or images.dtype != np.uint8 or masks.dtype != np.uint8 or not len(images):
        raise InventoryError(
            f"Expected images (n, y, x, 3) and masks (n, y, x) of 8-bit integers in {path}, got "
            f"{images.dtype} {images.shape} and {masks.dtype} {masks.shape}; convert them."
        )
    if any(edge % 32 for edge in masks.shape[1:]):
        raise InventoryError(
            f"Expected chips whose edges are multiples of 32 in {path}, got {masks.shape[1]} x "
            f"{masks.shape[2]} pixels; pad them (mask {IGNORE}: ignored)."
        )
    strange = np.setdiff1d(np.unique(masks), [0, 1, IGNORE])
    if len(strange):
        raise InventoryError(
            f"Expected masks of 0, 1 and {IGNORE} (ignored) in {path}, found {strange[0]} too; convert them."
        )


class ChipPatches:
    """Chips as a source of patches for training; all are in memory.

    Parameters
    ----------
    chips
        Of square images.
    """

    def __init__(self, chips: Chips) -> None:
        self.chips = chips

    @property
    def window(self) -> int:
        """Edge of a chip in pixels."""
        return int(self.chips.masks.shape[1])

    def __len__(self) -> int:
        return len(self.chips)

    def read(self, indices: NDArray[np.intp]) -> Layers:
        """`post` (n, y, x, 3), reflectance, and `labels` (n, y, x, 1)."""
        labels = self.chips.masks[indices][..., np.newaxis]
        return {"post": self.chips.reflectance(indices), "labels": labels}

    def landslides(self) -> NDArray[np.bool_]:
        """Whether a chip has a landslide pixel, (len,)."""
        found: NDArray[np.bool_] = (self.chips.masks == 1).any(axis=(1, 2))
        return found

    def groups(self) -> list[NDArray[np.intp]]:
        """One group: all chips."""
        return [np.arange(len(self))]

    def bytes_of(self, group: int) -> int:
        """Memory that the chips take as they are."""
        return int(self.chips.images.nbytes + self.chips.masks.nbytes)

    def name(self, index: int) -> str:
        """The chip's name."""
        return self.chips.names[index]
