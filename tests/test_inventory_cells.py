"""Areas of polygons in the cells of a grid are those of the cells' intersections with them."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from lscube.products.inventory.attributes import to_map
from lscube.products.inventory.cell_areas import cell_areas
from lscube.products.inventory.outlines import draw

WEST, NORTH = 500_000.0, 4_700_000.0


def cells_of(rows: int, columns: int, size: float) -> GeoBox:
    return GeoBox((rows, columns), Affine(size, 0, WEST, 0, -size, NORTH), "EPSG:32654")


def one_by_one(outlines, cells: GeoBox) -> np.ndarray:
    """The simple way: every polygon cut by every cell."""
    size, (rows, columns) = cells.affine.a, cells.shape
    row, column = np.mgrid[:rows, :columns]
    x, y = WEST + column * size, NORTH - row * size
    boxes = shapely.box(x, y - size, x + size, y)
    return sum(
        (shapely.area(shapely.intersection(each, boxes)) for each in outlines),
        np.zeros(cells.shape),
    )


def test_a_square_with_a_hole_and_an_island():
    """A ring of 8 cells around one that is half filled, in cells of 20 m."""
    ring = shapely.box(20, -80, 80, -20) - shapely.box(40, -60, 60, -40)
    island = shapely.box(40, -60, 50, -40)
    moved = shapely.affinity.translate(shapely.union_all([ring, island]), WEST, NORTH)
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 400
    expected[2, 2] = 200
    found = cell_areas(np.array([moved]), cells_of(5, 5, 20.0))
    assert found.tolist() == expected.tolist()  # to the last digit


def test_a_triangle_is_cut_on_its_slope():
    triangle = shapely.Polygon([(0, 0), (0, -20), (20, -20)])
    moved = shapely.affinity.translate(triangle, WEST, NORTH)
    np.testing.assert_allclose(
        cell_areas(np.array([moved]), cells_of(2, 2, 10.0)), [[50, 0], [100, 50]], atol=1e-9
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), cell=st.sampled_from([10.0, 20.0, 30.0, 75.0, 1000.0]))
@example(seed=1, cell=10.0)
def test_outlines_of_pixels_are_counted_exactly(seed, cell):
    """Patches with holes, parts that touch at corners and edges along the cells'."""
    draw_ = np.random.default_rng(seed)
    labels = (gaussian_filter(draw_.random((23, 31)), draw_.choice([0.1, 0.8, 2.0])) > 0.5) * (
        1 + draw_.integers(0, 3, (23, 31))
    )
    wanted = np.arange(1, 4)
    pixels = GeoBox(labels.shape, Affine(10, 0, WEST, 0, -10, NORTH), "EPSG:32654")
    outlines = to_map(draw(labels.astype(np.int32), wanted, 0, 0), pixels)
    cells = cells_of(int(-(-230 // cell)), int(-(-310 // cell)), cell)
    found = cell_areas(outlines, cells)
    np.testing.assert_allclose(found, one_by_one(outlines, cells), atol=1e-6)
    assert found.sum() == pytest.approx(100 * np.count_nonzero(labels))
    assert ((found == 0) | (found >= 1)).all()  # no residue of rounding


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), edges=st.sampled_from([3, 1000]))
def test_any_polygons_are_counted(
    seed,
    edges,
):
    """Discs with holes, scattered and overlapping, whatever the way round of their rings."""
    draw_ = np.random.default_rng(seed)
    places = draw_.uniform(60, 240, (6, 2)) * (1, -1) + (WEST, NORTH)
    discs = shapely.buffer(shapely.points(places), draw_.uniform(5, 50, 6), quad_segs=5)
    outlines = shapely.difference(discs, shapely.buffer(shapely.points(places), 4))
    outlines[0] = shapely.union_all(outlines[:2])
    outlines[2:4] = shapely.reverse(outlines[2:4])
    cells = cells_of(18, 18, 17.3)
    found = cell_areas(outlines, cells, edges)
    np.testing.assert_allclose(found, one_by_one(outlines, cells), atol=1e-4)


def test_a_large_polygon_in_small_cells_takes_no_time_of_its_bounding_box():
    """Cells by the million, of which an outline meets few: cut one by one they would take minutes."""
    cells = cells_of(1500, 1500, 20.0)
    comb = shapely.union_all(
        [shapely.box(WEST + 40 * n, NORTH - 30_000, WEST + 40 * n + 20, NORTH) for n in range(750)]
    )
    found = cell_areas(np.array([comb]), cells)
    assert (found[:, ::2] == 400).all()
    assert not found[:, 1::2].any()
