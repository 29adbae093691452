"""Training, its interruption, and the saved model."""

import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lscube.errors import InventoryError, ModelError, StoreError, TrainingError
from lscube.learn import (
    Card,
    TrainingEvent,
    check_cube,
    fit,
    load_model,
    read_card,
    save_model,
)
from lscube.learn.bundle import open_network, split_channels
from lscube.learn.reader import Reader
from lscube.learn.splits import Side
from lscube.learn.state import State, load_state, save_state
from lscube.settings import SplitSettings, TrainSettings
from tests import needs, networks
from tests.networks import QUICK_JAX
from tests.test_learn_patches import cut, make_cube

keras = needs.module("keras")

from lscube.learn.hardware import choose_policy, policy, processor_flags  # noqa: E402
from lscube.learn.loop import train, validate  # noqa: E402
from lscube.learn.training import make_training_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings(networks.UNTRACED)

SETTINGS = TrainSettings(
    width=0.05,
    window=64,
    epochs=3,
    batch_size=4,
    min_labelled=0.2,
    overlap=0.25,
    pre_bands=("red", "green", "blue"),
    post_bands=("red", "green", "blue"),
    precision="float32",
)
BANDS = ("red", "green", "blue")
ROOT = Path(__file__).parents[1]


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
    heads = [layers.Conv2D(1, 1, name=f"logit_{i}")(x) for i in range(5)]
    outputs = [layers.Activation("sigmoid", dtype="float32")(head) for head in heads]
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module", autouse=True)
def untraced():
    """Few steps of small networks are done before a graph of them were made."""
    with networks.untraced():
        yield


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    both = cut(tmp_path_factory.mktemp("stores"), *make_cube(96, 120), SETTINGS)
    return (
        Reader(both[Side.TRAINING], 4, seed=0, shuffle=True),
        Reader(both[Side.VALIDATION], 4, shuffle=False),
    )


def run(sides, network=None, changes=None, **more):
    chosen = SETTINGS.model_copy(update={"learning_rate": 1e-2, "epochs": 2, **(changes or {})})
    keras.utils.set_random_seed(chosen.seed)
    network = network or stand_in()
    return network, train(network, *sides, chosen, **more)


def assert_same_weights(one, other):
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_training_is_the_same_for_the_same_seed(sides):
    (first, history), (second, again) = run(sides), run(sides)
    assert history == again
    assert_same_weights(first, second)


def test_training_learns_stops_and_keeps_the_best(sides):
    changes = {"epochs": 25, "plateau": 1, "patience": 2, "learning_rate": 0.05}
    network, history = run(sides, changes=changes)
    losses = [row["val_loss"] for row in history]
    assert min(losses) < losses[0]
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 25
    assert history[-1]["learning_rate"] < history[0]["learning_rate"]
    assert sides[1].steps == 1  # the Tversky index is one of the whole batch
    model = make_training_model(network, 0.0, 0.0, 1e-3)
    loss = model.evaluate(sides[1].batch(0, 0), verbose=0)[0]
    assert loss == pytest.approx(min(losses), rel=1e-5)


class Cut(Exception):
    """Stands for whatever ends a process."""


FALLING = {"epochs": 9, "plateau": 1, "patience": 3, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def uninterrupted(sides):
    return run(sides, changes=FALLING)


@pytest.mark.parametrize("after", [1, 3, 4])
def test_an_interrupted_training_goes_on_to_the_same_result(sides, uninterrupted, tmp_path, after):
    """With a falling rate and an early stop, whose counters have to survive."""
    changes = FALLING
    whole, history = uninterrupted
    assert len({row["learning_rate"] for row in history}) > 1
    path = tmp_path / "state.npz"

    def save(state):
        save_state(path, state)
        if state.epoch == after:
            raise Cut

    with pytest.raises(Cut):
        run(sides, changes=changes, save=save)
    state = load_state(path)
    assert state.epoch == after
    network, again = run(sides, changes=changes, state=state)
    assert again == history
    assert_same_weights(network, whole)


def test_a_training_that_was_done_is_not_done_again(sides, tmp_path):
    states = []
    whole, history = run(sides, save=states.append)
    network, again = run(sides, state=states[-1], save=states.append)
    assert again == history
    assert len(states) == len(history)
    assert_same_weights(network, whole)


def test_the_state_before_survives_a_full_disk(tmp_path):
    path = tmp_path / "state.npz"
    weights = [np.ones((100, 100), np.float32)]
    first = State(weights, [np.int64(3)], weights, {"stop_wait": 1.0}, [{"epoch": 1.0}])
    save_state(path, first)
    with full_disk(), pytest.raises(StoreError, match="File too large"):
        save_state(path, first)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.npz"]
    again = load_state(path)
    assert (again.counters, again.history, again.epoch) == (first.counters, first.history, 1)
    np.testing.assert_array_equal(again.best[0], weights[0])
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StoreError, match="begin anew"):
        load_state(path)
    assert load_state(tmp_path / "none.npz") is None


class full_disk:
    """No file can grow beyond a few kilobytes."""

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


def test_a_loss_that_is_not_a_number_names_batch_and_event(sides):
    with pytest.raises(
        TrainingError, match=r"batch \d+ of epoch \d+.*patches of small.*learning_rate"
    ):
        run(sides, changes={"learning_rate": float("inf"), "epochs": 5})


def test_low_precision_trains_with_float32_weights_and_loss(sides):
    with policy("mixed_bfloat16"):
        network, history = run(sides, changes={"epochs": 3})
    assert keras.config.dtype_policy().name == "float32"
    assert all(
        variable.dtype == "float32" for variable in network.variables if "seed" not in variable.path
    )
    assert np.isfinite([row["val_loss"] for row in history]).all()
    assert history[-1]["loss"] < history[0]["loss"]


def test_float16_scales_its_loss(sides):
    with policy("mixed_float16"):
        model = make_training_model(stand_in(), 1.0, 1.0, 1e-3)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_precision_follows_the_hardware(tmp_path):
    none, some = frozenset({"avx2"}), frozenset({"avx2", "amx_bf16"})
    assert choose_policy("auto", 0, none) == "float32"
    assert choose_policy("auto", 0, some) == "mixed_bfloat16"
    assert choose_policy("auto", 1, none) == "mixed_float16"
    assert choose_policy("float32", 2, some) == "float32"
    assert choose_policy("mixed", 0, none) == "mixed_bfloat16"
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu amx_bf16 avx2\nprocessor : 1\n")
    assert processor_flags(info) == {"fpu", "amx_bf16", "avx2"}
    assert processor_flags(tmp_path / "none") == frozenset()


def test_validation_counts_every_known_pixel(sides):
    tally = validate(stand_in(), sides[1])
    batches = [sides[1].batch(0, step)["labels"] for step in range(sides[1].steps)]
    labels = np.concatenate(batches)
    assert tally.landslide.sum() == (labels == 1).sum() > 0
    assert tally.other.sum() == (labels == 0).sum() > 0


def event(**changes):
    cube, labels = make_cube(96, 120)
    given = {
        "id": "test",
        "cube": cube,
        "labels": labels,
        "sources": ("a", "b"),
        "reference": "by hand",
    }
    return TrainingEvent(**{**given, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, plain_networks):
    """Trained end to end, as the U-Net is."""
    folder = tmp_path_factory.mktemp("learn") / "new" / "model"
    model = fit([event()], folder, SETTINGS, say=lambda line: None)
    rng = np.random.default_rng(0)
    windows = rng.uniform(0, 0.3, (3, 7, 64, 96)).astype(np.float32)
    windows[0, :, 5, 5] = np.nan
    return model, windows


def test_a_full_disk_stops_training_and_the_same_call_finishes_it(trained, tmp_path):
    """As long as the uninterrupted one, and with its weights: nothing was lost but time."""
    folder = tmp_path / "model"
    limit = full_disk()

    def fill(line):
        if line.startswith("epoch 1/"):
            limit.__enter__()

    try:
        with pytest.raises(StoreError, match=r"state\.npz"):
            fit([event()], folder, SETTINGS, say=fill)
    finally:
        limit.__exit__()
    work = tmp_path / "model.training"
    assert load_state(work / "state.npz").epoch == 1
    changed = SETTINGS.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(StoreError, match=r"train\.learning_rate was 0\.0001 and is 0\.5 now"):
        fit([event()], folder, changed, say=lambda line: None)
    said = []
    model = fit([event()], folder, SETTINGS, say=said.append)
    assert [line.split(":")[0] for line in said if line.startswith("epoch")] == [
        "epoch 2/3",
        "epoch 3/3",
    ]
    np.testing.assert_array_equal(model.predict(trained[1]), trained[0].predict(trained[1]))
    assert (folder / "history.csv").read_text() == (trained[0].folder / "history.csv").read_text()
    assert not work.exists()


def test_card_says_what_the_model_is(trained):
    card = trained[0].card
    assert card == read_card(trained[0].folder)
    assert card.branches == ("pre", "post", "topography")
    assert (card.pre_bands, card.post_bands) == (BANDS, BANDS)
    assert (card.resolution, card.window, card.width) == (10.0, 64, 0.05)
    assert card.settings == SETTINGS
    (learnt,) = card.events
    assert (learnt.id, learnt.sources, learnt.labels) == ("test", ("a", "b"), "by hand")
    assert learnt.bounds == (500_000, 4_739_040, 501_200, 4_740_000)
    assert learnt.epsg == 32654
    assert learnt.patches["training_kept"] > 0
    assert learnt.patches["validation_landslide_pixels"] > 0
    assert 0 < card.threshold < 1
    assert card.created.endswith("+00:00")
    rows = (trained[0].folder / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + SETTINGS.epochs
    assert str(card.scores["val_loss"]) in rows[int(card.scores["epoch"])]
    for name in ("curves.png", "augmentation.png"):
        assert (trained[0].folder / name).stat().st_size > 10_000
    assert list((trained[0].folder / "tensorboard").rglob("events.*"))


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


def test_saving_keeps_the_predictions(trained, tmp_path):
    network = stand_in()
    windows = trained[1]
    inputs = split_channels(windows, trained[0].card)
    expected = network(inputs, training=False)[0].numpy()[..., 0]
    card = save_model(network, tmp_path / "model", trained[0].card)
    assert card.sha256 != trained[0].card.sha256
    model = load_model(tmp_path / "model")
    # Normalisation became part of the convolutions: the same function, rounded otherwise.
    np.testing.assert_allclose(model.predict(windows), expected, atol=2e-4)
    kept = open_network(model)(inputs, training=False)[0].numpy()[..., 0]
    np.testing.assert_array_equal(kept, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_channels_go_where_the_card_says():
    card = Card(
        branches=("post", "topography"),
        post_bands=("nir", "red"),
        resolution=10.0,
        full_scale=0.3,
        window=32,
        width=1.0,
    )
    windows = np.arange(3 * 32 * 32, dtype=np.float32).reshape(1, 3, 32, 32)
    found = split_channels(windows, card)
    assert list(found) == ["post", "elevation"]
    np.testing.assert_array_equal(found["post"][0, ..., 1], windows[0, 1])
    np.testing.assert_array_equal(found["elevation"][0, ..., 0], windows[0, 2])
    with pytest.raises(ModelError, match=r"\(n, 3, y, x\)"):
        split_channels(windows[:, :2], card)


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
    check_cube(card, ("nir", *BANDS[::-1]), 10.0)  # bands are found by their names
    with pytest.raises(ModelError, match=r"red, green, blue.*red, green, nir"):
        check_cube(card, ("red", "green", "nir"), 10.0)
    with pytest.raises(ModelError, match="10 m, got 20 m"):
        check_cube(card, BANDS, 20.0)


def refused(error, match, tmp_path, events, settings=SETTINGS, **more):
    with pytest.raises(error, match=match):
        fit(events, tmp_path / "model", settings, say=lambda line: None, **more)
    assert not (tmp_path / "model").exists()


def test_nothing_is_trained_where_nothing_can_be_saved_or_learnt(trained, tmp_path):
    with pytest.raises(StoreError, match="found one"):
        fit([event()], trained[0].folder, SETTINGS)
    none = event(labels=make_cube(96, 120)[1] * 0)
    refused(InventoryError, "training patches of test, found no landslide", tmp_path, [none])
    with_test = SplitSettings(by="blocks", block=100_000, validation_share=0.01)
    refused(InventoryError, "Expected labels", tmp_path / "b", [event(split=with_test)])


def test_a_patch_larger_than_the_area_is_refused_if_too_little_is_known(tmp_path):
    large = SETTINGS.model_copy(update={"window": 224, "min_labelled": 0.5})
    refused(
        InventoryError, r"training patches of 224 pixels.*train\.window", tmp_path, [event()], large
    )


def test_events_that_do_not_go_together_are_refused(tmp_path):
    other = event(id="other", cube=make_cube(96, 120)[0].isel(band=[0, 1]))
    refused(
        InventoryError,
        "same bands.*test: red, green, blue.*other: red, green",
        tmp_path,
        [event(), other],
    )
    refused(InventoryError, "different names", tmp_path, [event(), event()])
    nir = SETTINGS.model_copy(update={"post_bands": ("nir",)})
    refused(ModelError, "blue, green, nir, red", tmp_path, [event()], nir)


def test_another_folders_files_are_not_taken_for_an_interrupted_training(tmp_path):
    (tmp_path / "model.training").mkdir()
    (tmp_path / "model.training" / "mine.txt").touch()
    refused(StoreError, "found other files", tmp_path, [event()])
    assert (tmp_path / "model.training" / "mine.txt").exists()


def test_several_events_are_learnt_together_from_a_saved_model(trained, tmp_path):
    """Combined learning and fine-tuning: one epoch at rate 0 leaves the parent's weights alone.

    Width and window are not given: they are the parent's.
    """
    cube, labels = make_cube(80, 100, seed=5)
    events = [event(), event(id="second", cube=cube, labels=labels)]
    given = SETTINGS.model_dump(include=SETTINGS.model_fields_set - {"width", "window"})
    still = TrainSettings(**{**given, "learning_rate": 1e-30, "epochs": 1, "l2": 0.0})
    said = []
    model = fit(events, tmp_path / "model", still, parent=trained[0].folder, say=said.append)
    assert [learnt.id for learnt in model.card.events] == ["test", "second"]
    assert model.card.parent == trained[0].card.sha256
    assert (model.card.width, model.card.window) == (SETTINGS.width, SETTINGS.window)
    assert (still.width, still.window) != (SETTINGS.width, SETTINGS.window)
    assert [line for line in said if line.startswith("Reading")] == [
        "Reading test",
        "Reading second",
    ]
    mine, theirs = (
        {
            v.path: v.numpy()
            for v in keras.saving.load_model(m.folder / "model.keras").trainable_variables
        }
        for m in (model, trained[0])
    )
    for path, value in theirs.items():
        np.testing.assert_allclose(mine[path], value, atol=1e-6)


def test_a_parent_of_another_network_is_refused(trained, tmp_path):
    wider = SETTINGS.model_copy(update={"branches": ("post",)})
    refused(ModelError, "same network", tmp_path, [event()], wider, parent=trained[0].folder)


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


def on(backend: str, code: str, *words: str, **more: str) -> None:
    """Run a program on another of Keras's backends; `more` are variables of its environment."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "KERAS_BACKEND": backend, **QUICK_JAX, **more},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


JAX_TRAINING = """
import sys
from pathlib import Path
import keras, numpy as np
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
from tests.test_learn_fit import run, assert_same_weights
from tests.test_learn_patches import cut, make_cube
from tests.test_learn_fit import SETTINGS
from lscube.learn.reader import Reader
from lscube.learn.splits import Side
both = cut(Path(sys.argv[1]), *make_cube(96, 120), SETTINGS)
sides = (Reader(both[Side.TRAINING], 4, shuffle=True), Reader(both[Side.VALIDATION], 4, shuffle=False))
states = []
changes = {"epochs": 6, "plateau": 1, "patience": 3, "learning_rate": 0.05}
whole, history = run(sides, changes=changes, save=states.append)
assert history[-1]["loss"] < history[0]["loss"]
network, again = run(sides, changes=changes, state=states[1])
assert again == history, (again, history)
assert_same_weights(network, whole)
"""


def test_training_and_resuming_work_on_jax(tmp_path):
    # The second training has the first one's compiled steps.
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}
    compiled |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    (tmp_path / "stores").mkdir()
    on("jax", JAX_TRAINING, str(tmp_path / "stores"), **compiled)


TWO_DEVICES = """
import sys
from pathlib import Path
import numpy as np, tensorflow as tf
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.test_learn_fit import SETTINGS, run, stand_in
from tests.test_learn_patches import cut, make_cube
from lscube.learn.hardware import spread
from lscube.learn.reader import Reader
from lscube.learn.splits import Side
both = cut(Path(sys.argv[1]), *make_cube(96, 120), SETTINGS)
sides = [
    Reader(both[side], 4, shuffle=side == Side.TRAINING, multiple=2)
    for side in (Side.TRAINING, Side.VALIDATION)
]
with spread(["CPU:0", "CPU:1"]) as count:
    assert count == 2
    network, history = run(sides, stand_in(), {"epochs": 3})
losses = [row["loss"] for row in history]
assert np.isfinite(losses).all() and losses[-1] < losses[0], losses
copies = network.trainable_variables[0].value.values
assert len(copies) == 2
np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy())
with spread() as count:
    assert count == 1
"""


def test_several_devices_train_one_network(tmp_path):
    on("tensorflow", TWO_DEVICES, str(tmp_path))
