"""Scores of an experiment: as scikit-learn has them, and on maps drawn by hand."""

import json
from dataclasses import asdict

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import (
    confusion_matrix,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from lscube.errors import InventoryError, SettingsError
from lscube.evaluate import score_chips
from lscube.evaluate.blocks import block_counts, intervals_of, resampled
from lscube.evaluate.curves import curve_of
from lscube.evaluate.objects import find_landslides, number_landslides
from lscube.evaluate.reliability import reliability_of
from lscube.evaluate.results import Curve
from lscube.grid import snapped_grid
from lscube.probabilities import Calibration
from lscube.scores import IGNORE, Confusion, Tally, score

# Probabilities in the middle of a tally's steps, and what stands for "not known".
steps = st.integers(0, 999).map(lambda step: (step + 0.5) / 1000) | st.just(np.nan)
pixels = arrays.array_shapes(min_dims=1, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.float64, shape, elements=steps),
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, IGNORE])),
    )
)
maps = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.float64, shape, elements=steps),
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, IGNORE])),
    )
)


def usable(probability, labels):
    known = np.isfinite(probability) & (labels != IGNORE)
    return probability[known], labels[known]


def tally_of(probability, labels) -> Tally:
    tally = Tally()
    tally.add(probability, labels)
    return tally


@settings(deadline=None)
@given(pixels, st.integers(1, 99))
def test_scores_agree_with_scikit_learn(sample, percent):
    threshold = percent / 100
    ours = score(*sample, threshold)
    assert tally_of(*sample).at(threshold) == ours
    said, true = usable(*sample)
    if not true.size:
        assert ours == Confusion(0, 0, 0, 0)
        return
    found = (said >= threshold).astype(np.uint8)
    (tn, fp), (fn, tp) = confusion_matrix(true, found, labels=[0, 1])
    assert ours == Confusion(tp, fp, fn, tn)
    # Theirs knows no MCC with one label alone; ours is 0 by convention.
    if len({*true, *found}) == 2:
        assert ours.mcc == pytest.approx(matthews_corrcoef(true, found))
    else:
        assert ours.mcc == 0
    theirs = precision_recall_fscore_support(
        true, found, labels=[1], average="binary", zero_division=np.nan
    )
    np.testing.assert_allclose([ours.precision, ours.recall, ours.f1], theirs[:3])


@settings(deadline=None)
@given(pixels)
def test_a_curve_has_the_scores_of_each_threshold(sample):
    curve = curve_of(tally_of(*sample))
    assert curve.thresholds == tuple(round(0.05 * k, 2) for k in range(1, 20))
    for index, threshold in enumerate(curve.thresholds):
        single = score(*sample, threshold)
        assert curve.mcc[index] == single.mcc
        for name in ("f1", "precision", "recall"):
            value = getattr(single, name)
            assert getattr(curve, name)[index] == (None if np.isnan(value) else value)
    json.dumps(asdict(curve), allow_nan=False)


def test_a_curve_by_hand():
    tally = tally_of(np.array([0.1, 0.3, 0.6, 0.8]), np.array([0, 1, 0, 1], np.uint8))
    curve = curve_of(tally, [0.2, 0.7, 0.9])
    assert curve == Curve(
        thresholds=(0.2, 0.7, 0.9),
        mcc=(pytest.approx(2 / np.sqrt(12)), pytest.approx(2 / np.sqrt(12)), 0.0),
        f1=(0.8, pytest.approx(2 / 3), 0.0),
        precision=(pytest.approx(2 / 3), 1.0, None),
        recall=(1.0, 0.5, 0.0),
    )


@pytest.mark.parametrize("thresholds", [(0.5, 0.4), (0.5, 0.5001), (0.5, 1.1), (-0.1, 0.5)])
def test_thresholds_that_do_not_rise_are_refused(thresholds):
    with pytest.raises(SettingsError, match="thresholds that rise from 0 to 1"):
        curve_of(Tally(), thresholds)


def test_reliability_by_hand():
    """Of four pixels at 0.12 one is a landslide, of two at 0.88 both."""
    said = np.array([0.12] * 4 + [0.88] * 2)
    tally = tally_of(said, np.array([1, 0, 0, 0, 1, 1], np.uint8))
    found = reliability_of(tally, bins=2)
    assert found.pixels == (4, 2)
    assert found.predicted == pytest.approx((0.12, 0.88), abs=0.002)
    assert found.observed == (0.25, 1.0)
    assert found.error == pytest.approx((4 * 0.13 + 2 * 0.12) / 6, abs=0.002)
    mended = Calibration(
        kind="isotonic",
        knots=(0.11, 0.13, 0.87, 0.89),
        values=(0.25, 0.25, 1, 1),
        pixels=6,
        error_before=0.1,
        error_after=0,
    )
    assert reliability_of(tally, calibration=mended).error == 0
    json.dumps(asdict(found), allow_nan=False)


def test_reliability_of_nothing_is_refused():
    with pytest.raises(InventoryError, match="Expected labelled pixels"):
        reliability_of(Tally())


def test_blocks_by_hand():
    probability = np.full((4, 6), 0.9)
    labels = np.zeros((4, 6), np.uint8)
    labels[0, 0] = 1
    probability[1, 0] = np.nan
    labels[:, 2:4] = IGNORE  # the middle blocks have no usable pixel
    probability[2:, 4:] = 0.1
    labels[3, 4:] = 1
    counts = block_counts(probability, labels, 0.5, 2)
    # Top left, top right, bottom left, bottom right: tp, fp, fn, tn.
    np.testing.assert_array_equal(counts, [[1, 2, 0, 0], [0, 4, 0, 0], [0, 4, 0, 0], [0, 0, 2, 2]])


@settings(deadline=None)
@given(maps, st.integers(1, 15))
def test_blocks_miss_no_pixel(sample, block):
    total = block_counts(*sample, 0.5, block).sum(axis=0)
    assert Confusion(*total.tolist()) == score(*sample, 0.5)


def test_blocks_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(4, 5\)"):
        block_counts(np.zeros((4, 4)), np.zeros((4, 5), np.uint8), 0.5, 2)


def blocks(count, seed) -> np.ndarray:
    """Blocks of 100 landslide pixels of which a share, 0.2 to 1, is found: recall is 0.6 in truth."""
    rng = np.random.default_rng(seed)
    tp = rng.integers(20, 101, count)
    return np.stack([tp, np.zeros_like(tp), 100 - tp, np.full(count, 900)], axis=1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    recalls = [intervals_of(blocks(40, seed), 400)["recall"] for seed in range(100)]
    assert 88 <= sum(low <= 0.6 <= high for low, high in recalls) <= 99


def test_intervals_shrink_with_more_blocks():
    """With the root of their number: 16 times the blocks, a quarter of the width."""
    (low, high), (lower, higher) = (intervals_of(blocks(count, 1))["recall"] for count in (50, 800))
    assert higher - lower == pytest.approx((high - low) / 4, rel=0.3)


def test_equal_blocks_have_no_spread():
    found = intervals_of(np.tile([6, 2, 3, 9], (20, 1)))
    exact = Confusion(6, 2, 3, 9)
    assert set(found) == {"mcc", "f1", "precision", "recall"}
    for name, interval in found.items():
        assert interval == (round(getattr(exact, name), 4),) * 2


def test_fewer_than_eight_blocks_have_no_intervals():
    seven = np.tile([6, 2, 3, 9], (7, 1))
    assert intervals_of(np.concatenate([seven, np.zeros((9, 4), np.int64)])) == {}
    assert intervals_of(np.zeros((0, 4), np.int64)) == {}
    assert len(intervals_of(np.tile([6, 2, 3, 9], (8, 1)))) == 4


def test_a_score_that_no_sample_has_is_left_out():
    found = intervals_of(np.tile([0, 0, 3, 9], (10, 1)))
    assert found == {"mcc": (0.0, 0.0), "f1": (0.0, 0.0), "recall": (0.0, 0.0)}


def test_chips_are_blocks():
    rng = np.random.default_rng(0)
    said = rng.random((30, 8, 8), np.float32)
    masks = (rng.random((30, 8, 8)) < said).astype(np.uint8)
    scores = score_chips(said, masks, 0.5, resamples=200, seed=3)
    tall = said.reshape(-1, 8), masks.reshape(-1, 8)
    found = resampled(block_counts(*tall, 0.5, 8), 200, 3)
    assert {name: tuple(pair) for name, pair in scores["intervals"].items()} == found


# Objects: 20 x 20 pixels of 10 m; a pixel has 100 square metres.


def drawn():
    """Probability, numbers and labels of a map without anything."""
    shape = (20, 20)
    return np.full(shape, 0.1, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.uint8)


def found_in(probability, numbers, labels):
    """(landslides, found, mapped, right) of each size class."""
    classes = find_landslides(probability, numbers, labels, 10.0, 0.5)
    limits = [(one.smallest, one.largest) for one in classes]
    assert limits == [(0, 1e3), (1e3, 1e4), (1e4, 1e5), (1e5, None)]
    return [(one.landslides, one.found, one.mapped, one.right) for one in classes]


NONE = (0, 0, 0, 0)


def test_an_empty_map_has_no_objects():
    assert found_in(*drawn()) == [NONE] * 4


def test_half_of_the_pixels_find_a_landslide():
    probability, numbers, labels = drawn()
    numbers[2:4, 2:6] = 1  # 8 pixels, 4 of them mapped
    probability[2, 2:6] = 0.5
    assert found_in(probability, numbers, labels)[0] == (1, 1, 1, 1)
    probability[2, 5] = 0.4  # 3 of 8
    assert found_in(probability, numbers, labels)[0] == (1, 0, 1, 1)


def test_touching_landslides_stay_two():
    probability, numbers, labels = drawn()
    numbers[2:4, 2:6], numbers[4:6, 2:6] = 1, 2
    probability[2:4, 2:6] = 0.9
    assert found_in(probability, numbers, labels)[0] == (2, 1, 1, 1)
    probability[4:6, 2:6] = 0.9  # one patch of 16 pixels finds both
    assert found_in(probability, numbers, labels)[:2] == [(2, 2, 0, 0), (0, 0, 1, 1)]


def test_patches_touch_by_corners_too():
    probability, numbers, labels = drawn()
    probability[5, 5] = probability[6, 6] = 0.9
    assert found_in(probability, numbers, labels)[0] == (0, 0, 1, 0)
    probability[6, 6], probability[7, 7] = 0.1, 0.9
    assert found_in(probability, numbers, labels)[0] == (0, 0, 2, 0)


def test_a_patch_beside_a_landslide_is_not_right():
    probability, numbers, labels = drawn()
    numbers[5, 5] = 1
    probability[5, 6] = 0.9
    assert found_in(probability, numbers, labels)[0] == (1, 0, 1, 0)


def test_only_usable_pixels_count_and_the_area_is_of_all():
    probability, numbers, labels = drawn()
    numbers[0:5, 0:4] = 7  # 20 pixels, 2000 square metres
    labels[1:5, 0:4] = IGNORE
    probability[0, 0] = np.nan
    probability[0, 1:3] = 0.9  # 2 of 3 usable pixels
    probability[1, 0:4] = 0.9  # not labelled: no part of the patch
    assert found_in(probability, numbers, labels)[:2] == [(0, 0, 1, 1), (1, 1, 0, 0)]


def test_a_landslide_without_usable_pixels_does_not_count():
    probability, numbers, labels = drawn()
    numbers[3, 3], numbers[9, 9], numbers[12, 12] = 1, 2, 3
    labels[3, 3] = IGNORE
    probability[9, 9] = np.nan
    assert found_in(probability, numbers, labels)[0] == (1, 0, 0, 0)


def test_a_size_class_begins_with_its_limit():
    probability, numbers, labels = drawn()
    numbers[0, 0:9], numbers[2, 0:10], numbers[4:9], numbers[10:20, 0:9] = 1, 2, 3, 4
    counted = [one[0] for one in found_in(probability, numbers, labels)]
    assert counted == [1, 2, 1, 0]  # 900 | 1000, 9000 | 10,000
    classes = find_landslides(probability, numbers, labels, 100.0, 0.5)
    assert [one.landslides for one in classes] == [0, 0, 1, 3]


def test_objects_of_two_shapes_are_refused():
    probability, numbers, labels = drawn()
    with pytest.raises(ValueError, match=r"labels \(20, 19\)"):
        find_landslides(probability, numbers, labels[:, 1:], 10.0, 0.5)


GRID = snapped_grid((0, 0, 200, 200), 10.0, 32654)
"""20 x 20 pixels, y downwards from 200."""


def frame_of(*boxes, **settings) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(
        geometry=[shapely.box(*box) for box in boxes], crs=32654, **settings
    )


def test_the_smallest_of_overlapping_landslides_has_the_pixel():
    numbers = number_landslides(
        frame_of((20, 160, 40, 180), (0, 100, 100, 200), (40, 160, 60, 180)), GRID
    )
    assert numbers.shape == (20, 20)
    np.testing.assert_array_equal(numbers[2:4, 1:7], [[2, 1, 1, 3, 3, 2]] * 2)
    counts = np.bincount(numbers.ravel())
    np.testing.assert_array_equal(counts, [300, 4, 92, 4])


def test_parts_of_a_landslide_share_its_number():
    """Rows of one index are one landslide; together they are larger than the other."""
    frame = frame_of((0, 0, 50, 50), (40, 0, 80, 50), (100, 0, 130, 50), index=[7, 3, 7])
    numbers = number_landslides(frame, GRID)
    np.testing.assert_array_equal(numbers[-1, :14], [1] * 4 + [2] * 4 + [0] * 2 + [1] * 3 + [0])


def test_an_inventory_in_degrees_is_brought_to_the_grid():
    frame = frame_of((50, 50, 100, 100))
    np.testing.assert_array_equal(
        number_landslides(frame.to_crs(4326), GRID), number_landslides(frame, GRID)
    )


def test_far_small_and_no_landslides_leave_nothing():
    frame = frame_of((900, 0, 950, 50), (1, 1, 2, 2))
    assert not number_landslides(frame, GRID).any()
    # The zone's projection has no place for it.
    antipode = geopandas.GeoDataFrame(geometry=[shapely.box(51, -1, 52, 1)], crs=4326)
    assert not number_landslides(antipode, GRID).any()
    assert not number_landslides(frame.iloc[:0], GRID).any()
    with pytest.raises(InventoryError, match="polygons with a CRS"):
        number_landslides(frame.set_crs(None, allow_override=True), GRID)
