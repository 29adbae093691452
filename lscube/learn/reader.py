"""Batches of patches: one NumPy reader, and thin wraps around it.

The order of patches follows from (seed, epoch), so any batch can be had again on its own.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lscube.learn.patches import Layers, PatchSource

Order = NDArray[np.intp]


class Reader:
    """Batches of a source of patches.

    Parameters
    ----------
    source
        Where the patches come from.
    batch_size
        Patches per batch; an epoch's last batch can hold fewer.
    seed
        Seed of the order.
    shuffle
        Draw a new order for each epoch, or keep the source's.
    landslide_share
        Share of an epoch's patches that have landslides; None: as they come. Of the kind that is
        too many, some are drawn anew for each epoch.
    memory
        Bytes of blocks held at once. Beyond it, patches are shuffled within pools of blocks.
    multiple
        Batches hold a multiple of so many patches, one part for each device. What does not fill
        one at the end of an epoch is left out of it when shuffled, and filled up when not.
    """

    def __init__(
        self,
        source: PatchSource,
        batch_size: int,
        seed: int = 0,
        *,
        shuffle: bool,
        landslide_share: float | None = None,
        memory: float = math.inf,
        multiple: int = 1,
    ) -> None:
        self.source = source
        self.batch_size = math.ceil(batch_size / multiple) * multiple
        self._multiple = multiple
        self._seed, self._shuffle, self._share = seed, shuffle, landslide_share
        self._pools = _pools(source, memory / 2)  # while one is in use, the next is read
        self.order = lru_cache(maxsize=2)(self._order)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.order(0)) / self.batch_size)

    def _order(self, epoch: int) -> Order:
        """Order of the patches in an epoch."""
        order = self._drawn(epoch)
        over = len(order) % self._multiple
        if over and self._shuffle and len(order) > over:
            return order[:-over]
        return np.resize(order, len(order) + self._multiple - over) if over else order

    def _drawn(self, epoch: int) -> Order:
        everything = np.arange(len(self.source))
        if not self._shuffle:
            return everything
        rng = np.random.default_rng((self._seed, epoch))
        used = np.zeros(len(self.source), bool)
        used[everything if self._share is None else self._draw(rng)] = True
        if self._pools is None:
            return rng.permutation(np.flatnonzero(used))
        pools = [rng.permutation(pool[used[pool]]) for pool in self._pools(rng)]
        return np.concatenate(pools)

    def _draw(self, rng: np.random.Generator) -> Order:
        """Patches of an epoch in which the wanted share has landslides."""
        assert self._share is not None
        has = self.source.landslides()
        landslides, others = np.flatnonzero(has), np.flatnonzero(~has)
        if not len(landslides):
            return others
        fitting = round(len(landslides) * (1 - self._share) / self._share)
        if fitting <= len(others):
            return np.concatenate([landslides, rng.choice(others, fitting, replace=False)])
        fitting = max(1, round(len(others) * self._share / (1 - self._share)))
        return np.concatenate([rng.choice(landslides, fitting, replace=False), others])

    def batch(self, epoch: int, step: int) -> Layers:
        """Batch number `step` of an epoch: the network's inputs, and `labels`."""
        return self.source.read(self._chosen(epoch, step))

    def names(self, epoch: int, step: int) -> list[str]:
        """What the patches of a batch belong to, each name once."""
        return sorted({self.source.name(int(index)) for index in self._chosen(epoch, step)})

    def _chosen(self, epoch: int, step: int) -> Order:
        return self.order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]


def _pools(source: PatchSource, memory: float) -> Any:
    """None where all blocks fit into memory; else what draws pools of blocks that do."""
    groups = source.groups()
    sizes = [source.bytes_of(number) for number in range(len(groups))]
    if sum(sizes) <= memory:
        return None

    def draw(rng: np.random.Generator) -> list[Order]:
        pools: list[list[Order]] = [[]]
        held = 0
        for number in rng.permutation(len(groups)):
            if pools[-1] and held + sizes[number] > memory:
                pools.append([])
                held = 0
            pools[-1].append(groups[number])
            held += sizes[number]
        return [np.concatenate(pool) for pool in pools]

    return draw


def as_tf_data(reader: Reader, first: int, last: int) -> Any:
    """Wrap the epochs `first` to `last` - 1 of a reader, one after the other, as `tf.data.Dataset`.

    Batches are read by two threads, ahead of the step that needs them; pass
    `steps_per_epoch=reader.steps` to `fit`.
    """
    import tensorflow as tf

    sample = reader.source.read(reader.order(first)[:1])
    types = [layer.dtype for layer in sample.values()]

    def read(index: Any) -> list[NDArray[Any]]:
        return list(reader.batch(*divmod(int(index), reader.steps)).values())

    def load(index: Any) -> dict[str, Any]:
        layers = tf.numpy_function(read, [index], types, stateful=False)
        for layer, shown in zip(layers, sample.values(), strict=True):
            layer.set_shape((None, *shown.shape[1:]))
        return dict(zip(sample, layers, strict=True))

    indices = tf.data.Dataset.range(first * reader.steps, last * reader.steps)
    return indices.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def as_py_dataset(reader: Reader, first: int) -> Any:
    """Wrap a reader as `keras.utils.PyDataset`, from epoch `first` on, where TensorFlow is not used."""
    from lscube.learn.backend import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=2, use_multiprocessing=False, max_queue_size=4)
            self.epoch = first

        def __len__(self) -> int:
            return reader.steps

        def __getitem__(self, step: int) -> tuple[Layers]:
            return (reader.batch(self.epoch, step),)

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Batches()
