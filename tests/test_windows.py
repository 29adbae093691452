"""The window lattice, with stand-ins whose output depends on all that could go wrong."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from lscube.errors import AreaError
from lscube.grid import Lattice, bounds_of, snapped_grid
from lscube.mapping.windows import predict_block, probability

LATTICE = Lattice(core=8, margin=4)


def telling(windows: np.ndarray) -> np.ndarray:
    """Depends on the pixel, its position in the window, and the outermost margin pixels."""
    assert windows.shape[1:] == (2, LATTICE.window, LATTICE.window)
    rows, columns = windows.shape[2:]
    place = np.arange(rows)[:, None] * 0.013 + np.arange(columns) * 0.0017
    corners = windows[:, 0, 0, 0] + 2 * windows[:, 0, -1, -1] + 3 * windows[:, 0, 0, -1]
    value = windows[:, 0] * 0.3 + place + 0.05 * corners[:, None, None]
    return (value % 1).astype(np.float32)[:, None]


def ground(grid: GeoBox) -> np.ndarray:
    """Channels that depend on the place alone: two of data, and where a value is wanted."""
    x, y = (grid.coordinates[axis].values / grid.resolution.x for axis in ("x", "y"))
    field = np.sin(x * 0.37)[None] * np.cos(y * 0.23)[:, None]
    wanted = np.sin(x * 0.05)[None] + np.cos(y * 0.07)[:, None] > 0.5
    return np.stack([field, field**2, wanted]).astype(np.float32)


def mapped(cores: GeoBox, per_chunk: int) -> np.ndarray:
    padded = LATTICE.padded(cores)
    sizes = da.core.normalize_chunks(per_chunk * LATTICE.core, cores.shape)
    chunks = [LATTICE.padded_chunks(own) for own in sizes]
    stacked = da.from_array(ground(padded), chunks=((3,), *chunks))
    return probability(stacked, telling, LATTICE)[0].compute()


corners = st.tuples(st.integers(0, 60), st.integers(0, 60))
extents = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(max_examples=25, deadline=None)
@given(corners, extents, st.integers(1, 12))
def test_any_chunking_gives_the_same_map(corner, extent, per_chunk):
    bounds = (*corner, corner[0] + extent[0], corner[1] + extent[1])
    cores = LATTICE.cover(snapped_grid(bounds, 1.0, 32654))
    whole = predict_block(ground(LATTICE.padded(cores)), predict=telling, lattice=LATTICE)[0]
    np.testing.assert_array_equal(mapped(cores, per_chunk), whole)


@settings(max_examples=25, deadline=None)
@given(corners, corners, extents, extents)
def test_areas_that_overlap_agree(first, second, size_1, size_2):
    maps = []
    for corner, size in ((first, size_1), (second, size_2)):
        bounds = (*corner, corner[0] + size[0], corner[1] + size[1])
        cores = LATTICE.cover(snapped_grid(bounds, 1.0, 32654))
        west, _, _, north = (round(value) for value in bounds_of(cores))
        values = mapped(cores, 3)
        rows, columns = values.shape
        maps.append(
            {(west + x, north - y): values[y, x] for y in range(rows) for x in range(columns)}
        )
    shared = maps[0].keys() & maps[1].keys()
    ours, theirs = ([m[key] for key in shared] for m in maps)
    np.testing.assert_array_equal(ours, theirs)


def test_what_is_not_wanted_stays_unknown():
    cores = LATTICE.cover(snapped_grid((0, 0, 64, 64), 1.0, 32654))
    wanted = ground(cores)[2] == 1
    assert 0.1 < wanted.mean() < 0.9
    np.testing.assert_array_equal(np.isfinite(mapped(cores, 2)), wanted)


def test_windows_without_a_wanted_pixel_are_not_predicted():
    block = np.zeros((3, 16 + 8, 16 + 8), np.float32)
    block[2, :4] = 1  # wanted in the margin alone

    def never(windows):
        raise AssertionError("nothing to predict")

    assert np.isnan(predict_block(block, predict=never, lattice=LATTICE)).all()


def test_batches_do_not_matter(monkeypatch):
    cores = LATTICE.cover(snapped_grid((0, 0, 64, 64), 1.0, 32654))
    whole = mapped(cores, 8)
    monkeypatch.setattr("lscube.mapping.windows.BATCH_PIXELS", 1)
    np.testing.assert_array_equal(mapped(cores, 8), whole)


def test_chunks_that_are_not_cores_are_refused():
    stacked = da.zeros((3, 24, 30), chunks=(3, 24, 15))
    with pytest.raises(AreaError, match="Expected chunks of whole cores"):
        probability(stacked, telling, LATTICE)


def test_building_the_graph_predicts_nothing():
    def never(windows):
        raise AssertionError("called while building")

    probability(da.zeros((3, 24, 24), chunks=(3, 24, 24)), never, LATTICE)
