"""What is known of patches of mapped pixels, in columns that can be joined in any order.

All sums are of whole numbers (fixed point), so that they do not depend on the order either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Table = dict[str, Column]
"""A column of `COLUMNS` each, a row per patch."""

Integers = NDArray[np.int64]

PROBABILITY = 2**24
"""Fixed point of probabilities: what float32 resolves below 1."""
SLOPE = 2**16
"""Fixed point of degrees."""
AREA = 2**16
"""Fixed point of square metres."""

_MOST = np.iinfo(np.int64).max
NO_DAY = (-_MOST, _MOST)
"""Day before and after, where none is known."""

COLUMNS: dict[str, tuple[np.ufunc, Any]] = {
    "first": (np.minimum, _MOST),
    "pixels": (np.add, 0),
    "area": (np.add, 0),
    "probability": (np.add, 0),
    "most_probable": (np.maximum, -np.inf),
    "sloped": (np.add, 0),
    "slope": (np.add, 0),
    "lowest": (np.minimum, np.inf),
    "highest": (np.maximum, -np.inf),
    "before": (np.maximum, NO_DAY[0]),
    "after": (np.minimum, NO_DAY[1]),
    "edges": (np.add, 0),
    "unobserved_edges": (np.add, 0),
}
"""How each column is joined, and its value where nothing is known:

- first: place of the first pixel, rows x the map's width + columns;
- pixels, area, probability, most_probable: number, sums (`AREA`, `PROBABILITY`), maximum;
- sloped, slope: pixels with a slope, and its sum (`SLOPE`);
- lowest, highest: metres;
- before, after: the latest and the earliest day since 1970-01-01;
- edges, unobserved_edges: of the outline, in pixels, and those beyond which nothing was observed.
"""


def reduce_by(keys: Integers, columns: Mapping[str, Column]) -> tuple[Integers, Table]:
    """Join rows that have the same key; returns the keys, rising, and the columns given."""
    # Neighbours first: pixels of a patch stand side by side, and there is less to sort.
    keys, joined = _join_neighbours(keys, columns)
    order = np.argsort(keys, kind="stable")
    return _join_neighbours(keys[order], take(joined, order))


def _join_neighbours(keys: Integers, columns: Mapping[str, Column]) -> tuple[Integers, Table]:
    """Join rows that follow each other with the same key."""
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    if len(starts) == len(keys):
        return keys, dict(columns)
    joined = {name: COLUMNS[name][0].reduceat(column, starts) for name, column in columns.items()}
    return keys[starts], joined


def stack(tables: Iterable[Mapping[str, Column]]) -> Table:
    """Rows of several tables; a column that one lacks holds there what joins without effect."""
    found = list(tables)
    return {
        name: np.concatenate([_column(table, name) for table in found])
        if found
        else np.array([], np.asarray(COLUMNS[name][1]).dtype)
        for name in COLUMNS
    }


def take(table: Mapping[str, Column], rows: NDArray[Any]) -> Table:
    """Some rows."""
    return {name: column[rows] for name, column in table.items()}


def _column(table: Mapping[str, Column], name: str) -> Column:
    if name in table:
        return table[name]
    length = len(next(iter(table.values())))
    return np.full(length, COLUMNS[name][1])
