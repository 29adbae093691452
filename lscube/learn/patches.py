"""Patches of an event: windows on blocks of pixels that are held in memory.

Overlapping windows (Prakash et al. 2021, figure 7A: 224 x 224 pixels, 50 % overlap) are chosen by
xbatcher on the labels of one side of the split. Their pixels are read from the event's training
Zarr in blocks of several windows, on which all that belongs to another side is blank.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr
import xbatcher
from numpy.typing import NDArray

from lscube.learn.buffers import Buffers
from lscube.learn.splits import Rect, Side, bounding_box, slices
from lscube.scores import IGNORE
from lscube.settings import TrainSettings

Layers = dict[str, NDArray[Any]]
"""Pixels by layer: `pre`, `post`, `elevation` float32 and `labels` uint8, channel last."""

BLOCK_WINDOWS = 16
"""Windows along a block's edge."""


class PatchSource(Protocol):
    """Where patches come from; safe to read from several threads."""

    @property
    def window(self) -> int:
        """Edge of a patch in pixels."""

    def __len__(self) -> int:
        """Number of patches."""

    def read(self, indices: NDArray[np.intp]) -> Layers:
        """Patches, stacked to (n, y, x, channel): the network's inputs and `labels`."""

    def landslides(self) -> NDArray[np.bool_]:
        """Whether a patch has a landslide pixel, (len,)."""

    def groups(self) -> list[NDArray[np.intp]]:
        """Indices of patches that are read together."""

    def bytes_of(self, group: int) -> int:
        """Memory that a group takes."""

    def name(self, index: int) -> str:
        """What a patch belongs to, for messages."""


class BlockCache:
    """Blocks in memory, the longest unused leaving first.

    Parameters
    ----------
    limit
        Bytes; the block that was asked for last is kept whatever it takes.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._blocks: OrderedDict[tuple[int, int], _Block] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int], read: Callable[[], Layers]) -> Layers:
        """The block of this key, read if it is not here; other blocks can be had meanwhile."""
        with self._lock:
            block = self._blocks.setdefault(key, _Block())
            self._blocks.move_to_end(key)
        with block.lock:
            if block.layers is not None:
                return block.layers
            layers = block.layers = read()
        with self._lock:
            while len(self._blocks) > 1 and self._bytes() > self.limit:
                self._blocks.popitem(last=False)
        return layers

    def _bytes(self) -> int:
        held = [block.layers for block in self._blocks.values() if block.layers is not None]
        return sum(layer.nbytes for layers in held for layer in layers.values())


@dataclass
class _Block:
    """A block's place in the cache; who finds it empty reads it, with the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    layers: Layers | None = None


@dataclass(frozen=True)
class Windows:
    """Windows on a plane of pixels."""

    origins: NDArray[np.intp]
    """First row and column of each window, (n, 2); negative, or beyond the plane, where it pads."""
    landslides: NDArray[np.intp]
    """Landslide pixels in each window, (n,)."""
    dropped: int
    """Windows that were left out because too little of them is labelled and observed."""


class EventPatches:
    """Patches of one side of an event.

    Parameters
    ----------
    store
        The event's training Zarr, from `lscube.learn.store.open_training_store`.
    side
        Which patches.
    settings
        `window`, `overlap` and `min_labelled` are used.
    event
        The event's name.
    cache
        Where blocks are held; can be shared with other events and sides.
    """

    def __init__(
        self, store: xr.Dataset, side: Side, settings: TrainSettings, event: str, cache: BlockCache
    ) -> None:
        self._store, self._event, self._cache = store, event, cache
        self._buffers = Buffers()
        self._window, self._step = settings.window, step_of(settings)
        self._own = store["side"].values == side
        self._labels = np.where(self._own, store["labels"].values, IGNORE)
        self.windows = choose_windows(self._labels, settings)
        edge = BLOCK_WINDOWS * self._step
        first = self.windows.origins.min(axis=0, initial=0)
        blocks, self._block = np.unique(
            (self.windows.origins - first) // edge, axis=0, return_inverse=True
        )
        self._corners = blocks * edge + first

    @property
    def window(self) -> int:
        """Edge of a patch in pixels."""
        return self._window

    def __len__(self) -> int:
        return len(self.windows.origins)

    def read(self, indices: NDArray[np.intp]) -> Layers:
        """Patches, stacked to (n, y, x, channel)."""
        edge = (len(indices), self._window, self._window)
        patches: Layers = {}
        for place, index in enumerate(indices):
            number = int(self._block[index])
            block = self._cache.get((id(self), number), lambda n=number: self._read_block(n))  # type: ignore[misc]
            row, column = self.windows.origins[index] - self._corners[number]
            at = (slice(row, row + self._window), slice(column, column + self._window))
            if not patches:
                patches = {
                    name: self._buffers.empty((*edge, layer.shape[-1]), layer.dtype)
                    for name, layer in block.items()
                }
            for name, layer in block.items():
                patches[name][place] = layer[at]
        return patches

    def _read_block(self, number: int) -> Layers:
        """Load a block; other sides' pixels, and what lies beyond the plane, are blank."""
        top, left = (int(corner) for corner in self._corners[number])
        bottom, right = self._block_end(number)
        rows, columns = self._labels.shape
        real = Rect(max(top, 0), max(left, 0), min(bottom, rows), min(right, columns))
        at = slices(real)
        inside = slices(
            Rect(real.top - top, real.left - left, real.bottom - top, real.right - left)
        )
        others = ~self._own[at][..., np.newaxis]
        layers = {}
        for name in _IMAGES:
            if name in self._store:
                variable = self._store[name].variable
                pixels = variable[at].values
                shape = (bottom - top, right - left, variable.shape[-1])
                if pixels.shape == shape:
                    layers[name] = pixels
                else:
                    layers[name] = np.full(shape, np.nan, variable.dtype)
                    layers[name][inside] = pixels
                np.copyto(layers[name][inside], np.nan, where=others)
        layers["labels"] = np.full((bottom - top, right - left, 1), IGNORE, np.uint8)
        layers["labels"][inside] = self._labels[at][..., np.newaxis]
        return layers

    def _block_end(self, number: int) -> tuple[int, int]:
        """Row and column after the last ones of a block."""
        last = self.windows.origins[self._block == number].max(axis=0) + self._window
        return int(last[0]), int(last[1])

    def landslides(self) -> NDArray[np.bool_]:
        """Whether a patch has a landslide pixel, (len,)."""
        return self.windows.landslides > 0

    def groups(self) -> list[NDArray[np.intp]]:
        """Indices of the patches of each block."""
        return [np.flatnonzero(self._block == number) for number in range(len(self._corners))]

    def bytes_of(self, group: int) -> int:
        """Memory that a block takes."""
        height, width = np.subtract(self._block_end(group), self._corners[group])
        channels = sum(self._store[name].shape[-1] for name in self._store if name in _IMAGES)
        return int(height) * int(width) * (4 * channels + 1)

    def name(self, index: int) -> str:
        """The event's name."""
        return self._event

    def covered(self) -> NDArray[np.bool_]:
        """Pixels of the plane, (y, x), that are in some patch."""
        seen = np.zeros(self._labels.shape, dtype=bool)
        for row, column in self.windows.origins:
            seen[max(row, 0) : row + self._window, max(column, 0) : column + self._window] = True
        return seen

    def landslide_pixels(self) -> int:
        """Pixels labelled 1 that are in some patch."""
        return int(((self._labels == 1) & self.covered()).sum())


_IMAGES = ("pre", "post", "elevation")


class JoinedPatches:
    """Patches of several sources of the same window, one after the other."""

    def __init__(self, sources: list[PatchSource]) -> None:
        self.sources = sources
        self._starts = np.cumsum([0, *(len(source) for source in sources)])
        self._groups = [
            (number, group)
            for number, source in enumerate(sources)
            for group in range(len(source.groups()))
        ]

    @property
    def window(self) -> int:
        """Edge of a patch in pixels."""
        return self.sources[0].window

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _source(self, indices: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.searchsorted(self._starts, indices, side="right") - 1

    def read(self, indices: NDArray[np.intp]) -> Layers:
        """Patches, stacked to (n, y, x, channel), in the order asked for."""
        owner = self._source(indices)
        present = np.unique(owner)
        places = [np.flatnonzero(owner == number) for number in present]
        parts: list[Layers] = [
            self.sources[number].read(indices[place] - self._starts[number])
            for number, place in zip(present, places, strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        back = np.argsort(np.concatenate(places))
        return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}

    def landslides(self) -> NDArray[np.bool_]:
        """Whether a patch has a landslide pixel, (len,)."""
        return np.concatenate([source.landslides() for source in self.sources])

    def groups(self) -> list[NDArray[np.intp]]:
        """Groups of all sources."""
        return [
            group + start
            for source, start in zip(self.sources, self._starts[:-1], strict=True)
            for group in source.groups()
        ]

    def bytes_of(self, group: int) -> int:
        """Memory that a group takes."""
        number, own = self._groups[group]
        return self.sources[number].bytes_of(own)

    def name(self, index: int) -> str:
        """What a patch belongs to."""
        number = int(self._source(np.array([index]))[0])
        return self.sources[number].name(index - int(self._starts[number]))


def step_of(settings: TrainSettings) -> int:
    """Pixels from one window to the next."""
    return max(settings.window - round(settings.overlap * settings.window), 1)


def whole_windows(length: int, window: int, step: int) -> int:
    """Smallest length that is not below `length` and that windows at every `step` fill."""
    return window + math.ceil(max(length - window, 0) / step) * step


def choose_windows(labels: NDArray[np.uint8], settings: TrainSettings) -> Windows:
    """Cover the labelled part of a plane with windows, by xbatcher; nothing is lost at its edges.

    Parameters
    ----------
    labels
        (y, x); `IGNORE` where nothing can be learnt.
    settings
        `window`, `overlap` and `min_labelled` are used.
    """
    window, step = settings.window, step_of(settings)
    place = _widen(bounding_box(labels != IGNORE), window, step)
    block = _pad_to(labels, place)
    batches = xbatcher.BatchGenerator(
        xr.DataArray(
            block,
            dims=("y", "x"),
            coords={
                "y": np.arange(place.top, place.bottom),
                "x": np.arange(place.left, place.right),
            },
        ),
        input_dims={"y": window, "x": window},
        input_overlap={"y": window - step, "x": window - step},
    )
    origins, labelled, landslides = [], [], []
    for batch in batches:
        origins.append((int(batch["y"][0]), int(batch["x"][0])))
        labelled.append(int((batch.values != IGNORE).sum()))
        landslides.append(int((batch.values == 1).sum()))
    enough = np.array(labelled) >= settings.min_labelled * window**2
    return Windows(
        np.array(origins, dtype=np.intp)[enough],
        np.array(landslides, dtype=np.intp)[enough],
        int((~enough).sum()),
    )


def _widen(inner: Rect, window: int, step: int) -> Rect:
    """Whole windows with `inner` in the middle."""
    height, width = inner.bottom - inner.top, inner.right - inner.left
    full_height = whole_windows(height, window, step)
    full_width = whole_windows(width, window, step)
    top = inner.top - (full_height - height) // 2
    left = inner.left - (full_width - width) // 2
    return Rect(top, left, top + full_height, left + full_width)


def _pad_to(labels: NDArray[np.uint8], place: Rect) -> NDArray[np.uint8]:
    """Labels of a rectangle that can exceed the plane; `IGNORE` beyond."""
    rows, columns = labels.shape
    padded = np.full((place.bottom - place.top, place.right - place.left), IGNORE, np.uint8)
    real = Rect(
        max(place.top, 0), max(place.left, 0), min(place.bottom, rows), min(place.right, columns)
    )
    inside = Rect(
        real.top - place.top,
        real.left - place.left,
        real.bottom - place.top,
        real.right - place.left,
    )
    padded[slices(inside)] = labels[slices(real)]
    return padded
