"""Published weights: files of Keras 2's layout, made here; the real one was not at hand."""

import numpy as np
import pytest

from lscube.cli import main
from lscube.errors import ModelError, StoreError
from lscube.learn import import_weights
from lscube.learn.bundle import split_channels
from lscube.settings import TrainSettings
from tests import needs

keras = needs.module("keras")
h5py = needs.module("h5py")

from lscube.learn.network import build_network, main_only  # noqa: E402


@pytest.fixture(scope="module")
def network(shallow_networks):
    keras.utils.set_random_seed(0)
    made = build_network(3, 3, 6.0, TrainSettings(width=0.05))
    rng = np.random.default_rng(0)
    made.set_weights([w + rng.uniform(0, 0.1, w.shape).astype("f4") for w in made.get_weights()])
    return made


def layers_of(network):
    """Names and weights of all layers, those without weights among them, as Keras 2 lists them."""
    return [(layer.name, layer.get_weights()) for layer in network.layers]


def write(path, layers, whole=True, chunked=False):
    kinds = {2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance"), 0: ()}
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        names = [name.encode() for name, _ in layers]
        if chunked:
            for number, part in enumerate(np.array_split(np.array(names), 3)):
                group.attrs[f"layer_names{number}"] = part
        else:
            group.attrs["layer_names"] = names
        for name, weights in layers:
            own = group.create_group(name)
            labels = [f"{name}/{kind}:0" for kind in kinds.get(len(weights), "ab")]
            own.attrs["weight_names"] = [label.encode() for label in labels]
            for label, weight in zip(labels, weights, strict=False):
                own[label] = weight
    return path


@pytest.mark.parametrize(("whole", "chunked"), [(True, False), (False, False), (True, True)])
def test_weights_arrive_where_they_were(network, tmp_path, whole, chunked):
    file = write(tmp_path / "M_ALL_006.hdf5", layers_of(network), whole, chunked)
    model = import_weights(file, tmp_path / "model", width=0.05)
    assert (model.card.resolution, model.card.settings, model.card.window) == (6.0, None, 224)
    assert model.card.origin.startswith("weights of M_ALL_006.hdf5 (sha256 ")
    windows = np.random.default_rng(1).uniform(0, 0.3, (1, 7, 64, 64)).astype(np.float32)
    expected = main_only(network)(split_channels(windows, model.card), training=False)
    np.testing.assert_allclose(
        model.predict(windows), keras.ops.convert_to_numpy(expected)[..., 0], atol=1e-6
    )


def without(layers, name):
    return [layer for layer in layers if layer[0] != name]


def test_files_that_do_not_fit_are_refused(network, tmp_path):
    layers = layers_of(network)
    last = next(name for name, weights in reversed(layers) if weights)
    swapped = [(n, [w[0][:1], *w[1:]] if n == "stem_pre_conv" else w) for n, w in layers]
    extra = [*layers, ("more", [np.zeros((3, 3, 1, 1)), np.zeros(1)])]
    for name, given, match in (
        ("missing", without(layers, last), f"none for {last}"),
        (
            "earlier",
            without(layers, "stem_pre_conv"),
            r"stem_post_conv.*found.*stem_topography_conv",
        ),
        ("shape", swapped, r"layer \d+ \(stem_pre_conv\)"),
        ("leftover", extra, "more would be left over"),
    ):
        with pytest.raises(ModelError, match=match):
            import_weights(write(tmp_path / name, given), tmp_path / "model", width=0.05)
    assert not (tmp_path / "model").exists()


def test_files_of_another_kind_are_refused(network, tmp_path, capsys):
    whole = write(tmp_path / "whole.hdf5", layers_of(network)).read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.hdf5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["numbers"] = np.arange(3)
    for name in ("cut", "text", "other", "none"):
        file, out = str(tmp_path / f"{name}.hdf5"), str(tmp_path / "model")
        assert main(["model", "import", file, "--out", out]) == 2
        assert "Error: Expected" in capsys.readouterr().err
    with pytest.raises(StoreError, match="found one"):
        import_weights(tmp_path / "cut.hdf5", tmp_path)
