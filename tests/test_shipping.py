"""The script that makes the shipped models, run on a few small chips and the smallest twins."""

import numpy as np
import pytest

from lscube import load_model
from lscube.errors import SettingsError
from lscube.learn import fit_chips
from lscube.learn.bundle import open_network
from lscube.settings import TrainSettings, load_curriculum
from tests.test_learn_chips import make_chips
from tests.test_pipelines import PIPELINES, pipeline

CURRICULUM = """
[stock]
training = ["D"]
validation = ["E"]
test = ["F"]
twins = "tiny"
leave_out = ["chip-11"]

[school]
width = 0.05
batch_size = 4
epochs = 2
examinations = 1
settling = 2
learning_rate = 5e-3
recipe = { twin_share = 0.25 }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, shallow_networks):
    """A run of the script with its test; and again, with what it left."""
    from lscube.learn.backend import keras

    folder = tmp_path_factory.mktemp("shipping")
    for seed, part in enumerate(("train", "validation", "test")):
        np.savez(folder / f"{part}.npz", **make_chips(seed=seed))
    (folder / "curriculum.toml").write_text(CURRICULUM)
    policy = keras.config.dtype_policy()
    given = [
        str(folder / "curriculum.toml"),
        "--chips",
        str(folder),
        "--twins",
        str(folder / "twins"),
    ]
    code = pipeline("train_shipped_model").main([*given, "--out", str(folder / "out"), "--test"])
    keras.config.set_dtype_policy(policy)
    assert code == 0
    return folder


def test_two_models_with_cards_come_out(made):
    standard, light = (load_model(made / "out" / name) for name in ("standard", "light"))
    assert (standard.card.head, light.card.head) == ("main", "deep_2")
    for model in (standard, light):
        card = model.card
        assert set(card.optional_branches) == {"pre", "topography"}
        assert 0 < card.threshold < 1
        assert card.calibration is not None
        assert set(card.calibration.fitted_on) >= {"chips, after alone", "twins"}
        alone = card.evaluations["chips, after alone"]
        assert alone.pixels == 12 * 32 * 32
        assert set(alone.intervals) >= {"mcc", "recall"}
        assert 0 <= alone.scores["calibration_error"] < 1
        assert "twins, without terrain" in card.evaluations
        alone = card.evaluations["twin of cotabato-2019"]
        assert alone == card.evaluations["twins"]  # the only one to test with
        learnt, twin, held = card.events
        assert learnt.patches == {"training_kept": 11, "validation_kept": 12}
        assert (twin.sources, held.sources) == (("D",), ("E",))
        assert held.labels.endswith("validation alone")
        assert card.data
        assert card.limits
    windows = np.zeros((1, 7, 64, 64), np.float32)
    assert light.predict(windows).shape == (1, 64, 64)


def test_weights_changed_in_training_and_are_not_all_zero(made):
    network = open_network(load_model(made / "out" / "standard"))
    kernel = network.get_layer("full_post_0_a_conv").get_weights()[0]
    assert 0 < np.abs(kernel).max() < 10
    moved = network.get_layer("full_post_0_a_norm").get_weights()[2]
    assert np.abs(moved).max() > 0


def test_what_was_left_out_is_not_learnt_from(made):
    with np.load(made / "out" / "stock-train.npz") as file:
        assert (file["own"] < 0).sum() == 11
        assert (file["own"] >= 0).any()
        assert (file["loans"][file["own"] < 0] >= 0).all()


def test_a_part_of_a_network_is_no_beginning(made, tmp_path):
    from lscube.errors import ModelError
    from lscube.learn import read_chips

    chips = read_chips(made / "train.npz")
    with pytest.raises(ModelError, match="ends at half resolution"):
        fit_chips(
            chips,
            chips,
            tmp_path / "tuned",
            TrainSettings(branches=("post",), width=0.05, window=32, epochs=1),
            10.0,
            parent=made / "out" / "light",
            say=lambda line: None,
        )


def test_a_school_begins_with_what_another_learnt(made):
    from lscube.learn.backend import keras
    from lscube.learn.pretraining.schooling import Desk
    from lscube.learn.pretraining.stock import read_stock

    policy = keras.config.dtype_policy()
    stock, parent = read_stock(made / "out" / "stock-train.npz"), made / "out" / "standard"
    school = load_curriculum(made / "curriculum.toml").school
    begun = Desk(stock, stock, (), school, parent).network.get_weights()
    keras.config.set_dtype_policy(policy)
    learnt = open_network(load_model(parent)).get_weights()
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(begun, learnt, strict=True))


def test_the_shipped_curriculum_is_valid_and_keeps_events_apart():
    said = load_curriculum(PIPELINES / "configs" / "shipped.toml")
    letters = [
        {name[0] for name in part}
        for part in (said.stock.training, said.stock.validation, said.stock.test)
    ]
    assert not (letters[0] & letters[1] | letters[0] & letters[2] | letters[1] & letters[2])
    assert said.school.width == load_model("standard").card.width


def test_an_unknown_setting_is_refused(tmp_path):
    path = tmp_path / "curriculum.toml"
    path.write_text("[school]\nwidht = 0.5\n")
    with pytest.raises(SettingsError, match="widht"):
        load_curriculum(path)
    code = pipeline("train_shipped_model").main(
        [str(path), "--chips", "c", "--twins", "t", "--out", str(tmp_path / "out")]
    )
    assert code == 2
