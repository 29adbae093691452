"""Flow of water over a surface: depression filling, D8 receivers, contributing area, incision.

Every node of the grid passes its water to one receiver, so quantities along flow paths are
compositions of simple functions. They are evaluated for all nodes at once by pointer doubling
(after k rounds each node knows its path of 2**k steps), which needs no loop over nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from lscube.simulate.noise import BoolArray, IntArray, Shape

DoubleArray: TypeAlias = NDArray[np.float64]
"""Array of double-precision numbers (elevations while they are being eroded)."""

_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


@dataclass(frozen=True)
class Flow:
    """Where each node's water goes; nodes are numbered row by row."""

    receiver: IntArray
    """Number of the node that receives the water; a node's own number where water leaves."""
    distance: DoubleArray
    """Metres to the receiver."""


def border(shape: Shape) -> BoolArray:
    """Mark the outermost ring of a grid."""
    mask = np.ones(shape, dtype=bool)
    mask[1:-1, 1:-1] = False
    return mask


def _edges(shape: Shape) -> tuple[IntArray, IntArray]:
    """List each pair of neighbouring nodes once."""
    number = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = [
        (number[:, :-1], number[:, 1:]),
        (number[:-1], number[1:]),
        (number[:-1, :-1], number[1:, 1:]),
        (number[:-1, 1:], number[1:, :-1]),
    ]
    first = np.concatenate([a.ravel() for a, _ in pairs])
    second = np.concatenate([b.ravel() for _, b in pairs])
    return first, second


def fill(elevation: DoubleArray, outlets: BoolArray, step: float = 1e-3) -> DoubleArray:
    """Raise depressions until every node has a way down to an outlet.

    The lowest pass between two nodes lies on the minimum spanning tree whose edges weigh as much
    as their higher end, so the tree rooted at the outlets says how far each node must rise.

    Parameters
    ----------
    elevation
        Surface in metres, (y, x).
    outlets
        Nodes where water may leave, at least one.
    step
        Fall in metres from a raised node to the next one on its way out.

    Returns
    -------
    DoubleArray
        The surface, nowhere below `elevation`.
    """
    first, second = _edges(elevation.shape)
    z = elevation.ravel()
    root = z.size
    exits = np.flatnonzero(outlets)
    weight = np.concatenate([np.maximum(z[first], z[second]), z[exits]])
    ends = (
        np.concatenate([first, np.full(exits.size, root)]),
        np.concatenate([second, exits]),
    )
    graph = scipy.sparse.coo_matrix((weight - z.min() + 1.0, ends), shape=(root + 1, root + 1))
    tree = minimum_spanning_tree(graph.tocsr())
    _, parent = breadth_first_order(tree, root, directed=False)
    pointer = parent[:root].astype(np.int64)
    pointer = np.where(pointer == root, np.arange(root), pointer)
    rise = np.where(pointer == np.arange(root), -np.inf, step)
    level = z.copy()
    while True:  # composes z -> max(level, z + rise) along the paths to the root
        level = np.maximum(level, level[pointer] + rise)
        rise = rise + rise[pointer]
        following = pointer[pointer]
        if np.array_equal(following, pointer):
            return level.reshape(elevation.shape)
        pointer = following


def steepest(elevation: DoubleArray, outlets: BoolArray, spacing: float) -> Flow:
    """Send each node's water to the neighbour of steepest descent (D8).

    Parameters
    ----------
    elevation
        Surface in metres, (y, x).
    outlets
        Nodes that keep their water.
    spacing
        Distance between nodes in metres.
    """
    rows, cols = elevation.shape
    padded = np.pad(elevation, 1, constant_values=np.inf)
    number = np.arange(elevation.size).reshape(elevation.shape)
    best = np.zeros(elevation.shape)
    receiver = number.copy()
    distance = np.full(elevation.shape, spacing)
    for dy, dx in _NEIGHBOURS:
        length = spacing * float(np.hypot(dy, dx))
        fall = elevation - padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + cols]
        gradient = fall / length
        steeper = (gradient > best) & ~outlets
        best[steeper] = gradient[steeper]
        receiver[steeper] = number[steeper] + dy * cols + dx
        distance[steeper] = length
    return Flow(receiver.ravel(), distance.ravel())


def accumulate(flow: Flow) -> DoubleArray:
    """Count the nodes whose water passes each node, itself included."""
    count = flow.receiver.size
    own = np.arange(count)
    pointer = np.append(np.where(flow.receiver == own, count, flow.receiver), count)
    passing = np.append(np.ones(count), 0.0)
    while not np.all(pointer == count):
        passing = passing + np.bincount(pointer, weights=passing, minlength=count + 1)
        passing[count] = 0.0
        pointer = pointer[pointer]
    return passing[:count]


def incise(
    elevation: DoubleArray, flow: Flow, rate: DoubleArray, failure: DoubleArray
) -> DoubleArray:
    """Let every node cut down towards its receiver for one time step.

    The implicit step of the stream power law with exponent 1 (Braun and Willett 2013,
    doi:10.1016/j.geomorph.2012.10.008), ``z = (z0 + rate * z_receiver) / (1 + rate)``, followed by
    hillslopes failing at a largest gradient, ``z <= z_receiver + failure * distance``.

    Parameters
    ----------
    elevation
        Surface in metres after uplift, (y, x).
    flow
        Its receivers.
    rate
        Erodibility times time step times area**m over distance, per node; dimensionless.
    failure
        Largest gradient (rise over run), per node.
    """
    own = np.arange(flow.receiver.size)
    root = flow.receiver == own
    constant = np.where(root, elevation.ravel(), elevation.ravel() / (1.0 + rate))
    factor = np.where(root, 0.0, rate / (1.0 + rate))
    pointer = flow.receiver
    while True:  # composes z -> constant + factor * z
        constant = constant + factor * constant[pointer]
        factor = factor * factor[pointer]
        following = pointer[pointer]
        if np.array_equal(following, pointer):
            break
        pointer = following
    return _fail(constant, flow, failure).reshape(elevation.shape)


def _fail(level: DoubleArray, flow: Flow, failure: DoubleArray) -> DoubleArray:
    """Lower nodes that stand too steeply above their receiver."""
    pointer = flow.receiver
    root = pointer == np.arange(pointer.size)
    rise = np.where(root, np.inf, failure * flow.distance)
    while True:  # composes z -> min(level, z + rise)
        level = np.minimum(level, level[pointer] + rise)
        rise = rise + rise[pointer]
        following = pointer[pointer]
        if np.array_equal(following, pointer):
            return level
        pointer = following
