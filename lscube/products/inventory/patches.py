"""Patches of connected pixels, found block by block and joined across the seams.

A block is labelled together with the last row of pixels above it and the last column to its left, which
are kept; a pixel that was labelled before and is labelled again says which patches are one. A patch
that touches no seam any more is complete, and let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lscube.products.inventory.blocks import Block
from lscube.products.inventory.outlines import Outlines, dissolve, draw
from lscube.products.inventory.table import Integers, Table, reduce_by, stack, take

Measured = Callable[[Block, Integers, Integers], Table]
"""Tells columns of some pixels of a block, from their rows and columns within it."""


@dataclass(frozen=True)
class Rule:
    """What makes pixels a patch."""

    low: float
    """Probability from which a pixel is mapped."""
    connectivity: int
    """4: pixels of a patch touch by edges; 8: or by corners."""
    worth: Callable[[Table], NDArray[np.bool_]]
    """Tells of complete patches whether they are wanted; the others may be left out."""
    draw: bool = True
    """Whether outlines are wanted, and what is known of their edges."""


@dataclass(frozen=True)
class Patches:
    """Patches that are complete."""

    table: Table
    """A row each."""
    outlines: Outlines
    """Polygons or MultiPolygons in pixels of the map (x to the right, y down); empty if not wanted."""


def find_patches(
    blocks: Iterable[Block], shape: tuple[int, int], rule: Rule, measure: Measured
) -> Iterator[Patches]:
    """Find the patches of a map.

    Parameters
    ----------
    blocks
        From the map's north-west corner, row of blocks by row of blocks.
    shape
        The map's.
    rule
        What makes pixels a patch.
    measure
        What the table says of pixels.
    """
    tracer = _Tracer(shape, rule, measure)
    for block in blocks:
        yield tracer.add(block)
        if block.place[1].stop == shape[1]:
            yield tracer.end_row(last=block.place[0].stop == shape[0])


_Parts = tuple[Integers, Table, Outlines]
"""Number of the patch, what is known and outline of parts of patches."""


class _Tracer:
    """What is known between one block and the next."""

    def __init__(self, shape: tuple[int, int], rule: Rule, measure: Measured) -> None:
        self._shape, self._rule, self._measure = shape, rule, measure
        self._structure = np.ones((3, 3)) if rule.connectivity == 8 else None
        # One more than the map is wide: the corner above and to the left of the first block.
        self._above = _Line.empty(shape[1] + 1)
        self._below = _Line.empty(shape[1] + 1)
        self._left = _Line.empty(0)
        self._numbers = 0
        self._parents: dict[int, int] = {}
        self._open: list[_Parts] = []

    def add(self, block: Block) -> Patches:
        """Take a block; returns the patches that lie within it."""
        down, across = block.place
        if block.left == 0:
            self._left = _Line.empty(down.stop - down.start)
        values = self._extended(block)
        mapped = values >= self._rule.low
        labels, count = ndimage.label(mapped, structure=self._structure, output=np.int32)
        first = self._numbers + 1
        self._numbers += count
        self._join(labels, across, first)
        seam = self._on_seam(labels, count, block)
        keys, table = self._describe(block, values, mapped, labels)
        self._keep(block, labels, first)
        wanted = seam[keys] | self._rule.worth(table)
        keys, table, outlines = keys[wanted], take(table, wanted), np.array([], object)
        if self._rule.draw:
            known = np.zeros(count + 1, np.int32)
            known[keys] = keys
            rows, columns = block.probability.shape
            own = known[labels[1 : rows + 1, 1 : columns + 1]]
            outlines = draw(own, keys, block.left, block.top)
        at_seam = seam[keys]
        parts = (keys + (first - 1), table, outlines)
        if at_seam.any():
            self._open.append(self._some(parts, at_seam))
        return Patches(*self._some(parts, ~at_seam)[1:])

    def end_row(self, last: bool) -> Patches:
        """End a row of blocks; returns the patches across seams that do not reach the next one."""
        self._above, self._below = self._below, _Line.empty(self._shape[1] + 1)
        if not self._open:
            return Patches(stack([]), np.array([], object))
        ids, tables, drawn = zip(*self._open, strict=True)
        roots = np.array([self._root(n) for n in np.concatenate(ids).tolist()], np.int64)
        table, outlines = stack(tables), np.concatenate(drawn)
        reached = [] if last else np.unique(self._above.numbers[self._above.numbers > 0]).tolist()
        self._parents = {number: self._root(number) for number in reached}
        stays = np.isin(roots, list(self._parents.values()))
        self._open = [self._some((roots, table, outlines), stays)] if stays.any() else []
        roots, table, outlines = self._some((roots, table, outlines), ~stays)
        joined = reduce_by(roots, table)[1]
        return Patches(joined, dissolve(roots, outlines) if self._rule.draw else outlines)

    def _some(self, parts: _Parts, rows: NDArray[np.bool_]) -> _Parts:
        """Some rows of parts of patches."""
        numbers, table, outlines = parts
        return numbers[rows], take(table, rows), outlines[rows] if self._rule.draw else outlines

    def _extended(self, block: Block) -> NDArray[np.floating]:
        """The block's probabilities with the pixels above and to the left, and the map's border as NaN."""
        down, across = block.place
        beyond = (int(down.stop == self._shape[0]), int(across.stop == self._shape[1]))
        rows, columns = block.probability.shape
        values = np.full((rows + 1 + beyond[0], columns + 1 + beyond[1]), np.nan, np.float64)
        values[1 : rows + 1, 1 : columns + 1] = block.probability
        values[0, : columns + 1] = self._above.values[across.start : across.stop + 1]
        values[1 : rows + 1, 0] = self._left.values
        return values

    def _join(self, labels: NDArray[np.int32], across: slice, first: int) -> None:
        """Say which patches the kept pixels tie together."""
        rows = len(self._left.numbers)
        columns = across.stop - across.start
        before = np.concatenate(
            [self._above.numbers[across.start : across.stop + 1], self._left.numbers]
        )
        now = np.concatenate([labels[0, : columns + 1], labels[1 : rows + 1, 0]]).astype(np.int64)
        tied = (before > 0) & (now > 0)
        pairs = np.unique(np.stack([before[tied], now[tied] + first - 1], axis=1), axis=0)
        for one, other in pairs.tolist():
            low, high = sorted((self._root(one), self._root(other)))
            self._parents[high] = low

    def _on_seam(self, labels: NDArray[np.int32], count: int, block: Block) -> NDArray[np.bool_]:
        """Whether each label, from 0, touches pixels of another block, known or to come."""
        down, across = block.place
        rows, columns = block.probability.shape
        seam = np.zeros(count + 1, bool)
        seam[labels[0]] = seam[labels[:, 0]] = True
        if down.stop < self._shape[0]:
            seam[labels[rows]] = True
        if across.stop < self._shape[1]:
            seam[labels[:, columns]] = True
        return seam

    def _describe(
        self,
        block: Block,
        values: NDArray[np.floating],
        mapped: NDArray[np.bool_],
        labels: NDArray[np.int32],
    ) -> tuple[Integers, Table]:
        """Labels, rising, and what is known of their pixels in the block and of their edges."""
        rows, columns = block.probability.shape
        own = labels[1 : rows + 1, 1 : columns + 1].ravel()
        at = np.flatnonzero(own)
        found = self._measure(block, *np.divmod(at, columns))
        keys, table = reduce_by(own[at].astype(np.int64), found)
        if not self._rule.draw:
            return keys, stack([table])
        edge_keys, edges = _edges(values, mapped, labels)
        return reduce_by(np.concatenate([keys, edge_keys]), stack([table, edges]))

    def _keep(self, block: Block, labels: NDArray[np.int32], first: int) -> None:
        """Keep the block's last row and last column for those that come."""
        across = block.place[1]
        rows, columns = block.probability.shape
        bottom = _numbers(labels[rows, 1 : columns + 1], first)
        place = slice(across.start + 1, across.stop + 1)
        self._below.values[place] = block.probability[-1]
        self._below.numbers[place] = bottom
        self._left = _Line(
            block.probability[:, -1].astype(np.float64),
            _numbers(labels[1 : rows + 1, columns], first),
        )

    def _root(self, number: int) -> int:
        """The patch that a number stands for."""
        while (parent := self._parents.get(number, number)) != number:
            grand = self._parents.get(parent, parent)
            self._parents[number] = grand
            number = grand
        return number


@dataclass
class _Line:
    """Pixels along a seam."""

    values: NDArray[np.float64]
    """Probabilities."""
    numbers: Integers
    """Of the patches, through all blocks; 0 where none is."""

    @classmethod
    def empty(cls, length: int) -> _Line:
        """Beyond the map: nothing observed, nothing mapped."""
        return cls(np.full(length, np.nan), np.zeros(length, np.int64))


def _numbers(labels: NDArray[np.int32], first: int) -> Integers:
    return np.where(labels > 0, labels.astype(np.int64) + (first - 1), 0)


def _edges(
    values: NDArray[np.floating], mapped: NDArray[np.bool_], labels: NDArray[np.int32]
) -> tuple[Integers, Table]:
    """Edges between mapped and other pixels; between two kept ones they were counted before."""
    # Pairs below each other without the column to the left, pairs side by side without the row above.
    pairs = (
        ((slice(None, -1), slice(1, None)), (slice(1, None), slice(1, None))),
        ((slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None))),
    )
    keys, unobserved = [], []
    for one, other in pairs:
        at = np.nonzero(mapped[one] != mapped[other])
        keys.append(np.maximum(labels[one][at], labels[other][at]).astype(np.int64))
        unobserved.append(np.isnan(values[one][at]) | np.isnan(values[other][at]))
    unseen = np.concatenate(unobserved).astype(np.int64)
    columns = {"edges": np.ones(len(unseen), np.int64), "unobserved_edges": unseen}
    return reduce_by(np.concatenate(keys), columns)
