"""Augmentation: one geometry for all layers, an appearance of its own for each image."""

import numpy as np
import pytest

from lscube.scores import IGNORE
from tests import needs

keras = needs.module("keras")

from lscube.learn.augment import (  # noqa: E402
    Augmentation,
    Radiometry,
    change_appearance,
    draw_geometry,
    draw_radiometry,
    smooth,
    warp,
    warp_labels,
)

EDGE = 48


def arrays(layers):
    return {name: keras.ops.convert_to_numpy(layer) for name, layer in layers.items()}


def batch(count=3, seed=0):
    """Smooth layers that all carry the same pattern, and labels that are its upper half."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE] / EDGE
    phase = rng.uniform(0, 6, (count, 1, 1))
    pattern = (0.5 + 0.5 * np.sin(5 * x + phase) * np.cos(4 * y))[..., np.newaxis].astype("f4")
    return {
        "pre": np.repeat(0.2 * pattern, 3, axis=-1),
        "post": np.repeat(0.1 + 0.1 * pattern, 3, axis=-1),
        "elevation": 2500 + 100 * pattern,
        "labels": (pattern > 0.5).astype(np.uint8),
    }


def generator(seed=0):
    return keras.random.SeedGenerator(seed)


def transforms(*rows):
    return np.array(rows, np.float32)


IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0)


def test_the_same_geometry_hits_all_four_layers():
    """The layers are the same pattern in other units, and must still be so afterwards."""
    given = batch(8)
    found = arrays(Augmentation(1.0, 0.0, seed=3)(given))
    known = np.isfinite(found["elevation"])
    assert 0.5 < known.mean() < 1
    for name, scale, offset in (("pre", 0.2, 0.0), ("post", 0.1, 0.1)):
        assert (np.isfinite(found[name]) == known).all()
        pattern = (found[name][..., :1] - offset) / scale
        np.testing.assert_allclose(
            pattern[known], (found["elevation"][known] - 2500) / 100, atol=2e-3
        )
    inside = known & (found["labels"] != IGNORE)
    pattern = found["pre"][..., :1] / 0.2
    sure = inside & (np.abs(np.nan_to_num(pattern) - 0.5) > 0.1)
    np.testing.assert_array_equal(found["labels"][sure] == 1, pattern[sure] > 0.5)
    assert any(
        (one != other).any() for one, other in zip(given["labels"], found["labels"], strict=True)
    )


def test_labels_stay_0_1_or_ignore_and_padding_is_ignored():
    found = arrays(Augmentation(1.0, 1.0, seed=1)(batch(16)))
    assert found["labels"].dtype == np.uint8
    assert set(np.unique(found["labels"])) == {0, 1, IGNORE}
    away = np.isnan(found["post"]).any(axis=-1, keepdims=True)
    # A bilinear pixel needs half of its weight inside, a label its nearest pixel: one rim apart.
    assert (found["labels"][away] == IGNORE).mean() > 0.9


def test_ignored_labels_move_like_the_others():
    labels = np.zeros((1, 4, 4, 1), np.uint8)
    labels[0, 0, :, 0] = IGNORE
    mirrored_rows = transforms((1, 0, 0, 0, -1, 3, 0, 0))
    found = keras.ops.convert_to_numpy(warp_labels(labels, mirrored_rows))
    np.testing.assert_array_equal(found, labels[:, ::-1])


def test_a_shift_is_a_shift():
    image = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    right = transforms((1, 0, -2, 0, 1, 0, 0, 0))  # output x comes from x - 2
    found = arrays(warp({"post": image}, right))["post"][0, ..., 0]
    np.testing.assert_array_equal(found[:, 2:], image[0, :, :3, 0])
    assert np.isnan(found[:, :2]).all()
    labels = keras.ops.convert_to_numpy(warp_labels(np.ones((1, 5, 5, 1), np.uint8), right))
    np.testing.assert_array_equal(labels[0, 0, :, 0], [IGNORE, IGNORE, 1, 1, 1])


def test_gaps_do_not_spread():
    image = np.full((1, 6, 6, 2), 0.2, np.float32)
    image[0, 2, 2, 0] = np.nan
    half = transforms((1, 0, 0.25, 0, 1, 0, 0, 0))
    found = arrays(warp({"pre": image}, half))["pre"][0]
    known = np.isfinite(found).all(axis=-1)
    np.testing.assert_allclose(found[known], 0.2, rtol=1e-6)
    # The gap's own pixel has three quarters of its weight in the gap; its neighbour a quarter.
    np.testing.assert_array_equal(np.argwhere(~known), [[2, 2]])


def test_without_affine_part_a_patch_is_one_of_its_eight_layings():
    image = np.random.default_rng(0).uniform(0, 1, (40, 8, 8, 1)).astype(np.float32)
    drawn = draw_geometry(40, (8, 8), 0.0, generator())
    found = arrays(warp({"pre": image}, drawn))["pre"]
    seen = set()
    for one, other in zip(image, found, strict=True):
        layings = [np.rot90(m, k) for m in (one, one[:, ::-1]) for k in range(4)]
        matches = [i for i, laying in enumerate(layings) if np.allclose(laying, other, atol=1e-6)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert seen == set(range(8))


def test_half_of_the_patches_are_turned_freely_within_limits():
    drawn = keras.ops.convert_to_numpy(draw_geometry(400, (EDGE, EDGE), 1.0, generator()))
    a, b = drawn[:, 0:2], drawn[:, 3:5]
    size = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])  # of an area
    assert 0.8**2 - 1e-4 <= size.min() < 0.9
    assert 1.1 < size.max() <= 1.25**2 + 1e-4
    assert 0.4 < (np.abs(size - 1) < 1e-6).mean() < 0.6
    # The middle of the patch stays within a tenth of the edge of where it was.
    middle = (EDGE - 1) / 2
    for row, own in ((drawn[:, 0:3], middle), (drawn[:, 3:6], middle)):
        moved = row[:, 0] * middle + row[:, 1] * middle + row[:, 2] - own
        assert np.abs(moved).max() <= 0.1 * EDGE + 1e-3


def test_pre_and_post_change_differently():
    given = batch()
    given["post"] = given["pre"].copy()
    found = arrays(Augmentation(0.0, 1.0, seed=2)(given))
    np.testing.assert_array_equal(found["elevation"], given["elevation"])
    np.testing.assert_array_equal(found["labels"], given["labels"])
    for before, after, origin in zip(found["pre"], found["post"], given["pre"], strict=True):
        assert np.abs(before - origin).max() > 0.003
        assert np.abs(before - after).max() > 0.003


def test_strength_0_changes_nothing():
    given = batch()
    for name, layer in arrays(Augmentation(0.0, 0.0)(given)).items():
        np.testing.assert_array_equal(layer, given[name])


def radiometry(**changes):
    neutral = {"gain": 1, "contrast": 1, "saturation": 1, "colour": 1, "haze": 0, "sharpness": 0}
    values = {**neutral, "noise": 0, **changes}
    return Radiometry(**{name: np.float32(value) for name, value in values.items()})


def changed(image, **changes):
    noise = np.random.default_rng(0).standard_normal(image.shape).astype(np.float32)
    return keras.ops.convert_to_numpy(change_appearance(image, radiometry(**changes), noise))


def test_each_radiometric_change_does_what_it_says():
    image = batch(1)["post"] * np.array([1.0, 0.8, 0.6], np.float32)
    grey = image.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(changed(image), image, atol=1e-7)
    np.testing.assert_allclose(changed(image, gain=1.2), 1.2 * image, rtol=1e-5)
    np.testing.assert_allclose(changed(image, haze=0.01), image + 0.01, rtol=1e-5)
    np.testing.assert_allclose(changed(image, saturation=0), grey + 0 * image, rtol=1e-5)
    middle = image.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(changed(image, contrast=0), middle + 0 * image, rtol=1e-4)
    assert changed(image, noise=0.01).std() > image.std()
    assert (np.abs(np.diff(changed(image, sharpness=1), axis=1)).max()) > np.abs(
        np.diff(image, axis=1)
    ).max()
    blurred = keras.ops.convert_to_numpy(smooth(image))
    np.testing.assert_allclose(changed(image, sharpness=-1), blurred, atol=1e-6)


def test_unknown_pixels_stay_unknown_and_do_not_count():
    image = np.full((1, 8, 8, 3), 0.1, np.float32)
    image[0, 3, 3] = np.nan
    drawn = draw_radiometry(1, 3, 1.0, generator(5))._replace(noise=np.float32(0))
    found = keras.ops.convert_to_numpy(change_appearance(image, drawn, np.zeros_like(image)))
    assert (np.isnan(found) == np.isnan(image)).all()
    for band in range(3):
        assert np.ptp(found[..., band][np.isfinite(found[..., band])]) < 1e-6


def test_nothing_is_darker_than_black():
    assert changed(np.full((1, 8, 8, 3), 0.001, np.float32), haze=-0.01).min() == 0


def test_draws_follow_from_the_seed():
    given = batch()
    first, again, other = (arrays(Augmentation(seed=seed)(given)) for seed in (4, 4, 5))
    for name, layer in first.items():
        np.testing.assert_array_equal(layer, again[name])
    assert not np.array_equal(first["post"], other["post"], equal_nan=True)


def test_elevation_keeps_its_metres_in_low_precision():
    """At 2500 m a half-precision elevation would be off by metres."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = Augmentation(1.0, 0.0)
    finally:
        keras.config.set_dtype_policy("float32")
    given = batch()
    given["elevation"][:] = 2503.7
    found = arrays(layer(given))["elevation"]
    np.testing.assert_allclose(found[np.isfinite(found)], 2503.7, atol=0.01)


def test_the_layer_round_trips_through_its_config():
    layer = Augmentation(0.5, 0.25, 7, name="a")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("branches", [("post",), ("pre", "elevation")])
def test_any_branches(branches):
    given = batch()
    chosen = {name: given[name] for name in (*branches, "labels")}
    assert set(Augmentation()(chosen)) == set(chosen)
