"""The network made ready for prediction is the same function."""

import numpy as np
import pytest

from lscube.errors import MissingExtraError, ModelError
from lscube.learn import load_model
from lscube.learn.bundle import open_network
from lscube.learn.engines import choose_arithmetic, make_run
from lscube.learn.hardware import CPU_FLAGS
from lscube.learn.inference import for_prediction
from lscube.learn.network import main_only
from tests import needs
from tests.networks import save_tiny


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Untrained, but with statistics of a batch that are not 0 and 1."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(folder, depth="deep")
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


def test_openvino_is_the_same_function_and_the_same_bits_for_any_batch_and_threads(
    network, window, monkeypatch
):
    needs.module("openvino")
    seen = {name: values.copy() for name, values in window.items()}
    seen["pre"][0, 10:20, 5:60] = np.nan
    seen["elevation"][1, 30:, 30:] = np.nan
    ready = for_prediction(network)
    expected = make_run(ready, "keras")(seen)
    found = {}
    for threads in (1, 2):
        monkeypatch.setattr("lscube.learn.engines.worker_threads", lambda threads=threads: threads)
        run = make_run(ready, "openvino")
        found[threads] = run(seen)
        single = [run({name: values[i : i + 1] for name, values in seen.items()}) for i in (0, 1)]
        np.testing.assert_array_equal(np.concatenate(single), found[threads])
        # Other sizes need no new network.
        assert run({n: v[:, :32, :32] for n, v in seen.items()}).shape == (2, 32, 32, 1)
    np.testing.assert_array_equal(found[1], found[2])
    assert found[1].dtype == np.float32
    assert np.isfinite(expected).all()
    difference = np.abs(found[1] - expected)
    assert difference.max() < 2e-3
    assert difference.mean() < 2e-5


@pytest.mark.parametrize(
    ("engine", "precision", "gpus", "flags", "openvino", "expected"),
    [
        ("auto", "auto", 0, frozenset(), True, ("openvino", "float32")),
        ("auto", "auto", 0, frozenset(), False, ("keras", "float32")),
        ("auto", "auto", 0, frozenset({"avx512_bf16"}), True, ("openvino", "float32")),
        ("auto", "auto", 0, CPU_FLAGS, True, ("keras", "mixed_bfloat16")),
        ("auto", "auto", 1, frozenset(), True, ("keras", "mixed_bfloat16")),
        ("auto", "float32", 1, CPU_FLAGS, True, ("keras", "float32")),
        ("auto", "float32", 0, CPU_FLAGS, True, ("openvino", "float32")),
        ("auto", "bfloat16", 0, frozenset(), True, ("keras", "mixed_bfloat16")),
        ("openvino", "auto", 0, CPU_FLAGS, True, ("openvino", "float32")),
        ("keras", "auto", 0, frozenset(), True, ("keras", "float32")),
    ],
)
def test_arithmetic_is_what_the_machine_gains_by(
    monkeypatch, engine, precision, gpus, flags, openvino, expected
):
    monkeypatch.setattr("lscube.learn.engines.gpus", lambda: gpus)
    monkeypatch.setattr("lscube.learn.engines.processor_flags", lambda: flags)
    monkeypatch.setattr("lscube.learn.engines.has_openvino", lambda: openvino)
    assert choose_arithmetic(engine, precision) == expected


def test_openvino_where_it_cannot_be(monkeypatch, network):
    with pytest.raises(ModelError, match="Expected float32"):
        choose_arithmetic("openvino", "bfloat16")
    monkeypatch.setattr("lscube.learn.engines.has_openvino", lambda: False)
    with pytest.raises(MissingExtraError, match="extra 'openvino'"):
        make_run(network, "openvino")
