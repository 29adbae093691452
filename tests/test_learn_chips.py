"""Chips: read, cut, learnt from and scored."""

import json

import numpy as np
import pytest

from lscube import jobs, load_model
from lscube.cli import main
from lscube.errors import InventoryError, ModelError
from lscube.evaluate import draw_chips, score_chips
from lscube.learn import Chips, read_chips
from lscube.learn.chips import ChipPatches
from lscube.learn.fitting import fit_chips
from lscube.scores import IGNORE
from lscube.settings import TrainSettings
from tests import needs


def make_chips(count=12, edge=32, seed=0) -> dict:
    """Brown squares on green: what is bright red is a landslide."""
    rng = np.random.default_rng(seed)
    images = rng.integers(20, 60, (count, edge, edge, 3)).astype(np.uint8)
    images[..., 1] += 40
    masks = np.zeros((count, edge, edge), np.uint8)
    for number in range(1, count):
        row, column = rng.integers(0, edge - 8, 2)
        masks[number, row : row + 8, column : column + 8] = 1
    images[..., 0][masks == 1] = 230
    return {"image": images, "mask": masks, "name": np.array([f"chip-{i}" for i in range(count)])}


def saved(path, **changes):
    arrays = {**make_chips(), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_chips_are_read_as_reflectance(tmp_path):
    chips = read_chips(saved(tmp_path / "a.npz"))
    assert (len(chips), chips.names[3], chips.origin) == (12, "chip-3", "a.npz")
    patches = ChipPatches(chips)
    batch = patches.read(np.array([3, 1]))
    assert batch["post"].dtype == np.float32
    np.testing.assert_allclose(batch["post"], 0.3 * chips.images[[3, 1]] / 255, rtol=1e-6)
    np.testing.assert_array_equal(batch["labels"][..., 0], chips.masks[[3, 1]])
    np.testing.assert_array_equal(patches.landslides(), [False] + [True] * 11)
    assert (patches.window, len(patches), patches.name(1)) == (32, 12, "chip-1")


@pytest.mark.parametrize("names", [None, np.array([{"a": 1}] * 12, dtype=object)])
def test_chips_without_plain_names_are_numbered(tmp_path, names):
    assert read_chips(saved(tmp_path / "a.npz", name=names)).names[:2] == ("0", "1")


BAD = {
    "no mask": ({"mask": None}, "'image' and 'mask'"),
    "floats": ({"image": make_chips()["image"] / 255}, "8-bit integers.*float64"),
    "another number": ({"mask": make_chips()["mask"][:5]}, r"\(5, 32, 32\)"),
    "odd edges": (
        {"image": np.zeros((2, 40, 40, 3), np.uint8), "mask": np.zeros((2, 40, 40), np.uint8)},
        "multiples of 32.*40 x 40",
    ),
    "percent": ({"mask": make_chips()["mask"] * 100}, "found 100 too"),
}


@pytest.mark.parametrize(("changes", "match"), BAD.values(), ids=BAD)
def test_other_arrays_are_refused(tmp_path, changes, match):
    with pytest.raises(InventoryError, match=match):
        read_chips(saved(tmp_path / "a.npz", **changes))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InventoryError, match="found no file"):
        read_chips(tmp_path / "none.npz")
    for content in (b"", b"text", saved(tmp_path / "whole.npz").read_bytes()[:3000]):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InventoryError, match="Expected an NPZ file"):
            read_chips(tmp_path / "a.npz")


def test_scores_are_of_all_pixels_and_intervals_of_chips():
    """Half of the chips are wholly found, half wholly missed: the recall is about a half."""
    masks = np.zeros((40, 8, 8), np.uint8)
    masks[:, :4] = 1
    masks[:, 7] = IGNORE
    found = np.where(masks == 1, 0.9, 0.1).astype(np.float32)
    found[::2, :4] = 0.2
    scores = score_chips(found, masks, 0.5)
    assert (scores["recall"], scores["precision"]) == (0.5, 1.0)
    assert scores["pixels"] == 40 * 8 * 7
    low, high = scores["intervals"]["recall"]
    # The share of chips found, of 40 draws: 0.5 -+ 1.96 * sqrt(0.25 / 40).
    assert low == pytest.approx(0.345, abs=0.03)
    assert high == pytest.approx(0.655, abs=0.03)
    assert scores["intervals"]["precision"] == [1.0, 1.0]
    assert score_chips(found, masks, 0.5) == scores


def test_a_sheet_of_chips_is_drawn(tmp_path):
    chips = read_chips(saved(tmp_path / "a.npz"))
    draw_chips(tmp_path / "sheet.png", chips, chips.masks.astype(np.float32), 0.5)
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_chips_of_two_sizes_or_without_landslides_are_refused(tmp_path):
    needs.module("keras")
    chips = read_chips(saved(tmp_path / "a.npz"))
    other = Chips(**{**vars(chips), "masks": chips.masks * 0})
    settings = TrainSettings(branches=("post",), window=64)
    with pytest.raises(InventoryError, match=r"64 x 64 pixels.*32 x 32"):
        fit_chips(chips, chips, tmp_path / "m", settings, 10.0)
    settings = settings.model_copy(update={"window": 32})
    with pytest.raises(InventoryError, match="landslides in the validation chips"):
        fit_chips(chips, other, tmp_path / "m", settings, 10.0)
    both = settings.model_copy(update={"branches": ("pre", "post")})
    with pytest.raises(InventoryError, match="the image after alone"):
        fit_chips(chips, chips, tmp_path / "m", both, 10.0)


def test_train_and_evaluate_on_the_command_line(plain_networks, tmp_path, capsys):
    needs.module("keras")
    saved(tmp_path / "train.npz")
    saved(tmp_path / "validation.npz", **make_chips(seed=1))
    saved(tmp_path / "test.npz", **make_chips(seed=2))
    model, scores = str(tmp_path / "model"), tmp_path / "scores.json"
    small = ["window=32", "width=0.05", "epochs=2", "learning_rate=1e-3", "precision=float32"]
    words = [word for setting in small for word in ("--set", f"train.{setting}")]
    assert main(["train", "--chips", str(tmp_path), *words, "--out", model]) == 0
    assert "at threshold" in capsys.readouterr().out
    assert main(["model", "show", model]) == 0
    shown = capsys.readouterr().out
    assert "trained on   chips" in shown
    assert "width        0.05" in shown
    test = str(tmp_path / "test.npz")
    assert main(["evaluate", "--chips", test, "--model", model, "--out", str(scores)]) == 0
    assert "12 chips" in capsys.readouterr().out
    found = json.loads(scores.read_text())
    assert found["pixels"] == 12 * 32 * 32
    assert len(found["intervals"]) == 4
    assert (tmp_path / "chips.png").is_file()
    assert main(["evaluate", "--chips", test, "--out", str(scores)]) == 2
    assert "--chips and --model" in capsys.readouterr().err
    card = tmp_path / "model" / "card.json"
    card.write_text(card.read_text().replace('"post"', '"pre"'))
    other = load_model(tmp_path / "model")
    with pytest.raises(ModelError, match="after the event alone"):
        jobs.evaluate_chips(tmp_path / "test.npz", other, scores, scores)
