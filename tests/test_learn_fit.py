"""Training, and the saved model."""

import json
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lscube.errors import InventoryError, ModelError, StoreError, TrainingError
from lscube.learn import check_cube, cut_patches, fit, load_model, read_card, save_model
from lscube.learn.bundle import split_channels
from lscube.learn.fitting import train
from lscube.learn.reader import Reader, as_tf_data
from lscube.settings import TrainSettings
from tests.test_learn_patches import make_cube

keras = pytest.importorskip("keras")

SETTINGS = TrainSettings(
    width=0.05, window=64, epochs=2, batch_size=4, min_labelled=0.2, overlap=0.25
)
BANDS = ("red", "green", "blue")


def stand_in():
    """A network with the U-Net's inputs and outputs, small enough to train many times."""
    layers = keras.layers
    inputs = {
        name: keras.Input((None, None, channels), name=name)
        for name, channels in (("pre", 3), ("post", 3), ("elevation", 1))
    }
    images = [keras.ops.nan_to_num(inputs[name]) for name in ("pre", "post")]
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()(images))
    x = layers.Dropout(0.2)(layers.BatchNormalization()(x))
    outputs = [layers.Conv2D(1, 1, activation="sigmoid", name=f"out_{i}")(x) for i in range(5)]
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def sides():
    return cut_patches(*make_cube(96, 120), SETTINGS)


def run(sides, **changes):
    chosen = SETTINGS.model_copy(update={"learning_rate": 1e-2, **changes})
    keras.utils.set_random_seed(chosen.seed)
    network = stand_in()
    return network, train(network, *sides, chosen, verbose=False)


def test_training_is_the_same_for_the_same_seed(sides):
    (first, history), (second, again) = run(sides), run(sides)
    assert history == again
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_training_learns_stops_and_keeps_the_best(sides):
    changes = {"epochs": 25, "plateau": 1, "patience": 2, "learning_rate": 0.05}
    network, history = run(sides, **changes)
    losses = [row["val_loss"] for row in history]
    assert min(losses) < losses[0]
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 25
    assert history[-1]["learning_rate"] < history[0]["learning_rate"]
    data = as_tf_data(Reader(sides[1], 4, 0, training=False), 1)
    assert network.evaluate(data, verbose=0)[0] == pytest.approx(min(losses), rel=1e-5)


def test_a_loss_that_is_not_a_number_stops_training(sides):
    with pytest.raises(TrainingError, match="learning_rate"):
        run(sides, learning_rate=float("inf"), epochs=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The U-Net itself, trained end to end."""
    folder = tmp_path_factory.mktemp("learn") / "new" / "model"
    cube, labels = make_cube(96, 120)
    model = fit(cube, labels, folder, SETTINGS, provenance={"event": "test"})
    rng = np.random.default_rng(0)
    windows = rng.uniform(0, 0.3, (3, 7, 64, 96)).astype(np.float32)
    windows[0, :, 5, 5] = np.nan
    return model, windows


def test_card_says_what_the_model_is(trained):
    card = trained[0].card
    assert card == read_card(trained[0].folder)
    assert (card.bands, card.resolution, card.window, card.width) == (BANDS, 10.0, 64, 0.05)
    assert card.settings == SETTINGS
    assert card.provenance == {"event": "test"}
    assert card.patches["training_kept"] > 0
    assert card.patches["validation_landslide_pixels"] > 0
    assert card.created.endswith("+00:00")
    rows = (trained[0].folder / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + SETTINGS.epochs
    assert str(card.scores["val_loss"]) in rows[int(card.scores["epoch"])]


def test_prediction_is_a_probability_and_the_same_from_threads(trained):
    model, windows = trained
    found = model.predict(windows)
    assert (found.shape, found.dtype) == ((3, 64, 96), np.float32)
    assert ((found >= 0) & (found <= 1)).all()
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(model.predict, [windows] * 4):
            np.testing.assert_array_equal(again, found)
    with pytest.raises(ModelError, match="multiples of 32"):
        model.predict(windows[..., :50])


def test_model_travels_without_its_network(trained):
    model, windows = trained
    model.predict(windows)
    packed = pickle.dumps(model)
    assert len(packed) < 10_000
    assert pickle.loads(packed) == model


def test_saving_keeps_the_predictions(sides, trained, tmp_path):
    network = stand_in()
    windows = trained[1]
    expected = network(split_channels(windows, 3), training=False)[0].numpy()[..., 0]
    card = save_model(network, tmp_path / "model", trained[0].card)
    assert card.sha256 != trained[0].card.sha256
    model = load_model(tmp_path / "model")
    np.testing.assert_array_equal(model.predict(windows), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def copied(trained, tmp_path):
    return shutil.copytree(trained[0].folder, tmp_path / "copy")


def test_tampered_missing_and_damaged_models_are_refused(trained, tmp_path):
    folder = copied(trained, tmp_path)
    network = folder / "model.keras"
    content = network.read_bytes()
    network.write_bytes(content[:-1] + b"x")
    with pytest.raises(ModelError, match="sha256"):
        load_model(folder)
    network.unlink()
    with pytest.raises(ModelError, match="found none"):
        load_model(folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "window": "large"}))
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)
    with pytest.raises(ModelError, match=r"no card\.json"):
        load_model(tmp_path)


def test_network_exchanged_after_loading_is_refused(trained, tmp_path):
    model = load_model(copied(trained, tmp_path))
    (model.folder / "model.keras").write_bytes(b"something else")
    with pytest.raises(ModelError, match="sha256"):
        model.predict(trained[1])


def test_another_cube_is_refused(trained):
    card = trained[0].card
    check_cube(card, BANDS, 10.0)
    with pytest.raises(ModelError, match=r"red, green, blue.*blue, green, red"):
        check_cube(card, BANDS[::-1], 10.0)
    with pytest.raises(ModelError, match="10 m, got 20 m"):
        check_cube(card, BANDS, 20.0)


def test_nothing_is_trained_where_nothing_can_be_saved_or_learnt(trained, tmp_path):
    cube, labels = make_cube(96, 120)
    with pytest.raises(StoreError, match="found one"):
        fit(cube, labels, trained[0].folder, SETTINGS)
    with pytest.raises(InventoryError, match="no landslide pixel"):
        fit(cube, labels * 0, tmp_path / "model", SETTINGS)
    assert not list(tmp_path.iterdir())


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_cards_and_patches_need_no_keras(trained):
    code = (
        "import sys; from pathlib import Path; from lscube.learn import *;"
        f"print(read_card(Path({str(trained[0].folder)!r})).width,"
        " 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    assert python(code).split() == ["0.05", "False", "False"]


def test_without_keras_the_extra_is_named():
    code = (
        "import sys; sys.modules['keras'] = None; import lscube.learn\n"
        "from lscube.errors import MissingExtraError\n"
        "try: import lscube.learn.network\n"
        "except MissingExtraError as error: print(error)"
    )
    assert "pip install 'lscube[cpu]'" in python(code)
