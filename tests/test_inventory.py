"""Landslides as polygons: the same however a map is cut, and areas that say what is not known."""

import tracemalloc

import geopandas
import numpy as np
import odc.geo.xr  # noqa: F401
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from scipy import ndimage

from lscube.errors import AreaError, SettingsError
from lscube.probabilities import Calibration
from lscube.products.inventory import ATTRIBUTES, MapContext, make_inventory
from lscube.products.inventory.blocks import Block, Measure, read_blocks
from lscube.products.inventory.patches import Rule, find_patches
from lscube.settings import InventorySettings
from tests.memory_maps import PIXEL, drawn, map_of, plane_of

LEVELS = (0.0, 0.3, 0.5, 0.8, np.nan)
"""Few, so that patches of several pixels and holes are frequent."""

maps = arrays.arrays(
    float,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from(LEVELS),
    fill=st.nothing(),
)
rules = st.builds(
    InventorySettings,
    threshold=st.sampled_from((0.5, 0.8)),
    low=st.sampled_from((None, 0.3)),
    connectivity=st.sampled_from((4, 8)),
    min_area=st.sampled_from((0.0, 250.0)),
    fill_holes=st.sampled_from((0.0, 250.0, 5000.0)),
)


def frame_of(text: str, **rule) -> geopandas.GeoDataFrame:
    return make_inventory(map_of(drawn(text)), InventorySettings(**rule)).frame


@settings(max_examples=60, deadline=None)
@given(values=maps, rule=rules, block=st.integers(1, 9))
def test_cuts_do_not_matter(values, rule, block):
    """Not to counts, order, attributes, geometries, areas: to the last bit."""
    mapped = map_of(values, lazy=False)
    terrain = MapContext(
        elevation=plane_of(mapped, np.random.default_rng(3).random(values.shape) * 50)
    )
    whole, cut = (make_inventory(mapped, rule, terrain, block=size) for size in (12, block))
    assert cut.summary == whole.summary
    assert cut.frame.equals(whole.frame)
    assert (shapely.to_wkb(cut.outlines) == shapely.to_wkb(whole.outlines)).all()
    assert whole.frame.geometry.is_valid.all()
    np.testing.assert_array_equal(cut.coverage.observed, whole.coverage.observed)


@settings(max_examples=60, deadline=None)
@given(values=maps, connectivity=st.sampled_from((4, 8)), block=st.integers(1, 9))
def test_patches_are_those_of_the_whole_array(values, connectivity, block):
    rule = InventorySettings(threshold=0.5, connectivity=connectivity)
    found = make_inventory(map_of(values, lazy=False), rule, block=block).frame
    structure = np.ones((3, 3)) if connectivity == 8 else None
    labels, count = ndimage.label(np.nan_to_num(values) >= 0.5, structure=structure)
    assert len(found) == count
    # SciPy numbers them in the order of their first pixels, too.
    numbers = np.arange(1, count + 1)
    np.testing.assert_allclose(
        found["area_m2"], np.bincount(labels.ravel(), minlength=count + 1)[1:] * PIXEL, atol=0.06
    )
    np.testing.assert_allclose(
        found["mean_probability"], ndimage.mean(values, labels, numbers), atol=1e-4
    )
    burnt = np.zeros_like(labels)
    for number, outline in zip(found["id"], found.geometry, strict=True):
        x, y = np.meshgrid(map_of(values)["x"], map_of(values)["y"])
        burnt[shapely.contains_xy(outline, x, y)] = number
    np.testing.assert_array_equal(burnt, labels)


@settings(max_examples=60, deadline=None)
@given(values=maps, rule=rules, data=st.data())
def test_what_is_not_observed_can_only_widen_the_interval(values, rule, data):
    """Masking pixels that were known leaves an interval that holds the one before."""
    masks = arrays.arrays(bool, values.shape, elements=st.booleans(), fill=st.nothing())
    hidden = np.where(data.draw(masks), np.nan, values)
    known, less = (
        make_inventory(map_of(one, lazy=False), rule).summary for one in (values, hidden)
    )
    assert less.area_m2 <= known.area_m2 <= known.most_area_m2 + 1e-3
    assert known.most_area_m2 <= less.most_area_m2 + 1e-3
    assert less.observed_m2 <= known.observed_m2
    if not np.isnan(values).any():
        assert known.area_m2 == known.most_area_m2


def test_an_interval_by_hand():
    """Unobserved pixels could join two patches that are too small alone, and are landslide themselves."""
    rule = InventorySettings(min_area=250)
    mapped = map_of(drawn("##?## ..... ###.."))
    found = make_inventory(mapped, rule).summary
    assert found.landslides == 1
    assert found.area_m2 == pytest.approx(3 * PIXEL, abs=1e-3)
    assert found.most_area_m2 == pytest.approx(8 * PIXEL, abs=1e-3)
    assert found.observed_share == pytest.approx(14 / 15)
    # Outside the area of interest nothing is asked for, and nothing can be added.
    inside = np.ones((3, 5), bool)
    inside[0, 2] = False
    alone = make_inventory(map_of(drawn("##?## ..... ###.."), inside), rule).summary
    assert alone.area_m2 == alone.most_area_m2
    assert alone.inside_m2 == pytest.approx(14 * PIXEL)


def test_the_columns_and_what_a_landslide_says():
    mapped = map_of(drawn("....... .58..?? .5...?? ......."))
    found = make_inventory(mapped, InventorySettings()).frame
    assert list(found.columns) == [*ATTRIBUTES, "geometry"]
    (row,) = found.itertuples()
    assert row.id == 1
    assert row.area_m2 == pytest.approx(3 * PIXEL, abs=0.05)
    assert row.mean_probability == 0.6
    assert row.max_probability == 0.8
    assert row.calibrated is False
    assert np.isnan([row.mean_slope_deg, row.lowest_m, row.highest_m]).all()
    assert (row.pre_date, row.post_date) == (None, "2018-10-01")
    assert row.observed_share == 1.0
    assert row.model_sha256 == "f" * 64
    assert len(row.run_id) == 12
    assert found.crs.to_epsg() == 32654
    corners = [(10, 10), (30, 10), (30, 20), (20, 20), (20, 30), (10, 30)]
    outline = shapely.Polygon([(500_000 + x, 4735360 - y) for x, y in corners])
    assert row.geometry.equals(outline)


def test_observed_share_is_of_the_outline():
    """A landslide of 4 edges with a cloud beyond one of them, and one at the map's border."""
    shares = frame_of(".....# .#?... ......")["observed_share"]
    assert shares.tolist() == [0.5, 0.75]


def test_areas_are_those_on_the_ellipsoid():
    """Far from the zone's middle, against the geodesic area of the polygon."""
    values = np.zeros((30, 30))
    values[5:25, 3:28] = 1
    for west in (166_000.0, 500_000.0, 833_000.0):
        frame = make_inventory(map_of(values, west=west)).frame
        outline = frame.to_crs(4326).geometry.iloc[0]
        area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(outline)
        assert frame["area_m2"].iloc[0] == pytest.approx(abs(area), rel=2e-6)
    assert abs(area / (20 * 25 * 100) - 1) > 1e-3


def test_length_width_and_orientation():
    lengths, widths, directions = (
        frame_of("." * 9 + " .######.. .######.. " + "." * 9 + " ##....... #......#. .....##.. "
                 "....##... ...##....")[name]
        for name in ("length_m", "width_m", "orientation_deg")
    )  # fmt: skip
    scale = 0.9996
    assert lengths[0] == pytest.approx(60 / scale, abs=0.06)
    assert widths[0] == pytest.approx(20 / scale, abs=0.06)
    assert directions[0] == 90  # east-west
    assert directions[2] == 45  # a stairway from the south-west to the north-east
    assert lengths[2] > 2 * widths[2]


def test_slope_and_elevation():
    """On a plane that rises to the north by one metre per metre, all slopes are 45 degrees."""
    mapped = map_of(drawn("#.... ..... ..##. ..#.. ....#"))
    rising = plane_of(mapped, (np.arange(5)[::-1] * 10.0)[:, None])
    found = make_inventory(mapped, context=MapContext(elevation=rising), block=2).frame
    assert found["mean_slope_deg"].tolist() == [45, 45, 45]
    assert found["lowest_m"].tolist() == [40, 10, 0]
    assert found["highest_m"].tolist() == [40, 20, 0]
    gaps = rising.where(rising["x"] > 500_010)
    one = make_inventory(mapped, context=MapContext(elevation=gaps)).frame.iloc[0]
    assert np.isnan([one["mean_slope_deg"], one["lowest_m"], one["highest_m"]]).all()


def test_dates_enclose_the_event_as_closely_as_the_images_allow():
    """The latest day before and the earliest after; not of pixels that are no landslide."""
    after = np.array([["2018-10-05", "2018-10-03", "NaT", "2018-09-20"]], "datetime64[ns]")
    mapped = map_of(drawn("###."), post=after)
    before = plane_of(mapped, np.array([["2018-08-01", "2018-08-09", "2018-07-01", "2018-09-01"]],
                                       "datetime64[ns]"))  # fmt: skip
    row = make_inventory(mapped, context=MapContext(pre_date=before), block=1).frame.iloc[0]
    assert row["pre_date"] == "2018-08-09"
    assert row["post_date"] == "2018-10-03"


def test_calibrated_probabilities_are_said_and_thresholds_stay_the_networks():
    curve = Calibration(kind="isotonic", knots=(0.0, 1.0), values=(0.0, 0.5), pixels=1,
                        error_before=0, error_after=0)  # fmt: skip
    found = make_inventory(map_of(drawn(".68.")), context=MapContext(calibration=curve))
    row = found.frame.iloc[0]
    assert found.summary.calibrated
    assert row["calibrated"]
    assert row["mean_probability"] == pytest.approx(0.35)
    assert row["max_probability"] == pytest.approx(0.4)


def test_hysteresis():
    """Pixels of 0.4 belong to a landslide only where it reaches 0.8."""
    text = "4448.444. ......... 5........"
    assert frame_of(text, threshold=0.8)["area_m2"].sum() == pytest.approx(PIXEL, abs=0.06)
    found = frame_of(text, threshold=0.8, low=0.4)
    assert found["area_m2"].tolist() == pytest.approx([4 * PIXEL], abs=0.06)
    with pytest.raises(ValidationError, match="must not exceed the threshold"):
        InventorySettings(threshold=0.5, low=0.6)


def test_connectivity():
    assert len(frame_of("#. .#")) == 1
    assert len(frame_of("#. .#", connectivity=4)) == 2


HOLES = """
#########.
#.......#.
#.#####.#.
#.#...#.#.
#.#.6.#.#.
#.#...#.#.
#.#####.#.
#.......#.
#########.
.......... """


def test_holes_are_filled_by_size_and_what_lies_in_them_joins():
    rings = frame_of(HOLES)
    assert rings["area_m2"].tolist() == pytest.approx([32 * PIXEL, 16 * PIXEL, PIXEL], abs=0.1)
    # Up to 9 pixels: the hole of the inner ring, with the one in it.
    some = frame_of(HOLES, fill_holes=9.5 * PIXEL)
    assert some["area_m2"].tolist() == pytest.approx([32 * PIXEL, 25 * PIXEL], abs=0.1)
    assert some["mean_probability"].iloc[1] == pytest.approx(16.6 / 17, abs=1e-4)
    every = frame_of(HOLES, fill_holes=49.5 * PIXEL)
    assert every["area_m2"].tolist() == pytest.approx([81 * PIXEL], abs=0.1)
    assert every["mean_probability"].iloc[0] == pytest.approx(48.6 / 49, abs=1e-4)
    assert every.geometry.iloc[0].area == 8100


def test_small_ones_are_left_out_by_their_filled_area():
    ring = "### #.# ###"
    assert len(frame_of(ring, min_area=8.5 * PIXEL)) == 0
    assert len(frame_of(ring, min_area=8.5 * PIXEL, fill_holes=150)) == 1


def blobs(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Smooth noise, 0..1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return np.clip(0.5 + noise / noise.std() * 0.3, 0, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("connectivity", [4, 8])
def test_simplified_outlines_stay_valid_and_apart(seed, connectivity):
    mapped = map_of(blobs((90, 110), seed))
    plain = InventorySettings(threshold=0.6, connectivity=connectivity)
    full = make_inventory(mapped, plain).frame
    simple = make_inventory(mapped, plain.model_copy(update={"simplify": 25.0})).frame
    said = ["geometry", "rules"]
    assert simple.drop(columns=said).equals(full.drop(columns=said))
    assert simple.geometry.is_valid.all()
    assert not simple.geometry.is_empty.any()
    points = [shapely.get_num_coordinates(frame.geometry).sum() for frame in (simple, full)]
    assert points[0] < 0.6 * points[1]
    tree = shapely.STRtree(simple.geometry)
    one, other = tree.query(simple.geometry, predicate="intersects")
    overlap = shapely.area(
        shapely.intersection(
            simple.geometry.to_numpy()[one[one < other]],
            simple.geometry.to_numpy()[other[one < other]],
        )
    )
    assert overlap.sum() < 1e-6
    holes = [sum(len(part.interiors) for part in shapely.get_parts(frame.geometry))
             for frame in (simple, full)]  # fmt: skip
    assert holes[0] == holes[1]


def test_complete_landslides_are_let_go_before_the_next_row_of_blocks_is_read():
    """So memory holds what crosses the seam, not the map."""
    mapped = map_of(drawn("#...# ..... #.... ....."))
    read, every = [], Rule(0.5, 8, worth=lambda table: table["pixels"] > 0)

    def blocks():
        for block in read_blocks(mapped, 2):
            read.append(block.top)
            yield block

    seen = [
        (len(patches.table["first"]), max(read))
        for patches in find_patches(blocks(), (4, 5), every, Measure(mapped))
    ]
    assert sum(count for count, top in seen if top == 0) == 2
    assert sum(count for count, _ in seen) == 3


def test_another_grid_is_refused():
    mapped, other = map_of(np.ones((4, 5))), map_of(np.ones((4, 5)), west=500_010.0)
    with pytest.raises(AreaError, match="Expected elevation on the map's grid"):
        make_inventory(mapped, context=MapContext(elevation=plane_of(other, 1.0)))
    bare = plane_of(mapped, 1.0).drop_vars(["x", "y", "spatial_ref"])
    with pytest.raises(AreaError, match="got an array without coordinates"):
        make_inventory(mapped, context=MapContext(elevation=bare))
    with pytest.raises(SettingsError, match="10 m at least"):
        make_inventory(mapped, InventorySettings(cell=5))


def test_making_one_reads_elevations_only_where_there_are_landslides():
    mapped = map_of(np.zeros((20, 20)))

    def never(block):
        raise AssertionError("read")

    elevation = plane_of(mapped, 1.0)
    elevation = elevation.copy(data=elevation.data.map_blocks(never, meta=np.zeros((0, 0))))
    found = make_inventory(mapped, context=MapContext(elevation=elevation))
    assert found.summary.landslides == 0
    assert len(found.frame) == 0
    assert list(found.frame.columns) == [*ATTRIBUTES, "geometry"]


def peak_of(edge: int) -> int:
    """Bytes held at most while a map with landslides across its seams is gone through."""
    square = np.zeros((256, 256), np.float32)
    square[:20, :20] = square[-20:, -20:] = 1
    inside = np.ones(square.shape, bool)
    starts = range(0, edge, 256)
    blocks = (Block(top, left, square.copy(), inside) for top in starts for left in starts)

    def measure(block, rows, columns):
        return {"first": (block.top + rows) * edge + block.left + columns}

    rule = Rule(0.5, 8, worth=lambda table: table["edges"] > 0)
    tracemalloc.start()
    try:
        count = sum(len(p.outlines) for p in find_patches(blocks, (edge, edge), rule, measure))
        assert count == 2 * len(starts) ** 2 - (len(starts) - 1) ** 2
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_flat():
    """Sixteen times the area in hardly more memory."""
    peak_of(512)
    assert peak_of(2048) < 1.3 * peak_of(512)
