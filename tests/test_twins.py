"""The twins of the paper's areas: each what its real event asks for, and each made once."""

import dataclasses

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
import rasterio.features
import rasterio.warp
import shapely

from lscube.catalog import find_scenes, read_items
from lscube.cube import open_cube, prepare_reading
from lscube.errors import SettingsError
from lscube.events import make_event, read_registry
from lscube.grid import make_grid, read_area
from lscube.settings import CubeSettings, SourceSettings
from lscube.simulate import SimulatedEvent, SimulationSettings, Trigger, simulate_event
from lscube.simulate.noise import coarsen
from lscube.simulate.twins import SIZES, TWINS, make_twin


@pytest.fixture(scope="session")
def made(twins) -> dict[str, SimulatedEvent]:
    return {letter: make_twin(letter, "tiny", twins) for letter in TWINS}


def items(event: SimulatedEvent) -> dict[str, pystac.Item]:
    return {item.id: item for item in read_items(event.catalog)}


def pixels(item: pystac.Item, asset: str) -> np.ndarray:
    with rasterio.open(item.assets[asset].href) as file:
        return file.read(1)


def test_each_is_a_twin_of_an_area_of_the_paper():
    registry = {event.paper_area: event for event in read_registry().values()}
    assert list(TWINS) == sorted(registry)
    for letter, twin in TWINS.items():
        event = registry[letter].event
        assert twin.event_id == registry[letter].id
        assert event.start <= twin.settings.event_time <= event.end or (
            abs((twin.settings.event_time - event.start).total_seconds()) < 60
        )
        assert (twin.settings.test_share > 0) == (registry[letter].role == "train and test")


@pytest.mark.parametrize("letter", TWINS)
def test_scenes_are_found_on_both_sides(made, letter):
    twin, event = TWINS[letter], made[letter]
    when = make_event(letter, f"{twin.settings.event_time:%Y-%m-%dT%H:%M:%SZ}")
    area = read_area(event.area)
    source = SourceSettings(catalogs=(event.catalog,), collections=twin.collections)
    scenes = find_scenes(area, when, source)
    assert scenes.pre
    assert scenes.post
    assert scenes.dsm
    zone = {item.properties["proj:code"] for item in (*scenes.pre, *scenes.post)}
    assert len(zone) == (2 if letter == "B" else 1)
    pair = SourceSettings(catalogs=(event.catalog,))
    assert find_scenes(area, when, pair).post  # of Sentinel-2, whatever the main pair is


@pytest.mark.parametrize("letter", "BCG")
def test_the_same_settings_give_the_same_bytes(made, tmp_path, letter):
    """Of two zones, a finer sensor, and snow."""
    again = make_twin(letter, "tiny", tmp_path)
    for path in made[letter].items.parent.rglob("*.*"):
        other = again.items.parent / path.relative_to(made[letter].items.parent)
        assert path.is_dir() or path.read_bytes() == other.read_bytes(), path.name


def test_a_second_call_makes_nothing_new(twins, made):
    before = {path: path.stat().st_mtime_ns for path in twins.rglob("*")}
    assert make_twin("E", "tiny", twins) == made["E"]
    assert {path: path.stat().st_mtime_ns for path in twins.rglob("*")} == before


@pytest.mark.parametrize(("letter", "size"), [("H", "tiny"), ("A", "huge")])
def test_no_other_twins(tmp_path, letter, size):
    with pytest.raises(SettingsError, match="A, B, C, D, E, F, G and a size tiny, small, large"):
        make_twin(letter, size, tmp_path)


def test_sizes_in_metres():
    for twin in TWINS.values():
        for size, edge in SIZES.items():
            rows, columns = twin.sized(size).shape
            assert rows == columns
            assert rows * twin.settings.resolution == pytest.approx(10 * edge * twin.edge, rel=0.03)


def test_triggers_differ_as_the_real_ones_do(made):
    inventories = {letter: geopandas.read_file(event.inventory) for letter, event in made.items()}
    count = {letter: len(frame) for letter, frame in inventories.items()}
    median = {letter: frame.area.median() for letter, frame in inventories.items()}
    assert count["G"] == 1
    assert count["D"] == max(count.values())
    # Rain: few and large. Shaking: many and small.
    assert median["A"] > 2 * max(median[letter] for letter in "BCDE")
    assert inventories["G"].area.sum() > 5 * inventories["E"].area.max()


def test_the_debris_flow_goes_far_beyond_its_source(made):
    (flow,) = geopandas.read_file(made["G"].inventory).geometry
    hull = shapely.oriented_envelope(flow)
    sides = sorted(
        shapely.length(shapely.LineString(hull.exterior.coords[i : i + 2])) for i in (0, 1)
    )
    assert sides[1] > 600
    assert flow.area < 0.6 * hull.area


def test_snow_before_the_flow_lies_on_its_head(made):
    scenes = items(made["G"])
    (flow,) = geopandas.read_file(made["G"].inventory).geometry
    with rasterio.open(scenes["pre-2"].assets["scl"].href) as file:
        scl = file.read(1)
        inside = rasterio.features.rasterize([flow], scl.shape, transform=file.transform) > 0
        height = np.zeros(scl.shape, np.float32)
        with rasterio.open(scenes["dsm"].assets["data"].href) as dsm:
            rasterio.warp.reproject(
                dsm.read(1).astype(np.float32),
                height,
                src_transform=dsm.transform,
                src_crs=dsm.crs,
                dst_transform=file.transform,
                dst_crs=file.crs,
            )
    snow = scl == 11
    assert 0.1 < snow.mean() < 0.4
    head = inside & (height > np.quantile(height[inside], 0.8))
    assert snow[head].mean() > 0.5
    assert not snow[inside & (height < np.quantile(height[inside], 0.5))].any()
    assert not (pixels(scenes["post-2"], "scl") == 11).any()


def test_baselines_are_mixed_and_told(made):
    before, after = items(made["D"])["pre-2"], items(made["D"])["post-2"]
    assert before.properties["s2:processing_baseline"] == "02.06"
    assert after.properties["s2:processing_baseline"] == "05.00"
    assert before.assets["red"].extra_fields["raster:bands"][0]["offset"] == 0
    assert after.assets["red"].extra_fields["raster:bands"][0]["offset"] == -0.1
    dark = [
        np.percentile(pixels(item, "nir")[pixels(item, "nir") > 0], 1) for item in (before, after)
    ]
    assert dark[0] < 800
    assert dark[1] > 1000


def test_reflectance_does_not_depend_on_the_baseline(made):
    """The same forest before and after, though digital numbers differ by 1000."""
    twin, event = TWINS["D"], made["D"]
    when = make_event("D", f"{twin.settings.event_time:%Y-%m-%dT%H:%M:%SZ}")
    scenes = find_scenes(read_area(event.area), when, SourceSettings(catalogs=(event.catalog,)))
    grid = make_grid(scenes.area, 10.0)
    cube = open_cube(
        scenes, grid, CubeSettings(), reading=prepare_reading(scenes, grid, CubeSettings())
    )
    change = (cube["post"] - cube["pre"]).where(cube["observed"] == 0).compute()
    assert abs(float(change.median())) < 0.01


def test_finer_images_of_another_satellite(made):
    fine = items(made["A"])["fine-post"]
    coarse = items(made["A"])["post-2"]
    assert fine.collection_id == "fine-optical"
    assert "scl" not in fine.assets
    assert fine.properties["gsd"] == 5.0
    assert pixels(fine, "red").shape == tuple(2 * n for n in pixels(coarse, "red").shape)
    assert pixels(coarse, "scl").shape[0] * 4 == pixels(fine, "red").shape[0]


def test_two_zones_show_the_same_ground(made):
    """Where both tiles see it, a pixel of one zone has the value that it has in the other."""
    scenes = items(made["B"])
    west, east = scenes["post-2-59"], scenes["post-2-60"]
    with (
        rasterio.open(east.assets["red"].href) as there,
        rasterio.open(west.assets["red"].href) as here,
    ):
        moved = np.zeros(here.shape, np.uint16)
        rasterio.warp.reproject(
            there.read(1),
            moved,
            src_transform=there.transform,
            src_crs=there.crs,
            dst_transform=here.transform,
            dst_crs=here.crs,
            src_nodata=0,
            dst_nodata=0,
            resampling=rasterio.warp.Resampling.cubic,
        )
        both = (moved > 0) & (here.read(1) > 0)
        assert both.mean() > 0.05
        assert np.corrcoef(moved[both], here.read(1)[both])[0, 1] > 0.97


def test_inventories_are_off_by_some_metres(tmp_path):
    base = SimulationSettings(shape=(192, 192))
    right = simulate_event(tmp_path / "right", base)
    off = simulate_event(tmp_path / "off", dataclasses.replace(base, inventory_error=5.0))
    polygons, moved = (geopandas.read_file(event.inventory) for event in (right, off))
    away = np.hypot(moved.centroid.x - polygons.centroid.x, moved.centroid.y - polygons.centroid.y)
    assert 0 < away.median() < 15
    assert away.std() > 0
    assert np.allclose(polygons.area, moved.area)
    # Nothing else of the event depends on it.
    for name in ("post-1/red.tif", "dsm/data.tif"):
        assert (tmp_path / "right" / name).read_bytes() == (tmp_path / "off" / name).read_bytes()


def test_the_test_region_is_the_area_in_the_east(made):
    area, test = (read_area(path) for path in (made["A"].area, made["A"].test))
    assert area.buffer(1e-6).contains(test)
    assert test.area / area.area == pytest.approx(TWINS["A"].settings.test_share, abs=0.02)
    assert test.bounds[2] == pytest.approx(area.bounds[2], abs=1e-3)
    assert made["E"].test is None


def test_evergreen_and_southern_seasons(tmp_path):
    """In September deciduous woods of the south are leafless; evergreen ones never are."""
    north = SimulationSettings(shape=(96, 96), trigger=Trigger(share=0), cloud_share=0)
    south = dataclasses.replace(north, epsg=32754)
    evergreen = dataclasses.replace(
        south, landscape=dataclasses.replace(south.landscape, evergreen=True)
    )
    red = []
    for name, settings in (("north", north), ("south", south), ("evergreen", evergreen)):
        event = simulate_event(tmp_path / name, settings)
        item = items(event)["pre-2"]
        nir, red_band = (pixels(item, band).astype(float) - 1000 for band in ("nir", "red"))
        red.append(np.median((nir - red_band) / (nir + red_band)))
    assert red[1] < red[0] - 0.1
    assert red[2] > red[1] + 0.1


def test_coarsen_averages_blocks():
    field = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert coarsen(field, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert (coarsen(field, 1) == field).all()
