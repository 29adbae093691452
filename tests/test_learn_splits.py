"""Sides: training, validation and test share no pixel."""

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from lscube.errors import InventoryError
from lscube.learn.splits import Side, held_out, make_sides, within_area
from lscube.scores import IGNORE
from lscube.settings import SplitSettings


def make_grid(height=40, width=60, west=500_000, north=4_740_000):
    return GeoBox((height, width), Affine(10, 0, west, 0, -10, north), "EPSG:32654")


def in_degrees(*bounds):
    box = geopandas.GeoSeries([shapely.box(*bounds)], crs=32654)
    return tuple(box.to_crs(4326).total_bounds)


def everywhere(grid, landslides=0.3):
    return (np.random.default_rng(0).uniform(size=grid.shape) < landslides).astype(np.uint8)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_a_strip_holds_its_share_at_one_end(shape):
    grid = make_grid(*shape)
    sides = make_sides(everywhere(grid), grid, SplitSettings(validation_share=0.25))
    validation = sides == Side.VALIDATION
    assert validation.mean() == pytest.approx(0.25, abs=0.02)
    assert set(np.unique(sides)) == {Side.TRAINING, Side.VALIDATION}
    rows, columns = validation.all(axis=1), validation.all(axis=0)
    strip = rows if rows.any() else columns
    assert validation.sum() == strip.sum() * (validation.size // strip.size)  # a straight cut
    assert strip[0] != strip[-1]


def test_a_strip_has_a_typical_share_of_landslides():
    """The north and the south have none, the east has most: the west end is typical."""
    grid = make_grid(40, 60)
    known = np.zeros(grid.shape, np.uint8)
    known[15:25, :30] = np.tile([1, 0], 15)
    known[10:30, 48:] = 1
    sides = make_sides(known, grid, SplitSettings(validation_share=0.2))
    strip = known[sides == Side.VALIDATION]
    assert abs(strip.mean() - known.mean()) < 0.1
    assert strip.any()
    assert known[sides == Side.TRAINING].any()


def test_a_strip_is_wide_enough_if_that_is_possible():
    """20 % of 40 rows are 8, of 60 columns 12: only these hold 10."""
    grid = make_grid(40, 60)
    sides = make_sides(everywhere(grid), grid, SplitSettings(validation_share=0.2), None, 10)
    assert (sides == Side.VALIDATION).all(axis=0).sum() == 12


def test_one_labelled_pixel_cannot_be_divided():
    grid = make_grid()
    known = np.full(grid.shape, IGNORE, np.uint8)
    known[3, 4] = 1
    with pytest.raises(InventoryError, match="can be divided"):
        make_sides(known, grid, SplitSettings())


BLOCKS = SplitSettings(by="blocks", block=100, validation_share=0.3, test_share=0.2)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(0, 30),
    columns=st.integers(0, 30),
    seed=st.integers(0, 1000),
    north=st.sampled_from([4_740_000, 200]),
)
def test_blocks_agree_wherever_the_area_begins(rows, columns, seed, north):
    """Also across the equator, where a zone's northing passes 0."""
    chosen = BLOCKS.model_copy(update={"seed": seed})
    whole = make_grid(50, 50, 500_000, north)
    part = whole[rows : rows + 20, columns : columns + 20]
    sides = make_sides(everywhere(whole), whole, chosen)
    again = make_sides(everywhere(part), part, chosen)
    np.testing.assert_array_equal(again, sides[rows : rows + 20, columns : columns + 20])


def test_blocks_are_drawn_by_the_seed_in_their_shares():
    grid = make_grid(600, 600)
    known = everywhere(grid)
    first, again, other = (
        make_sides(known, grid, BLOCKS.model_copy(update={"seed": seed})) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    blocks = first.reshape(60, 10, 60, 10)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert (first == Side.VALIDATION).mean() == pytest.approx(0.3, abs=0.03)
    assert (first == Side.TEST).mean() == pytest.approx(0.2, abs=0.03)


def test_the_test_side_follows_from_the_settings_alone():
    grid = make_grid(60, 60)
    sides = make_sides(everywhere(grid), grid, BLOCKS)
    np.testing.assert_array_equal(held_out(grid, BLOCKS), sides == Side.TEST)
    assert not held_out(grid, SplitSettings()).any()


def test_areas_of_polygons_and_bounds_and_test_wins(tmp_path):
    grid = make_grid()
    path = tmp_path / "test.gpkg"
    box = shapely.box(500_100, 4_739_600, 500_300, 4_740_000)  # columns 10..29
    geopandas.GeoDataFrame(geometry=[box], crs=32654).to_file(path)
    west = in_degrees(499_000, 4_738_000, 500_200, 4_741_000)  # columns 0..19
    sides = make_sides(everywhere(grid), grid, SplitSettings(test=path, validation=west))
    assert (sides[:, 10:30] == Side.TEST).all()
    assert (sides[:, :10] == Side.VALIDATION).all()
    assert (sides[:, 30:] == Side.TRAINING).all()


def test_a_strip_is_chosen_beside_the_test_area():
    grid = make_grid()
    east = in_degrees(500_300, 4_739_000, 501_000, 4_741_000)
    sides = make_sides(everywhere(grid), grid, SplitSettings(test=east, validation_share=0.2))
    rest = sides[:, :29]
    assert (sides[:, 31:] == Side.TEST).all()
    assert (rest == Side.VALIDATION).mean() == pytest.approx(0.2, abs=0.03)


def test_an_area_elsewhere_is_refused_with_both_extents():
    grid = make_grid()
    with pytest.raises(InventoryError, match=r"split\.test.*141.*covers 1\.0000 to 3\.0000 east"):
        make_sides(everywhere(grid), grid, SplitSettings(test=(1, 2, 3, 4)))


def test_outside_the_training_part_is_no_side():
    grid = make_grid()
    area = (500_100, 4_739_700, 500_400, 4_739_900)
    sides = make_sides(everywhere(grid), grid, SplitSettings(), area)
    expected = np.zeros(grid.shape, bool)
    expected[10:30, 10:40] = True
    np.testing.assert_array_equal(sides != Side.NONE, expected)
    np.testing.assert_array_equal(within_area(grid, area), expected)
    with pytest.raises(InventoryError, match="inside the cube"):
        make_sides(everywhere(grid), grid, SplitSettings(), (0, 0, 1, 1))


def test_a_test_share_needs_blocks():
    with pytest.raises(ValueError, match="blocks"):
        SplitSettings(test_share=0.2)
