"""Network, its first layers and the loss."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from lscube import terrain
from lscube.settings import TrainSettings
from tests import needs
from tests.networks import QUICK_JAX

keras = needs.module("keras")

from lscube.learn import losses  # noqa: E402
from lscube.learn.layers import Reflectance, Topography  # noqa: E402
from lscube.learn.network import OUTPUTS, build_network, main_only  # noqa: E402

NAN = np.nan


def test_paper_width_has_the_papers_parameters():
    network = build_network(3, 3, 10.0, TrainSettings(width=1.0))
    assert network.count_params() == 20_775_893
    trainable = sum(math.prod(w.shape) for w in network.trainable_weights)
    assert trainable == 20_753_365
    assert tuple(network.output_names) == OUTPUTS


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return build_network(3, 3, 10.0, TrainSettings(width=0.05))


@pytest.fixture(scope="module")
def window():
    rng = np.random.default_rng(1)
    return {
        "pre": rng.uniform(0, 0.3, (1, 64, 96, 3)).astype(np.float32),
        "post": rng.uniform(0, 0.3, (1, 64, 96, 3)).astype(np.float32),
        "elevation": rng.uniform(0, 900, (1, 64, 96, 1)).astype(np.float32),
    }


def test_five_probabilities_at_full_size(small, window):
    outputs = small(window, training=False)
    assert [tuple(o.shape) for o in outputs] == [(1, 64, 96, 1)] * 5
    for output in outputs:
        values = np.asarray(output.numpy())
        assert ((values >= 0) & (values <= 1)).all()


def test_main_only_gives_the_first_output(small, window):
    expected = small(window, training=False)[0].numpy()
    np.testing.assert_array_equal(main_only(small)(window, training=False).numpy(), expected)


def test_missing_pixels_do_not_poison_the_window(small, window):
    holed = {name: layer.copy() for name, layer in window.items()}
    for layer in holed.values():
        layer[0, 10, 20] = NAN
    blind = {name: np.full_like(layer, NAN) for name, layer in window.items()}
    for inputs in (holed, blind):
        assert np.isfinite(small(inputs, training=False)[0].numpy()).all()


def test_heads_and_first_layers_stay_in_float32_under_low_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = build_network(3, 3, 10.0, TrainSettings(width=0.05))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    single = [layer for layer in network.layers if layer.compute_dtype == "float32"]
    names = {layer.name for layer in single}
    assert {"normalise_pre", "normalise_post", "normalise_topography", *OUTPUTS} <= names
    assert network.get_layer("decode_1_0_a_conv").compute_dtype == "bfloat16"
    assert all(output.dtype == "float32" for output in network.outputs)


def test_slope_is_right_at_2500_m_in_every_precision():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:64, :64]
    relief = 2500 + 3.0 * x + 150 * np.sin(y / 9) + rng.normal(0, 1, (64, 64))
    elevation = relief[np.newaxis, ..., np.newaxis].astype(np.float32)
    expected = terrain.slope(relief, 10.0)
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        keras.mixed_precision.set_global_policy(policy)
        try:
            inputs = keras.Input((None, None, 1), dtype="float32")
            model = keras.Model(inputs, Topography(10.0)(inputs))
        finally:
            keras.mixed_precision.set_global_policy("float32")
        found = (model(elevation).numpy()[0, ..., 1] + 1) * 45
        assert np.abs(found - expected).max() < 0.1, policy


def test_reflectance_is_a_true_colour_value():
    rho = np.array([-0.1, 0.0, 0.15, 0.3, 0.9, NAN], dtype=np.float32).reshape(1, 1, 6, 1)
    found = Reflectance()(rho).numpy().ravel()
    np.testing.assert_allclose(found, [-1, -1, 0, 1, 1, 0], atol=1e-6)


def test_topography_of_a_tilted_plane():
    """A plane that falls 10 m per 10 m pixel to the west: 45 degrees, away from the light."""
    plane = np.broadcast_to(10.0 * np.arange(32), (32, 32)).astype(np.float32)
    shade, slope = np.moveaxis(
        Topography(10.0)(plane[np.newaxis, ..., np.newaxis]).numpy()[0], -1, 0
    )
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    # the light is in the north-west, 45 degrees high; cos = (1 + 1/sqrt(2)) / 2
    lit = 1 + 254 * (1 + math.sqrt(0.5)) / 2
    np.testing.assert_allclose(shade, lit / 127.5 - 1, atol=1e-5)


def test_elevation_gaps_take_their_own_windows_mean():
    elevation = np.full((2, 32, 32, 1), 100.0, dtype=np.float32)
    elevation[1] = 900.0
    elevation[:, 4, 5] = NAN
    found = Topography(10.0)(elevation).numpy()
    np.testing.assert_allclose(found[..., 1], -1.0, atol=1e-6)


def test_layers_round_trip_through_their_config():
    for layer in (Reflectance(0.4, name="a"), Topography(12.5, name="b")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert again.get_config() == layer.get_config()
        assert again.compute_dtype == "float32"


# The loss. y = [1, 1, 0, 0], p = [0.8, 0.6, 0.3, 0.1]:
# TP = 1.4, FN = 0.6, FP = 0.4; TI = 2.4 / (1.4 + 0.42 + 0.12 + 1) = 2.4 / 2.94 = 0.8163265
# (1 - TI)^(3/4) = 0.1836735^(0.75) = 0.2805644
# BCE = -(ln 0.8 + ln 0.6 + ln 0.7 + ln 0.9) / 4 = 0.2990012
LABELS = np.array([1, 1, 0, 0, 255, 255], dtype=np.uint8).reshape(1, 2, 3, 1)
FOUND = np.array([0.8, 0.6, 0.3, 0.1, 0.9, 0.2], dtype=np.float32).reshape(1, 2, 3, 1)


def test_golden_losses():
    assert float(losses.cross_entropy(LABELS, FOUND)) == pytest.approx(0.2990012, rel=1e-5)
    assert float(losses.focal_tversky(LABELS, FOUND)) == pytest.approx(0.2805644, rel=1e-5)
    assert float(losses.landslide_loss(LABELS, FOUND)) == pytest.approx(0.2842517, rel=1e-5)


def test_missing_a_landslide_costs_more_than_inventing_one():
    missed = losses.focal_tversky(np.array([1.0, 0.0]), np.array([0.0, 0.0]))
    invented = losses.focal_tversky(np.array([0.0, 0.0]), np.array([1.0, 0.0]))
    assert float(missed) == pytest.approx((0.7 / 1.7) ** 0.75, rel=1e-5)
    assert float(invented) == pytest.approx((0.3 / 1.3) ** 0.75, rel=1e-5)


@pytest.mark.parametrize("ignored", [0.0, 0.5, 1.0])
def test_ignored_pixels_do_not_move_the_loss(ignored):
    other = np.where(LABELS == 255, np.float32(ignored), FOUND)
    assert float(losses.LandslideLoss()(LABELS, other)) == float(
        losses.LandslideLoss()(LABELS, FOUND)
    )


def test_no_valid_pixel_costs_nothing():
    assert float(losses.landslide_loss(np.full_like(LABELS, 255), FOUND)) == 0.0


def test_loss_is_in_float32_whatever_comes():
    half = keras.ops.cast(FOUND, "bfloat16")
    loss = losses.LandslideLoss()(LABELS, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"


def test_gradient_is_finite_for_a_perfect_prediction():
    tf = needs.module("tensorflow")
    found = tf.constant([1.0, 0.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch(found)
        loss = losses.landslide_loss(tf.constant([1.0, 0.0, 255.0]), found)
    gradient = tape.gradient(loss, found).numpy()
    assert np.isfinite(gradient).all()
    assert gradient[2] == 0


def test_loss_round_trips_through_its_config():
    loss = losses.LandslideLoss(name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again, losses.LandslideLoss)
    assert again.get_config() == loss.get_config()
    assert float(again(LABELS, FOUND)) == float(loss(LABELS, FOUND))


@pytest.mark.parametrize(
    "branches", [("post",), ("pre", "post"), ("topography",), ("pre", "post", "topography")]
)
def test_any_branches_and_bands(branches):
    network = build_network(2, 4, 10.0, TrainSettings(width=0.05, branches=branches))
    channels = {"pre": ("pre", 2), "post": ("post", 4), "topography": ("elevation", 1)}
    found = {tensor.name: tensor.shape[-1] for tensor in network.inputs}
    assert found == dict(channels[branch] for branch in branches)
    assert tuple(network.output_names) == OUTPUTS


ON_JAX = """
import sys
import keras, numpy as np
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
from lscube.learn.augment import Radiometry, change_appearance, warp
from lscube.learn.network import build_network
from lscube.settings import TrainSettings
with np.load(sys.argv[1]) as file:
    given = dict(file)
network = build_network(3, 3, 10.0, TrainSettings(width=0.05))
network.set_weights([given[f"w{i}"] for i in range(len(network.weights))])
inputs = {name: given[name] for name in ("pre", "post", "elevation")}
for expected, output in zip(given["outputs"], network(inputs, training=False)):
    np.testing.assert_allclose(np.asarray(output), expected, atol=1e-5)
moved = warp(inputs, given["transforms"])
for name in inputs:
    np.testing.assert_allclose(np.asarray(moved[name]), given[f"moved_{name}"], rtol=1e-4, atol=1e-6)
change = Radiometry(*(np.float32(value) for value in given["change"]))
changed = change_appearance(given["post"], change, given["noise"])
np.testing.assert_allclose(np.asarray(changed), given["changed"], rtol=1e-4, atol=1e-6)
"""


def test_network_and_augmentation_are_the_same_on_jax(window, tmp_path):
    """JAX is among the developers' extras, so there is no excuse for skipping this."""
    from lscube.learn.augment import Radiometry, change_appearance, warp

    inputs = {name: layer.copy() for name, layer in window.items()}
    inputs["post"][0, 5:9, 7] = NAN
    keras.utils.set_random_seed(0)
    small = build_network(3, 3, 10.0, TrainSettings(width=0.05))
    # Fifty layers of full-sized kernels, not yet normalised, would let rounding grow a hundredfold.
    small.set_weights([w * 0.7 if w.ndim == 4 else w for w in small.get_weights()])
    angle = 0.3
    transforms = np.array(
        [[math.cos(angle), -math.sin(angle), 9.3, math.sin(angle), math.cos(angle), -4.1, 0, 0]],
        np.float32,
    )
    change = np.array([1.1, 0.9, 1.2, 0.95, 0.01, 0.5, 0.002], np.float32)
    noise = np.random.default_rng(0).standard_normal(inputs["post"].shape).astype(np.float32)
    numbers = keras.ops.convert_to_numpy
    arrays = {f"w{i}": value for i, value in enumerate(small.get_weights())}
    arrays |= {f"moved_{name}": numbers(v) for name, v in warp(inputs, transforms).items()}
    changed = change_appearance(inputs["post"], Radiometry(*change), noise)
    outputs = np.stack([numbers(output) for output in small(inputs, training=False)])
    assert outputs.std(axis=(1, 2, 3, 4)).min() > 0.01  # outputs that are not constant are compared
    np.savez(
        tmp_path / "given.npz",
        outputs=outputs,
        transforms=transforms,
        change=change,
        noise=noise,
        changed=numbers(changed),
        **inputs,
        **arrays,
    )
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path / "given.npz")],
        env={**os.environ, "KERAS_BACKEND": "jax", **QUICK_JAX},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
