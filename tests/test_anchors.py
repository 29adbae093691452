"""One radiometry for all scenes: what is measured, and that air, sun and gains do not reach the network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lscube.catalog import find_scenes
from lscube.cube import REFERENCE, Anchors, bring_to_reference, open_cube, prepare_reading
from lscube.cube.anchors import (
    FEWEST,
    SCALES,
    as_attributes,
    brought,
    line_between,
    measure_anchors,
    reference_of,
)
from lscube.cube.normalising import coarse_grid
from lscube.errors import ModelError, SceneError
from lscube.events import make_event
from lscube.grid import bounds_of, make_grid, read_area, resolution_of
from lscube.mapping import design_map, map_region, open_map
from lscube.settings import CubeSettings, PredictSettings, SourceSettings
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, Scene, inner_area, surface, write_items

RGB = ("red", "green", "blue")
SHAPE = (120, 150)
RNG = np.random.default_rng


def woods(seed=0, shape=(80, 90)):
    """A wooded hillside, reflectance (band, y, x)."""
    light = RNG(seed).normal(0, 1, shape)
    usual = np.array([0.033, 0.045, 0.031])[:, None, None]
    return (usual * np.exp(0.35 * light)).astype(np.float32)


def test_anchors_are_percentiles_of_the_ground():
    image = woods()
    found, why = measure_anchors(image, RGB)
    np.testing.assert_allclose(found.low, np.percentile(image, 10, axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.high, np.percentile(image, 67, axis=(1, 2)), rtol=1e-4)
    assert why == "7200 pixels of all ground"


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(0.85, 1.25)] * 3),
    st.tuples(*[st.floats(0.0, 0.1)] * 3),
    st.integers(0, 2**16),
)
def test_gain_and_haze_do_not_matter(gains, hazes, seed):
    image = woods(seed)
    seen = image * np.float32(gains)[:, None, None] + np.float32(hazes)[:, None, None]
    one, other = (brought(x, measure_anchors(x, RGB)[0], REFERENCE) for x in (image, seen))
    np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize(("gain", "kept"), [(4.0, SCALES[0]), (0.25, SCALES[1])])
def test_ground_of_another_kind_keeps_most_of_its_contrast(gain, kept):
    image = woods() * np.float32(gain)
    anchors, _ = measure_anchors(image, RGB)
    line = line_between(anchors, REFERENCE)
    assert line.slopes == (kept,) * 3
    found = line.applied(image)
    np.testing.assert_allclose(np.percentile(found, 10, axis=(1, 2)), REFERENCE.low, atol=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_landslides_clouds_and_gaps_hardly_move_them(share):
    image = woods()
    plain, _ = measure_anchors(image, RGB)
    cloudy = image.copy()
    cloudy[:, : round(80 * share)] = 0.6
    cloudy[:, 70:] = np.nan
    found, _ = measure_anchors(cloudy, RGB)
    np.testing.assert_allclose(found.low, plain.low, rtol=0.05)
    np.testing.assert_allclose(found.high, plain.high, rtol=0.05)
    bare = image.copy()
    bare[:, : round(80 * share)] *= 3
    found, _ = measure_anchors(bare, RGB)
    spans = [np.subtract(one.high, one.low) for one in (plain, found)]
    np.testing.assert_allclose(spans[1], spans[0], rtol=1.2)


def test_what_is_flat_does_not_count_where_slopes_are_known():
    image = woods()
    image[:, :, :40] = 0.2
    slope = np.full((80, 90), 20.0, np.float32)
    slope[:, :40] = 0.5
    slope[:, 80:] = np.nan
    found, why = measure_anchors(image, RGB, slope)
    assert "3200 pixels of slopes of at least 5 degrees" in why
    np.testing.assert_allclose(
        found.high, np.percentile(image[:, :, 40:80], 67, axis=(1, 2)), rtol=1e-4
    )
    _, why = measure_anchors(image, RGB, np.zeros_like(slope))
    assert "all ground" in why


def test_what_shows_nothing_is_left_as_it_is_and_says_why():
    snow = np.full((3, 40, 40), 0.8, np.float32)
    found, why = measure_anchors(snow, RGB)
    assert found is None
    assert why == "red, green, blue shows nothing: its pixels are nearly all alike"
    constant = woods()
    constant[2] = 0.05
    assert "blue shows nothing" in measure_anchors(constant, RGB)[1]
    few = np.full((3, 40, 40), np.nan, np.float32)
    few[:, :10, :10] = woods()[:, :10, :10]
    assert measure_anchors(few, RGB) == (None, f"only 100 pixels are seen, {FEWEST} are needed")
    assert brought(snow, None, REFERENCE) is snow


def test_nan_and_saturation_stay_and_nothing_is_below_zero():
    image = woods()
    line = line_between(measure_anchors(image, RGB)[0], REFERENCE)
    image[:, 0, 0], image[:, 0, 1], image[:, 0, 2] = np.nan, np.inf, -1.0
    found = line.applied(image)
    assert np.isnan(found[:, 0, 0]).all()
    assert np.isposinf(found[:, 0, 1]).all()
    assert (found[:, 0, 2] == 0).all()
    assert found.dtype == np.float32


def test_a_cube_says_what_it_was_brought_to():
    assert reference_of(as_attributes(REFERENCE)) == REFERENCE
    assert reference_of({"event_id": "x"}) is None
    one = Anchors(("red",), (0.1,), (0.2,))
    # NetCDF gives a list of one back as a number.
    assert (
        reference_of({"reference_bands": "red", "reference_low": 0.1, "reference_high": 0.2}) == one
    )


# Scenes.


def numbers(seed, gains, hazes):
    """DN of the same hillside through some air."""
    ground = woods(seed, SHAPE)
    ground[:, 40:70, 60:75] = np.array([0.2, 0.17, 0.14])[:, None, None]
    seen = ground * np.float32(gains)[:, None, None] + np.float32(hazes)[:, None, None]
    return {
        name: np.round(plane * 10_000).astype(np.uint16)
        for name, plane in zip(RGB, seen, strict=True)
    }


def event(folder: Path, gains=(1, 1, 1), hazes=(0, 0, 0), late=False) -> tuple:
    """Scenes and grid: one image before, one or two after, the last ones through some air."""
    through = numbers(2, gains, hazes)
    for plane in through.values():
        plane[:, :20] = 0  # beyond the swath
    scenes = [
        Scene("before", "2018-08-01T01:30:00Z", numbers(1, (1, 1, 1), (0, 0, 0))),
        Scene("after", "2018-10-01T01:30:00Z", through),
        Scene(
            "dsm",
            "2016-01-01T00:00:00Z",
            surface((60, 70)),
            "alos-dem",
            30.0,
            offset=(-300.0, 300.0),
        ),
    ]
    if late:
        scenes.append(
            Scene("late", "2018-10-11T01:30:00Z", numbers(3, (1.3, 1.1, 1.0), (0.02, 0.03, 0.05)))
        )
    source = SourceSettings(catalogs=(write_items(folder, scenes),))
    area = read_area(inner_area(SHAPE))
    found = find_scenes(area, make_event("e", EVENT_TIME), source)
    return found, make_grid(area, 10.0, 32654)


def cube_of(folder, reference=REFERENCE, **air):
    scenes, grid = event(folder, **air)
    reading = bring_to_reference(
        prepare_reading(scenes, grid, CubeSettings()), scenes, grid, CubeSettings(), reference
    )
    return open_cube(scenes, grid, reading=reading).compute()


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    return cube_of(tmp_path_factory.mktemp("clear"))


@pytest.mark.parametrize(
    ("gains", "hazes"),
    [
        ((0.9, 0.85, 0.8), (0.02, 0.04, 0.08)),
        ((1.3, 1.25, 1.2), (0, 0, 0)),
        ((0.8, 0.8, 0.8), (0.01, 0.01, 0.01)),
    ],
)
def test_one_scene_through_any_air_is_one_cube(clear, tmp_path, gains, hazes):
    hazy = cube_of(tmp_path, gains=gains, hazes=hazes)
    # A digital number, 0.0001, is one hundredth of what lies between the anchors.
    np.testing.assert_allclose(hazy["post"], clear["post"], rtol=0.01, atol=6e-4)
    np.testing.assert_array_equal(hazy["pre"], clear["pre"])
    np.testing.assert_array_equal(hazy["observed"], clear["observed"])
    plain = cube_of(tmp_path, None, gains=gains, hazes=hazes)
    assert abs(plain["post"] - clear["post"]).max() > 0.01
    assert "reference_low" not in plain.attrs


def test_the_cube_and_its_notes_tell(clear):
    assert reference_of(clear.attrs) == REFERENCE
    (note,) = np.atleast_1d(clear.attrs["post_radiometry"])
    assert "brought to the reference's radiometry by" in note
    assert "slopes of at least 5 degrees" in note


def test_a_later_pass_changes_no_pixel_of_those_before(clear, tmp_path):
    more = cube_of(tmp_path, late=True)
    seen = clear["observed"].values == 0
    for side in ("pre", "post"):
        np.testing.assert_array_equal(more[side].values[:, seen], clear[side].values[:, seen])
    assert int((more["observed"] == 0).sum()) > int(seen.sum())


def test_a_small_area_is_measured_with_its_surroundings():
    grid = make_grid(read_area(inner_area((40, 40), 50.0)), 10.0, 32654)
    coarse = coarse_grid(grid)
    west, south, east, north = bounds_of(coarse)
    assert min(east - west, north - south) >= 20_000
    assert max(coarse.shape) <= 514
    assert resolution_of(coarse) % 10 == 0
    inner = bounds_of(grid)
    assert west < inner[0] < inner[2] < east
    assert south < inner[1] < inner[3] < north


def test_bands_that_the_reference_lacks_are_refused(tmp_path):
    scenes, grid = event(tmp_path)
    one = Anchors(("red", "green"), (0.1, 0.1), (0.2, 0.2))
    reading = prepare_reading(scenes, grid, CubeSettings())
    with pytest.raises(
        SceneError, match=r"usual values are known \(red, green\), got blue.*radiometry"
    ):
        bring_to_reference(reading, scenes, grid, CubeSettings(), one)


# Maps.


def model(reference):
    return StandIn(replace_card(reference), Path("model"))


def replace_card(reference):
    return CARD.model_copy(
        update={"reference": reference, "sha256": f"stand-in {reference is None}"}
    )


def test_a_map_follows_its_models_card_and_no_cut_changes_a_pixel(clear, tmp_path):
    scenes, grid = event(tmp_path, gains=(0.9, 0.85, 0.8), hazes=(0.02, 0.04, 0.08))
    found = {}
    for name, reference, changes in (
        ("plain", None, {}),
        ("brought", REFERENCE, {}),
        ("as it is", REFERENCE, {"radiometry": "reflectance"}),
        ("larger", REFERENCE, {"chunk_cores": 2, "shard_chunks": 2}),
    ):
        told = SETTINGS.model_copy(update=changes)
        store = tmp_path / name
        map_region(scenes, grid, model(reference), store, CubeSettings(), told)
        found[name] = open_map(store)
    values = {name: mapped["probability"].values for name, mapped in found.items()}
    np.testing.assert_array_equal(values["plain"], values["as it is"])
    assert not np.array_equal(values["plain"], values["brought"], equal_nan=True)
    inside = found["brought"]["probability"].notnull()
    same = found["larger"]["probability"].reindex_like(found["brought"]["probability"])
    np.testing.assert_array_equal(same.where(inside).values, values["brought"])


def test_models_that_learnt_from_other_radiometries_do_not_map_together(tmp_path):
    scenes, grid = event(tmp_path)
    other = replace(model(None), folder=Path("other"))
    with pytest.raises(ModelError, match="reference"):
        design_map(scenes, grid, [model(REFERENCE), other], CubeSettings(), PredictSettings())
