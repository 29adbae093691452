"""Several looks become one image: plain numbers whose right answer is obvious."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lscube.cube.composite import DATE, NO_DATE, NONE, REASON, UNREADABLE, Look, compose
from lscube.cube.masks import Reason


def look(value, reason, day, unreadable=NONE):
    reason = np.atleast_2d(np.array(reason, np.uint8))
    shape = reason.shape
    return Look(
        np.broadcast_to(np.float32(value), (1, *shape)).copy(),
        reason,
        np.broadcast_to(np.int16(unreadable), shape).copy(),
        day,
    )


C, S, N = Reason.CLOUD, Reason.CLOUD_SHADOW, Reason.NO_DATA
LOOKS = [
    look(0.1, [[0, C, C, N, N]], 10),
    look(0.2, [[0, 0, S, 0, N]], 30),
    look(0.6, [[0, 0, S, C, N]], 20),
]


@pytest.mark.parametrize(
    ("method", "values", "days", "reasons"),
    [
        ("first", [0.1, 0.2, np.nan, 0.2, np.nan], [10, 30, NO_DATE, 30, NO_DATE], [0, 0, C | S, 0, N]),
        ("clearest", [0.1, np.nan, np.nan, 0.2, np.nan], [10, NO_DATE, NO_DATE, 30, NO_DATE],
         [0, C, C, 0, N]),
        ("median", [0.2, 0.4, np.nan, 0.2, np.nan], [30, 30, NO_DATE, 30, NO_DATE], [0, 0, C | S, 0, N]),
    ],
)  # fmt: skip
def test_methods(method, values, days, reasons):
    image = compose(LOOKS, method, 1, (1, 5))
    np.testing.assert_allclose(image[0, 0], values, rtol=1e-6)
    np.testing.assert_array_equal(image[DATE][0], days)
    np.testing.assert_array_equal(image[REASON][0], reasons)


def test_no_more_looks_are_drawn_than_are_needed():
    drawn = []

    def looks():
        for number in range(3):
            drawn.append(number)
            yield look(0.1, [[0, 0]], number)

    compose(looks(), "first", 1, (1, 2))
    assert drawn == [0]


def test_no_look_at_all_is_no_data():
    for method in ("first", "clearest", "median"):
        image = compose([], method, 2, (2, 2))
        assert np.isnan(image[:2]).all()
        assert (image[REASON] == N).all()
        assert (image[DATE] == NO_DATE).all()


def test_what_the_user_masks_is_masked_for_no_other_reason():
    blocked = np.array([[True, False, True, False, False]])
    for method in ("first", "clearest", "median"):
        image = compose(LOOKS, method, 1, (1, 5), blocked)
        assert (image[REASON][blocked] == Reason.MASKED_BY_USER).all()
        assert np.isnan(image[0][blocked]).all()
        assert (image[DATE][blocked] == NO_DATE).all()
        free = compose(LOOKS, method, 1, (1, 5))
        np.testing.assert_array_equal(image[REASON][~blocked], free[REASON][~blocked])


def test_every_unreadable_scene_is_named():
    lost = np.full((8, 8), Reason.UNREADABLE_SOURCE)
    looks = [
        look(0, lost, 1, 0),
        look(0.5, np.zeros((8, 8)), 2),
        look(0, lost, 3, 3),
        look(0, lost, 4, 6),
    ]
    image = compose(looks, "median", 1, (8, 8))
    assert set(np.unique(image[UNREADABLE])) == {0, 3, 6}
    assert (image[REASON] == 0).all()
    np.testing.assert_array_equal(image[0], np.float32(0.5))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**31))
def test_the_median_is_numpys(count, seed):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (count, 2, 3, 4)).astype(np.float32)
    reasons = rng.choice([0, 0, C], (count, 3, 4)).astype(np.uint8)
    looks = [Look(values[n], reasons[n], np.full((3, 4), NONE, np.int16), n) for n in range(count)]
    image = compose(looks, "median", 2, (3, 4))
    masked = np.where(reasons[:, None] == 0, values, np.nan)
    seen = (reasons == 0).any(axis=0)
    wanted = np.nanmedian(masked[:, :, seen], axis=0)
    np.testing.assert_allclose(image[:2, seen], wanted, rtol=1e-6)
    assert np.isnan(image[:2, ~seen]).all()
    assert (image[REASON][~seen] == C).all()
