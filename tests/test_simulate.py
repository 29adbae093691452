"""The simulated event: deterministic, physically plausible, and readable as real data would be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
import rasterio.features
import shapely
from scipy import ndimage

from lscube import terrain
from lscube.errors import SettingsError, StoreError
from lscube.grid import project, read_area
from lscube.simulate import SimulatedEvent, SimulationSettings, Trigger, simulate_event
from lscube.simulate.drainage import accumulate, border, fill, incise, steepest
from lscube.simulate.landslides import RHO, SCALE, SHIFT, landslide_areas, place_landslides
from lscube.simulate.noise import fractal
from lscube.simulate.relief import Relief, make_relief
from lscube.simulate.sky import light_on, sun_position
from lscube.simulate.write import mgrs_tile

SETTINGS = SimulationSettings(shape=(192, 224), cloud_share=0.1)


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> SimulatedEvent:
    return simulate_event(tmp_path_factory.mktemp("simulated") / "event", SETTINGS)


@pytest.fixture(scope="module")
def relief() -> Relief:
    return make_relief(np.random.default_rng(3), (320, 320), 10.0)


def items_of(event: SimulatedEvent) -> list[pystac.Item]:
    """Read the items the way the catalogue does."""
    items = list(pystac.ItemCollection.from_file(str(event.items)))
    for item in items:
        item.set_self_href(str(event.items))
        item.make_asset_hrefs_absolute()
    return items


def scenes_of(event: SimulatedEvent) -> list[pystac.Item]:
    return [item for item in items_of(event) if item.collection_id == "sentinel-2-l2a"]


def pixels(item: pystac.Item, asset: str) -> np.ndarray:
    with rasterio.open(item.assets[asset].href) as file:
        return file.read(1)


def fine_scl(item: pystac.Item) -> np.ndarray:
    return np.kron(pixels(item, "scl"), np.ones((2, 2), dtype=np.uint8))


def truth(event: SimulatedEvent) -> np.ndarray:
    """Number of the landslide on each pixel of the scenes, 0 where there is none."""
    inventory = geopandas.read_file(event.inventory)
    with rasterio.open(scenes_of(event)[0].assets["red"].href) as file:
        shape, transform = file.shape, file.transform
    numbered = zip(inventory.geometry, inventory["id"], strict=True)
    return rasterio.features.rasterize(numbered, shape, transform=transform, dtype=np.int32)


class TestFiles:
    def test_same_seed_gives_the_same_files_another_does_not(
        self, event: SimulatedEvent, tmp_path: Path
    ) -> None:
        again = simulate_event(tmp_path / "elsewhere", SETTINGS)
        names = sorted(
            p.relative_to(event.items.parent)
            for p in event.items.parent.rglob("*.*")
            if p.is_file()
        )
        assert len(names) == 4 * 5 + 1 + 3 + 6  # pixels, surface model, files, static catalogue
        for name in names:
            assert (again.items.parent / name).read_bytes() == (
                event.items.parent / name
            ).read_bytes(), name
        other = simulate_event(tmp_path / "other", dataclasses.replace(SETTINGS, seed=8))
        for a, b in zip(items_of(event), items_of(other), strict=True):
            for asset in set(a.assets) - {"scl"}:
                assert np.mean(pixels(a, asset) == pixels(b, asset)) < 0.5

    def test_refuses_a_folder_that_exists(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="found one; choose another name or remove it"):
            simulate_event(tmp_path, SETTINGS)
        assert list(tmp_path.iterdir()) == []

    def test_leaves_nothing_behind_when_it_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr("lscube.simulate.event.write_items", full)
        with pytest.raises(StoreError, match="disk full"):
            simulate_event(tmp_path / "event", dataclasses.replace(SETTINGS, shape=(96, 96)))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"shape": (64, 224)}, "at least 96"),
            ({"shape": (193, 224)}, "multiples of 2"),
            ({"trigger": Trigger(share=0.5)}, "trigger.share"),
            ({"event_time": SETTINGS.event_time.replace(tzinfo=None)}, "time zone"),
        ],
    )
    def test_refuses_settings_it_cannot_simulate(
        self, change: dict[str, object], message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            dataclasses.replace(SETTINGS, **change)

    def test_an_event_without_landslides_and_clouds(self, tmp_path: Path) -> None:
        calm = dataclasses.replace(
            SETTINGS, shape=(96, 128), trigger=Trigger(share=0), cloud_share=0
        )
        event = simulate_event(tmp_path / "calm", calm)
        assert len(geopandas.read_file(event.inventory)) == 0
        assert [s.properties["eo:cloud_cover"] for s in scenes_of(event)] == [0, 0, 0, 0]

    def test_area_lies_inside_the_scenes(self, event: SimulatedEvent) -> None:
        area = project(read_area(event.area), SETTINGS.epsg)
        west, north = SETTINGS.origin
        scene = shapely.box(west, north - 1920, west + 2240, north)
        assert scene.buffer(-280).contains(area)
        assert area.area == pytest.approx((2240 - 576) * (1920 - 576), rel=1e-3)


class TestItems:
    def test_items_open_from_where_the_folder_stands(self, event: SimulatedEvent) -> None:
        raw = pystac.ItemCollection.from_file(str(event.items))
        hrefs = [asset.href for item in raw for asset in item.assets.values()]
        assert all(href.startswith("./") for href in hrefs)
        for item in items_of(event):
            for asset in item.assets.values():
                with rasterio.open(asset.href) as file:
                    assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                    assert list(file.shape) == asset.extra_fields["proj:shape"]
                    assert list(file.transform)[:6] == asset.extra_fields["proj:transform"]
                    assert f"EPSG:{file.crs.to_epsg()}" == asset.extra_fields["proj:code"]
                    bands = asset.extra_fields["raster:bands"]
                    assert bands[0]["nodata"] == file.nodata
                    assert bands[0]["data_type"] == file.dtypes[0]

    def test_two_scenes_before_and_two_after(self, event: SimulatedEvent) -> None:
        scenes = scenes_of(event)
        after = [s.datetime > SETTINGS.event_time for s in scenes]
        assert sorted(after) == [False, False, True, True]
        for scene in scenes:
            assert {"blue", "green", "red", "nir", "scl"} == set(scene.assets)
            assert scene.properties["s2:processing_baseline"] == "05.10"
            assert scene.properties["grid:code"] == "MGRS-54TWN"
            band = scene.assets["red"].extra_fields["raster:bands"][0]
            assert (band["scale"], band["offset"]) == (0.0001, -0.1)
            assert 100 < scene.properties["view:sun_azimuth"] < 180
            assert 30 < scene.properties["view:sun_elevation"] < 75

    def test_surface_model_covers_more_than_the_scenes(self, event: SimulatedEvent) -> None:
        (dsm,) = (item for item in items_of(event) if item.collection_id == "alos-dem")
        with rasterio.open(dsm.assets["data"].href) as file:
            west, south, east, north = file.bounds
            assert file.res == (30.0, 30.0)
            assert file.nodata == -32768
            assert file.dtypes == ("int16",)
        x, y = SETTINGS.origin
        assert west <= x - 300 < x + 2240 + 300 <= east
        assert south <= y - 1920 - 300 < y + 300 <= north

    def test_mgrs_tile_names(self) -> None:
        assert mgrs_tile(32654, 574000.0, 4733000.0) == "54TWN"  # Atsuma
        assert mgrs_tile(32633, 602000.0, 5340000.0) == "33UXP"  # Vienna
        assert mgrs_tile(32748, 700000.0, 9310000.0) == "48MYU"  # Jakarta


class TestPixels:
    def test_dn_carry_the_baseline_offset(self, event: SimulatedEvent) -> None:
        for scene in scenes_of(event):
            for band in ("blue", "green", "red", "nir"):
                dn = pixels(scene, band)
                assert dn.dtype == np.uint16
                reflectance = (dn[dn > 0].astype(float) - 1000) / 10000
                assert -0.02 < reflectance.min() < 0.06
                assert reflectance.max() < 1.0

    def test_no_data_are_zero_in_all_bands_and_the_classification(
        self, event: SimulatedEvent
    ) -> None:
        partial = []
        for scene in scenes_of(event):
            empty = pixels(scene, "red") == 0
            for band in ("blue", "green", "nir"):
                np.testing.assert_array_equal(pixels(scene, band) == 0, empty)
            scl = pixels(scene, "scl")
            blocks = empty.reshape(scl.shape[0], 2, scl.shape[1], 2)
            np.testing.assert_array_equal(scl == 0, blocks.any(axis=(1, 3)))
            partial.append(bool(empty.any()))
            if empty.any():
                assert empty[0, -1]
                assert not empty[:, :100].any()
        assert sum(partial) == 1

    def test_clouds_are_bright_shadows_dark_and_both_classified(
        self, event: SimulatedEvent
    ) -> None:
        for scene in scenes_of(event):
            scl, dn = fine_scl(scene), pixels(scene, "nir")
            visible = pixels(scene, "red").astype(float)
            land = np.isin(scl, (4, 5))
            assert np.median(visible[scl == 9]) > 4000
            assert np.mean(visible[land] > 4000) < 1e-3
            assert np.median(dn[scl == 3]) < 0.85 * np.median(dn[land])
            share = 100 * np.isin(scl, (8, 9, 10)).sum() / np.count_nonzero(scl)
            assert scene.properties["eo:cloud_cover"] == pytest.approx(share, abs=0.01)
            assert share > 2

    def test_shadows_lie_away_from_the_sun(self, event: SimulatedEvent) -> None:
        """At half past ten the sun stands in the south-east."""
        for scene in scenes_of(event):
            scl = fine_scl(scene)
            cloud, shadow = np.isin(scl, (8, 9)), scl == 3
            best, score = (0, 0), -1.0
            for dy in range(-80, 81, 8):
                for dx in range(-80, 81, 8):
                    moved = ndimage.shift(cloud.astype(np.uint8), (dy, dx), order=0)
                    agreement = float((moved * shadow).sum()) / max(float(moved.sum()), 1.0)
                    if agreement > score:
                        best, score = (dy, dx), agreement
            assert best[0] < 0
            assert best[1] < 0

    def test_landslides_bare_the_ground(self, event: SimulatedEvent) -> None:
        slide = truth(event) > 0
        index = []
        for scene in scenes_of(event):
            red, nir = ((pixels(scene, b).astype(float) - 1000) / 1e4 for b in ("red", "nir"))
            clear = slide & np.isin(fine_scl(scene), (4, 5, 7))
            index.append(float(np.median(((nir - red) / (nir + red))[clear])))
        assert min(index[:2]) > 0.6  # before: vegetation
        assert max(index[2:]) < 0.45  # after: soil


class TestInventory:
    def test_polygons_are_valid_and_agree_with_their_attributes(
        self, event: SimulatedEvent
    ) -> None:
        inventory = geopandas.read_file(event.inventory)
        label = truth(event)
        assert inventory.crs.to_epsg() == SETTINGS.epsg
        assert inventory.geometry.is_valid.all()
        assert (inventory.geom_type == "Polygon").all()
        west, north = SETTINGS.origin
        scene = shapely.box(west, north - 1920, west + 2240, north)
        assert inventory.geometry.covered_by(scene).all()
        counted = np.bincount(label.ravel(), minlength=len(inventory) + 1)[1:] * 100.0
        np.testing.assert_array_equal(counted, inventory["area_m2"])
        np.testing.assert_allclose(inventory.geometry.area, inventory["area_m2"])
        source, area = inventory["source_area_m2"], inventory["area_m2"]
        assert (source <= area).all()
        resolved = area >= 2000  # smaller ones may show no run-out of their own
        assert (source[resolved] < 0.8 * area[resolved]).all()
        assert (source[resolved] > 0).all()
        assert (inventory["drop_m"] > 0).all()

    def test_density_is_what_was_asked_for(self, event: SimulatedEvent) -> None:
        assert np.mean(truth(event) > 0) == pytest.approx(SETTINGS.trigger.share, rel=0.35)


class TestLandslides:
    def test_sizes_follow_the_inverse_gamma_distribution(self) -> None:
        """Shifted and inverted, sizes are gamma distributed; the mean is a / (rho - 1) + s."""
        areas = landslide_areas(np.random.default_rng(0), 200_000, 1e-9, 1e9)
        gamma = SCALE / (areas - SHIFT)
        assert gamma.mean() == pytest.approx(RHO, rel=0.01)
        assert gamma.var() == pytest.approx(RHO, rel=0.02)
        # Malamud et al. (2004): most frequent near 400 m2, the tail falls with the power -2.4.
        counts, edges = np.histogram(areas, bins=np.arange(0, 3e-3, 1e-4))
        assert 3e-4 <= edges[counts.argmax()] <= 5e-4
        tail = np.mean(areas > 1.0) / np.mean(areas > 0.1)
        assert np.log10(tail) == pytest.approx(-RHO, abs=0.15)

    def test_sizes_keep_their_bounds(self) -> None:
        areas = landslide_areas(np.random.default_rng(0), 10_000, 6e-4, 0.05)
        assert areas.min() >= 6e-4
        assert areas.max() <= 0.05

    def test_sources_are_steep_and_material_goes_down(self, relief: Relief) -> None:
        slides = place_landslides(np.random.default_rng(1), relief, 10.0, Trigger(share=0.05))
        slope = terrain.slope(relief.elevation, 10.0)
        assert np.median(slope[slides.source]) > np.median(slope) + 4.0
        z = relief.elevation
        ids = np.arange(1, slides.count + 1)
        upper = np.where(slides.progress < 0.2, slides.label, 0)
        lower = np.where(slides.progress > 0.8, slides.label, 0)
        both = np.intersect1d(np.unique(upper)[1:], np.unique(lower)[1:])
        sizes = np.bincount(slides.label.ravel())
        resolved = ids[sizes[1:] >= 20]  # smaller ones may have no pixel in one of the parts
        assert np.isin(resolved, both).all()
        fall = ndimage.mean(z, upper, both) - ndimage.mean(z, lower, both)
        assert np.mean(fall > 0) > 0.99
        assert np.median(fall) > 10.0

    def test_each_is_one_piece_on_its_own(self, relief: Relief) -> None:
        slides = place_landslides(np.random.default_rng(1), relief, 10.0, Trigger(share=0.05))
        for number in range(1, slides.count + 1, 7):
            assert ndimage.label(slides.label == number)[1] == 1

    def test_none_on_flat_ground(self) -> None:
        flat = np.zeros((96, 96), dtype=np.float32)
        never = np.zeros(flat.shape, dtype=bool)
        far = np.full(flat.shape, 1e4, dtype=np.float32)
        relief = Relief(flat, never, far, never, flat)
        assert (
            place_landslides(np.random.default_rng(0), relief, 10.0, Trigger(share=0.05)).count == 0
        )


class TestDrainage:
    @pytest.fixture
    def rough(self) -> np.ndarray:
        return 50.0 * fractal(np.random.default_rng(2), (60, 80), 2.0).astype(float)

    def test_water_reaches_the_border_from_everywhere(self, rough: np.ndarray) -> None:
        outlets = border(rough.shape)
        before = steepest(rough, outlets, 30.0)
        filled = fill(rough, outlets)
        flow = steepest(filled, outlets, 30.0)
        own = np.arange(rough.size)
        assert np.any((before.receiver == own) & ~outlets.ravel())  # there were pits
        assert not np.any((flow.receiver == own) & ~outlets.ravel())
        assert np.all(filled >= rough)
        down = filled.ravel()
        assert np.all(down[flow.receiver][~outlets.ravel()] < down[~outlets.ravel()])
        area = accumulate(flow)
        assert area[outlets.ravel()].sum() == rough.size  # no water is lost

    def test_fill_raises_a_bowl_to_its_lowest_pass(self) -> None:
        bowl = np.full((7, 7), 10.0)
        bowl[2:5, 2:5] = 1.0
        bowl[3, 5] = bowl[3, 6] = 4.0
        filled = fill(bowl, border(bowl.shape), step=0.0)
        np.testing.assert_array_equal(filled[2:5, 2:5], 4.0)
        np.testing.assert_array_equal(filled[bowl == 10.0], 10.0)

    def test_water_on_a_tilted_plane_runs_in_parallel(self) -> None:
        plane = np.tile(np.arange(9.0), (5, 1))
        left = np.zeros(plane.shape, dtype=bool)
        left[:, 0] = True
        flow = steepest(plane, left, 10.0)
        np.testing.assert_array_equal(
            accumulate(flow).reshape(plane.shape), np.tile(np.arange(9, 0, -1), (5, 1))
        )

    def test_incision_matches_its_equation(self, rough: np.ndarray) -> None:
        outlets = border(rough.shape)
        filled = fill(rough, outlets)
        flow = steepest(filled, outlets, 30.0)
        rate = np.full(rough.size, 0.7)
        z = incise(filled, flow, rate, np.full(rough.size, np.inf)).ravel()
        inner = ~outlets.ravel()
        expected = (filled.ravel() + 0.7 * z[flow.receiver]) / 1.7
        np.testing.assert_allclose(z[inner], expected[inner], rtol=1e-10)
        np.testing.assert_array_equal(z[~inner], filled.ravel()[~inner])
        failed = incise(filled, flow, rate, np.full(rough.size, 0.1)).ravel()
        rise = (failed - failed[flow.receiver]) / flow.distance
        assert rise[inner].max() <= 0.1 + 1e-9

    def test_relief_is_hilly_with_a_flat_valley(self, relief: Relief) -> None:
        slope = terrain.slope(relief.elevation, 10.0)
        valley = ndimage.binary_erosion(relief.floor, iterations=5) & (relief.river > 60)
        assert np.median(slope[valley]) < 3.0
        assert 15.0 < np.median(slope[~relief.floor]) < 35.0
        assert relief.upstream.max() > 100 * np.median(relief.upstream)


class TestSky:
    @pytest.mark.parametrize("tilt", [0.3, -0.3])
    def test_slopes_that_face_the_sun_are_brighter(self, tilt: float) -> None:
        time = SETTINGS.event_time.replace(hour=1)
        sun = sun_position(time, 141.9, 42.75)
        rows, cols = np.mgrid[:40, :40] * 10.0
        # rising to the north-west: faces the south-east, where the sun stands
        plane = (tilt * (-rows - cols)).astype(np.float32)
        gain = light_on(plane, 10.0, sun).gain[:, 20, 20]
        assert np.all(gain > 1.1) if tilt > 0 else np.all(gain < 0.9)

    def test_flat_ground_is_lit_by_one(self) -> None:
        sun = sun_position(SETTINGS.event_time.replace(hour=1), 141.9, 42.75)
        light = light_on(np.zeros((20, 20), dtype=np.float32), 10.0, sun)
        np.testing.assert_allclose(light.gain, 1.0, rtol=1e-5)
        assert not light.shaded.any()

    def test_a_wall_casts_its_shadow_away_from_the_sun(self) -> None:
        noon = sun_position(
            SETTINGS.event_time.replace(month=12, day=21, hour=12, minute=0), 0.0, 45.0
        )
        assert noon.azimuth == pytest.approx(180.0, abs=1.0)
        assert noon.elevation == pytest.approx(45.0 - 23.45, abs=0.2)
        ground = np.zeros((60, 40), dtype=np.float32)
        ground[30] = 50.0
        shaded = light_on(ground, 10.0, noon).shaded
        reach = 50.0 / np.tan(np.radians(noon.elevation)) / 10.0
        assert shaded[30 - int(reach) + 1 : 29, 20].all()
        assert not shaded[: 30 - int(reach) - 2, 20].any()
        assert not shaded[32:, 20].any()

    def test_fractal_fields_are_standardised(self) -> None:
        field = fractal(np.random.default_rng(0), (64, 48), 2.0)
        assert field.shape == (64, 48)
        assert field.mean() == pytest.approx(0.0, abs=1e-5)
        assert field.std() == pytest.approx(1.0, abs=1e-5)
