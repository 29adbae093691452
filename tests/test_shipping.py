"""The script that makes the shipped models, run on a few small chips and the smallest twins."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from lscube import load_model
from lscube.cube import REFERENCE
from lscube.errors import InventoryError, SettingsError, StoreError
from lscube.learn import fit_chips
from lscube.learn.bundle import open_network
from lscube.learn.pretraining.stock import CHIP, PAIR, TWIN, read_stock
from lscube.settings import TrainSettings, load_curriculum
from lscube.shipping import Materials, prepare
from lscube.shipping.sources import make_stock
from tests.test_blocks import RNG, as_chips, country
from tests.test_pipelines import PIPELINES, pipeline

CURRICULUM = """
[stock]
blocks = ["A"]
validation_blocks = ["C"]
test_blocks = ["B"]
window = 32
validation_pairs = ["held"]
surfaces = ["ridge"]
validation_surfaces = ["valley"]
rounds = 2
training = ["D"]
validation = ["E"]
test = ["F"]
twins = "tiny"

[school]
width = 0.05
batch_size = 4
epochs = 2
examinations = 1
settling = 2
learning_rate = 5e-3
recipe = { twin_share = 0.25, pair_share = 0.25 }
"""


def write_materials(folder: Path) -> None:
    """Three blocks of 3 x 4 chips, two pairs of woods, and two surface models."""
    (folder / "chips").mkdir()
    lines = ["split,index,block,row,col,red_max_dn_exact"]
    for seed, block in enumerate("ABC"):
        chips, places, _ = as_chips(*country(seed=seed))
        part = f"part-{block}"
        np.savez(folder / "chips" / f"{part}.npz", image=chips.images, mask=chips.masks)
        lines += [f"{part},{n},{block},{p.row},{p.column}," for (_, n), p in places.items()]
    (folder / "places.csv").write_text("\n".join(lines))
    (folder / "pairs" / "below").mkdir(parents=True)
    for seed, name in enumerate(("learnt", "below/held", "wildfire_small")):
        before, after = (
            np.round(
                np.array([300, 500, 400])[:, None, None]
                * RNG(seed).lognormal(0, 0.3, (3, 40, 40))
                * gain
            )
            for gain in (1.0, 0.8)
        )
        if name == "learnt":
            sides = {"before": before, "after": after[:, :-2]}
            arrays = {
                f"{side}_{band}": image[n].astype(np.uint16)
                for side, image in sides.items()
                for n, band in enumerate(("B04", "B03", "B02"))
            }
        else:
            order = ["B02", "B03", "B04"]
            arrays = {
                "before": before[::-1].astype(np.uint16),
                "after": after[::-1].astype(np.uint16),
                "bands": np.array(order),
            }
        np.savez(folder / "pairs" / f"{name}.npz", **arrays)
    np.savez(folder / "pairs" / "other.npz", scenes=np.zeros(3))
    (folder / "surfaces").mkdir()
    for name in ("ridge", "valley"):
        sign = 1 if name == "ridge" else -1
        heights = (2000 - sign * 8.0 * np.abs(np.arange(80) - 40)[:, None] + np.zeros(70)).astype(
            np.float32
        )
        transform = Affine(10, 0, 500_000, 0, -10, 4_000_000)
        with rasterio.open(
            folder / "surfaces" / f"{name}.tif",
            "w",
            driver="GTiff",
            dtype="float32",
            count=1,
            height=80,
            width=70,
            crs="EPSG:32610",
            transform=transform,
            nodata=-9999,
        ) as file:
            file.write(heights, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory, shallow_networks):
    """A run of the script with its test; and again, with what it left."""
    from lscube.learn.backend import keras

    folder = tmp_path_factory.mktemp("shipping")
    write_materials(folder)
    (folder / "curriculum.toml").write_text(CURRICULUM)
    policy = keras.config.dtype_policy()
    given = [
        str(folder / "curriculum.toml"),
        "--chips",
        str(folder / "chips"),
        "--places",
        str(folder / "places.csv"),
        "--pairs",
        str(folder / "pairs"),
        "--surfaces",
        str(folder / "surfaces"),
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
        assert alone.pixels == 12 * 32 * 32  # all of block B
        assert set(alone.intervals) >= {"mcc", "recall"}
        assert 0 <= alone.scores["calibration_error"] < 1
        assert "twins, without terrain" in card.evaluations
        alone = card.evaluations["twin of cotabato-2019"]
        assert alone == card.evaluations["twins"]  # the only one to test with
        learnt, pairs, twin, held = card.events
        assert learnt.patches == {"training_kept": 12, "validation_kept": 12}
        assert learnt.sources == ("block A",)
        # Two rounds of two windows of one pair and nine of the enlarged one; the held-out pair has four.
        assert pairs.patches["training_kept"] > pairs.patches["validation_kept"] == 4
        assert card.reference == REFERENCE
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


def test_parts_hold_their_own_blocks_pairs_and_twins(made):
    learnt, held = (
        read_stock(made / "out.training" / f"stock-{part}.npz")
        for part in ("training", "validation")
    )
    for stock in (learnt, held):
        assert {CHIP, TWIN, PAIR} == set(stock.kind)
        assert (stock.loans[stock.kind == CHIP] >= 0).all()
        assert (stock.own[stock.kind != CHIP] >= 0).all()
    chips = [stock.post[stock.kind == CHIP] for stock in (learnt, held)]
    assert not any((one == other).all() for one in chips[0] for other in chips[1])


def test_what_is_named_and_not_there_is_said(made):
    def refused(match, **changes):
        stock = load_curriculum(made / "curriculum.toml").stock.model_copy(
            update=changes.pop("stock", {})
        )
        given = {
            "chips": made / "chips",
            "places": made / "places.csv",
            "twins": made / "twins",
            "pairs": made / "pairs",
            "surfaces": made / "surfaces",
            **changes,
        }
        with pytest.raises(InventoryError, match=match):
            make_stock(stock, Materials(**given), "validation")

    refused("block Z, found those of A, B, C", stock={"validation_blocks": ("Z",)})
    refused(r"pair none\.npz", stock={"validation_pairs": ("none",)})
    refused("give --surfaces", surfaces=None)
    refused(r"surface model at .*none\.tif", stock={"validation_surfaces": ("none",)})
    refused("NPZ files of chips", chips=made / "pairs" / "nothing")


def test_a_part_of_a_network_is_no_beginning(made, tmp_path):
    from lscube.errors import ModelError
    from lscube.learn import read_chips

    chips = read_chips(made / "chips" / "part-A.npz")
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

    policy = keras.config.dtype_policy()
    stock, parent = (
        read_stock(made / "out.training" / "stock-training.npz"),
        made / "out" / "standard",
    )
    school = load_curriculum(made / "curriculum.toml").school
    begun = Desk(stock, stock, (), school, parent).network.get_weights()
    keras.config.set_dtype_policy(policy)
    learnt = open_network(load_model(parent)).get_weights()
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(begun, learnt, strict=True))


def test_the_shipped_curriculum_is_valid_and_keeps_events_apart():
    said = load_curriculum(PIPELINES / "configs" / "shipped.toml")
    assert "B" not in (*said.stock.blocks, *said.stock.validation_blocks)  # Iburi
    letters = [
        {name[0] for name in part}
        for part in (said.stock.training, said.stock.validation, said.stock.test)
    ]
    assert not (letters[0] & letters[1] | letters[0] & letters[2] | letters[1] & letters[2])
    assert said.school.width == load_model("standard").card.width


def test_patches_that_another_curriculum_left_are_not_taken(made):
    said = load_curriculum(made / "curriculum.toml")
    other = said.model_copy(update={"stock": said.stock.model_copy(update={"rounds": 5})})
    materials = Materials(made / "chips", made / "places.csv", made / "twins")
    with pytest.raises(StoreError, match=r"curriculum\.stock\.rounds was 2 and is 5 now"):
        prepare(other, materials, made / "out")


def test_a_place_in_two_parts_is_refused(tmp_path):
    path = tmp_path / "curriculum.toml"
    path.write_text('[stock]\nblocks = ["A", "C"]\n')
    with pytest.raises(SettingsError, match="block C is in two"):
        load_curriculum(path)


def test_an_unknown_setting_is_refused(tmp_path):
    path = tmp_path / "curriculum.toml"
    path.write_text("[school]\nwidht = 0.5\n")
    with pytest.raises(SettingsError, match="widht"):
        load_curriculum(path)
    code = pipeline("train_shipped_model").main(
        [str(path), "--chips", "c", "--places", "p", "--twins", "t", "--out", str(tmp_path / "out")]
    )
    assert code == 2
