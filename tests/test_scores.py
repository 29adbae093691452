import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from odc.geo.xr import wrap_xr

from lscube.errors import InventoryError
from lscube.evaluate import Confusion, evaluate_map, score, within
from lscube.evaluate.baseline import best_threshold
from lscube.grid import snapped_grid
from lscube.settings import EvaluateSettings


def test_scores_worked_out_by_hand():
    confusion = Confusion(tp=6, fp=2, fn=3, tn=9)
    assert confusion.precision == pytest.approx(6 / 8)
    assert confusion.recall == pytest.approx(6 / 9)
    assert confusion.f1 == pytest.approx(12 / 17)
    # (6*9 - 2*3) / sqrt(8 * 9 * 11 * 12)
    assert confusion.mcc == pytest.approx(48 / np.sqrt(9504))


def test_perfect_inverse_and_empty():
    assert Confusion(5, 0, 0, 7).mcc == pytest.approx(1)
    assert Confusion(0, 5, 7, 0).mcc == pytest.approx(-1)
    assert Confusion(0, 0, 0, 9).mcc == 0
    assert Confusion(0, 0, 0, 9).as_dict()["precision"] is None


def test_only_labelled_and_known_pixels_count():
    values = np.array([0.9, 0.9, 0.1, 0.1, np.nan, 0.9])
    labels = np.array([1, 0, 1, 0, 1, 255], np.uint8)
    assert score(values, labels) == Confusion(1, 1, 1, 1)


def test_a_threshold_itself_counts_as_landslide():
    assert score([0.5], [1]) == Confusion(1, 0, 0, 0)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        score([0.1, 0.2], [1])


samples = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.float64, n, elements=st.sampled_from([-0.5, 0.0, 0.1, 0.2, 0.3, np.nan])),
        arrays.arrays(np.uint8, n, elements=st.sampled_from([0, 1, 255])),
    )
)


@given(samples)
def test_no_threshold_is_better_than_the_best(sample):
    values, labels = sample
    known = labels[np.isfinite(values)]
    if not ((known == 0).any() and (known == 1).any()):
        with pytest.raises(InventoryError, match="to choose a threshold from"):
            best_threshold(values, labels)
        return
    best = score(values, labels, best_threshold(values, labels)).mcc
    others = [score(values, labels, t).mcc for t in np.unique(values[np.isfinite(values)])]
    assert best == pytest.approx(max(others))


def test_thresholds_are_chosen_in_the_training_part_and_applied_in_the_other():
    grid = snapped_grid((0, 0, 400, 100), 10.0, 32654)
    labels = np.zeros(grid.shape, np.uint8)
    labels[:5] = 1
    labels[:, -5:] = 255
    # In the west landslides have 0.3 and stable ground 0.1; in the east 0.6 and 0.4.
    east = np.arange(40) >= 20
    probability = np.where(labels == 1, 0.3, 0.1) + np.where(east, 0.3, 0.0)
    image = np.stack([probability / 10] * 3).astype(np.float32)
    cube = xr.Dataset(
        {name: (("band", "y", "x"), image * k) for name, k in (("pre", 0), ("post", 1))}
    )
    west, rest = (0.0, 0.0, 200.0, 100.0), (200.0, 0.0, 400.0, 100.0)
    maps = wrap_xr(probability, grid), cube, wrap_xr(labels, grid), west
    scores = evaluate_map(*maps, EvaluateSettings(area=rest), within(grid, west))
    assert scores["pixels"] == 150
    assert scores["held_out"] is True
    assert not scores["baseline"]["in_hindsight"]
    assert evaluate_map(*maps, EvaluateSettings())["tuned"]["in_hindsight"]
    assert evaluate_map(*maps, EvaluateSettings())["held_out"] is None
    assert evaluate_map(*maps, EvaluateSettings(), within(grid, west))["held_out"] is False
    assert scores["mcc"] == 1  # at 0.5
    assert scores["tuned"]["threshold"] == pytest.approx(0.3)
    assert scores["tuned"]["recall"] == 1
    assert scores["tuned"]["precision"] == 0.5  # all of the east is above 0.3
    assert scores["baseline"]["threshold"] == pytest.approx(0.03)
    far = EvaluateSettings(area=(900.0, 0.0, 950.0, 100.0))
    with pytest.raises(InventoryError, match="Expected labelled pixels in the evaluated part"):
        evaluate_map(*maps, far)
