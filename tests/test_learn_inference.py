"""The network made ready for prediction is the same function."""

import numpy as np
import pytest

from lscube.learn import load_model
from lscube.learn.bundle import open_network
from lscube.learn.hardware import CPU_FLAGS
from lscube.learn.inference import for_prediction, policy_of
from lscube.learn.network import main_only
from tests.test_mapping import save_tiny


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Untrained, but with statistics of a batch that are not 0 and 1."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(folder)
    network = open_network(load_model(folder))
    draw = np.random.default_rng(3)
    for layer in network.layers:
        if layer.name.endswith("_norm"):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    gamma * draw.uniform(0.5, 1.5, gamma.shape),
                    beta + draw.normal(0, 0.2, beta.shape),
                    mean + draw.normal(0, 0.2, mean.shape),
                    variance * draw.uniform(0.5, 2, variance.shape),
                ]
            )
    return network


@pytest.fixture(scope="module")
def window():
    draw = np.random.default_rng(1)
    rise = np.linspace(2400, 2600, 64)[:, None] + np.linspace(0, 90, 64)
    return {
        "pre": draw.uniform(0, 0.4, (2, 64, 64, 3)).astype(np.float32),
        "post": draw.uniform(0, 0.4, (2, 64, 64, 3)).astype(np.float32),
        "elevation": np.broadcast_to(rise[None, ..., None], (2, 64, 64, 1)).astype(np.float32),
    }


def test_it_gives_what_the_network_gives(network, window):
    expected = main_only(network).predict_on_batch(window)
    assert expected.std() > 0.001
    ready = for_prediction(network)
    # Untrained, it makes much of the last digit: most pixels agree to 1e-6, a few to 1e-3.
    difference = np.abs(ready.predict_on_batch(window) - expected)
    assert difference.max() < 2e-3
    assert difference.mean() < 2e-5
    names = [type(layer).__name__ for layer in ready.layers]
    assert not {"BatchNormalization", "Dropout", "SpatialDropout2D"} & set(names)
    assert len(ready.outputs) == 1


def test_low_precision_is_near_and_computes_terrain_and_probability_in_float32(network, window):
    from lscube.learn.backend import keras

    expected = for_prediction(network).predict_on_batch(window)
    low = for_prediction(network, "mixed_bfloat16")
    found = np.asarray(low.predict_on_batch(window))
    assert found.dtype == np.float32
    assert 0 < abs(found - expected).mean() < 0.05
    convolutions = {layer.compute_dtype for layer in low.layers if layer.name.endswith("_conv")}
    assert convolutions == {"bfloat16"}
    # The terrain that the low network sees at 2500 m is the terrain.
    shapes = {}
    for policy in ("float32", "mixed_bfloat16"):
        ready = for_prediction(network, policy)
        layer = next(layer for layer in ready.layers if type(layer).__name__ == "Topography")
        seen = keras.Model(ready.inputs, layer.output).predict_on_batch(window)
        shapes[policy] = np.asarray(seen).astype(np.float32)
    slope = 45 * (shapes["float32"][..., 1] + 1)
    assert slope.max() > 5
    low_slope = 45 * (shapes["mixed_bfloat16"][..., 1] + 1)
    np.testing.assert_allclose(low_slope, slope, atol=0.1)


@pytest.mark.parametrize(
    ("precision", "gpus", "flags", "expected"),
    [
        ("auto", 0, frozenset(), "float32"),
        ("auto", 0, frozenset({"avx512_bf16"}), "float32"),
        ("auto", 0, CPU_FLAGS, "mixed_bfloat16"),
        ("auto", 1, frozenset(), "mixed_bfloat16"),
        ("bfloat16", 0, frozenset(), "mixed_bfloat16"),
        ("float32", 1, CPU_FLAGS, "float32"),
    ],
)
def test_precision_is_low_where_the_machine_gains(monkeypatch, precision, gpus, flags, expected):
    monkeypatch.setattr("lscube.learn.inference.gpus", lambda: gpus)
    monkeypatch.setattr("lscube.learn.inference.processor_flags", lambda: flags)
    assert policy_of(precision) == expected
