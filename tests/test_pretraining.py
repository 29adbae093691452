"""Filled chips, lent terrain, the batches that a general model learns from, and its school."""

from unittest import mock

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lscube.errors import InventoryError
from lscube.learn import Chips
from lscube.learn.pretraining import exams as asked
from lscube.learn.pretraining.exams import Exam, marks, sit, standard_exams
from lscube.learn.pretraining.filling import PIECE, Spots, draw_spots, fill, pieces, widened
from lscube.learn.pretraining.recipe import draw, epoch_steps
from lscube.learn.pretraining.stock import (
    NO_TERRAIN,
    join,
    lend_terrain,
    read_stock,
    stock_of_chips,
    stock_of_cube,
    turn,
)
from lscube.scores import IGNORE
from lscube.settings import Recipe, School
from tests.networks import plain_network, untraced

EDGE = 32
RNG = np.random.default_rng


def woods(count=6, edge=EDGE, seed=0):
    """Dark green chips with one bright square each, but for the first."""
    rng = RNG(seed)
    images = np.array([40, 60, 45]) + rng.integers(-6, 7, (count, edge, edge, 3))
    masks = np.zeros((count, edge, edge), np.uint8)
    masks[1:, 8:18, 10:20] = 1
    images[masks == 1] = (220, 180, 140)
    return Chips(images.astype(np.uint8), masks, tuple(map(str, range(count))), "woods")


def hill(edge=EDGE):
    """A cube of one window: flat in the west, steep in the east."""
    x = np.arange(edge, dtype=np.float32)
    height = np.broadcast_to(np.maximum(x - edge / 2, 0) * 8.0 + 500, (edge, edge))
    bands = ["red", "green", "blue"]
    image = np.full((3, edge, edge), 0.1, np.float32)
    image[:, 0, 0] = np.nan
    dims = ("band", "y", "x")
    cube = xr.Dataset(
        {"pre": (dims, image), "post": (dims, image), "elevation": (("y", "x"), height)},
        {"band": bands},
    )
    labels = xr.DataArray(np.zeros((edge, edge), np.uint8), dims=("y", "x"))
    return stock_of_cube(cube, labels, edge, edge)


@pytest.fixture(scope="module")
def stock():
    return lend_terrain(join([stock_of_chips(woods(), 0), hill(), hill()]), 10.0, 0)


def test_a_landslide_becomes_what_is_around_it():
    chips = woods(2, 64)
    gap = chips.masks[1] == 1
    filled = fill(chips.images[1], widened(gap, RNG(0), 2), RNG(0))
    assert filled[gap].max() < 80
    assert abs(filled[gap].mean() - chips.images[0].mean()) < 4
    assert filled[gap].std(axis=0).min() > 2  # texture, not a smooth patch


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_nothing_changes_away_from_the_gap(seed, share):
    rng = RNG(seed)
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    gap = np.zeros((40, 50), bool)
    height, width = int(40 * share), int(50 * share)
    gap[:height, :width] = True
    filled = fill(image, gap, rng)
    assert (filled.shape, filled.dtype) == (image.shape, image.dtype)
    far = np.ones_like(gap)
    far[: height + 5, : width + 5] = False
    np.testing.assert_array_equal(filled[far], image[far])


def test_without_stable_ground_the_gap_is_smooth():
    filled = fill(np.full((20, 20, 3), 90, np.uint8), np.ones((20, 20), bool), RNG(0))
    assert filled.shape == (20, 20, 3)


def test_pieces_cover_a_gap_once_and_are_small():
    gap = RNG(0).random((70, 90)) < 0.3
    gap[10:60, 20:80] = True
    count = np.zeros(gap.shape, int)
    for piece in pieces(gap):
        count[tuple(piece.inside)] += 1
        assert (np.ptp(piece.inside, axis=1) < PIECE).all()
        assert not (set(map(tuple, piece.inside.T)) & set(map(tuple, piece.rim.T)))
    np.testing.assert_array_equal(count, gap)


def test_spots_look_like_landslides_and_lie_elsewhere():
    taken = np.zeros((64, 64), bool)
    taken[:, :32] = True
    found = [draw_spots(taken, Spots(woods(4, 64).masks), RNG(seed)) for seed in range(10)]
    assert not any((spots & taken).any() for spots in found)
    assert 0.01 < np.mean(found) < 0.1
    assert max(spots.mean() for spots in found) <= 0.03 + 0.06


def test_chips_have_three_images_more_and_no_terrain():
    chips = woods()
    made = stock_of_chips(chips, 3)
    again = stock_of_chips(chips, 3)
    for name in ("pre", "pre_spots", "post_spots"):
        np.testing.assert_array_equal(getattr(made, name), getattr(again, name))
    np.testing.assert_array_equal(made.post, chips.images)
    slide = chips.masks == 1
    assert made.pre[slide].max() < 100
    assert (made.own == -1).all()
    assert (made.post_spots[slide] == made.post[slide]).mean() > 0.9


def test_a_cube_becomes_bytes_and_steps_of_elevation():
    made = hill()
    assert made.post[0, 0, 0].tolist() == [0, 0, 0]
    assert (made.post[0, 1:] == 85).all()  # 255 * 0.1 / 0.3
    steps = made.terrain[0].astype(float) / 10
    assert steps[5, -1] - steps[5, 0] == pytest.approx(15 * 8.0, abs=0.11)
    assert abs(steps.mean()) < 0.1


def test_terrain_is_lent_so_that_landslides_lie_on_its_slopes():
    chips = woods(4)
    chips.masks[:] = 0
    chips.masks[:, :, :10] = 1  # in the west, where the hill is flat
    lent = lend_terrain(join([stock_of_chips(chips, 0), hill()]), 10.0, 0)
    for loan in lent.loans[:4, 0]:
        heights = turn(lent.terrain[loan // 8][None].astype(float), int(loan % 8))[0]
        rise = np.abs(np.diff(heights, axis=1)).mean(axis=0)
        assert rise[:9].mean() > rise[20:].mean()
    assert (lent.loans[4] == -1).all()


def test_stocks_are_joined_saved_and_read(tmp_path, stock):
    assert stock.own.tolist() == [-1] * 6 + [0, 1]
    stock.save(tmp_path / "stock.npz")
    back = read_stock(tmp_path / "stock.npz")
    np.testing.assert_array_equal(back.loans, stock.loans)
    assert (len(back), back.window) == (8, EDGE)
    (tmp_path / "other.npz").write_bytes(b"text")
    for name in ("other", "none"):
        with pytest.raises(InventoryError, match="prepare them again"):
            read_stock(tmp_path / f"{name}.npz")


def test_an_epoch_shows_each_chip_once_and_follows_from_its_seed(stock):
    recipe = Recipe(twin_share=0.25)
    assert epoch_steps(stock, 4, recipe) == 2
    batches = draw(stock, recipe, 4, 5, 0)
    index = np.stack([batch["index"] for batch in batches])
    assert sorted(index[:, :3].ravel()) == [0, 1, 2, 3, 4, 5]
    assert (index[:, 3] >= 6).all()
    again = draw(stock, recipe, 4, 5, 0)
    other = draw(stock, recipe, 4, 5, 1)
    assert all((a["edge"] == b["edge"]).all() for a, b in zip(batches, again, strict=True))
    assert any((a["edge"] != b["edge"]).any() for a, b in zip(batches, other, strict=True))


def test_chances_are_kept(stock):
    def drawn(**chances):
        found = draw(stock, Recipe(**chances), 8, 0, 0)
        return {name: np.concatenate([b[name] for b in found]) for name in found[0]}

    everything = {"drop_topography": 0, "lend": 1, "drop_pre": 0, "part_pre": 0, "spots": 1}
    shown = drawn(twin_share=0.25, **everything)
    assert (shown["terrain"] >= 0).all()
    assert (shown["edge"][:, 2] == 9).all()
    assert shown["before"].sum() == (shown["index"] < 6).sum()
    dropped = drawn(drop_topography=1, drop_pre=1, spots=0)
    assert (dropped["terrain"] == -1).all()
    assert (dropped["edge"][:, 2] == -9).all()
    assert dropped["before"].sum() + dropped["after"].sum() == 0
    calm = drawn(season=0, radiometric=0)
    assert (calm["strength"] == 0).all()
    assert (drawn(twin_share=1)["index"] >= 6).all()


def batch_of(stock, **chances):
    from lscube.learn.backend import keras, ops
    from lscube.learn.pretraining.bank import Bank

    keras.utils.set_random_seed(0)
    first = draw(stock, Recipe(**chances), 8, 0, 0)[0]
    made = Bank(stock)({name: ops.convert_to_tensor(part) for name, part in first.items()})
    return first, {name: ops.convert_to_numpy(layer) for name, layer in made.items()}


def test_a_calm_batch_is_the_patches_laid_otherwise(stock):
    chances = {"season": 0, "radiometric": 0, "mild": 0, "twin_share": 1, "drop_pre": 0}
    _, made = batch_of(stock, part_pre=0, drop_topography=0, **chances)
    assert {name: layer.shape[1:] for name, layer in made.items()} == {
        "pre": (EDGE, EDGE, 3),
        "post": (EDGE, EDGE, 3),
        "elevation": (EDGE, EDGE, 1),
        "labels": (EDGE, EDGE, 1),
    }
    for name in ("pre", "post"):
        values = made[name][np.isfinite(made[name])]
        np.testing.assert_allclose(values, 0.1, atol=1e-4)
    unseen = np.isnan(made["post"]).any(axis=-1)
    assert unseen.any()
    np.testing.assert_array_equal(made["labels"][..., 0] == IGNORE, unseen)
    assert np.nanmax(made["elevation"]) - np.nanmin(made["elevation"]) > 50


def test_branches_are_dropped_and_edges_cut(stock):
    _, made = batch_of(stock, drop_pre=1, drop_topography=1)
    assert np.isnan(made["pre"]).all()
    assert np.isnan(made["elevation"]).all()
    assert np.isfinite(made["post"]).mean() > 0.5
    first, cut = batch_of(stock, drop_pre=0, part_pre=1)
    missing = np.isnan(cut["pre"]).any(axis=-1).mean(axis=(1, 2))
    wide = first["edge"][:, 2] > 0
    assert missing[~wide].mean() > missing[wide].mean()


def test_images_change_and_labels_stay_labels(stock):
    _, made = batch_of(stock, mild=0)
    assert set(np.unique(made["labels"])) <= {0, 1, IGNORE}
    assert (made["labels"] == 1).any()
    known = made["post"][np.isfinite(made["post"])]
    assert known.min() >= 0
    assert known.std() > 0.01


def test_squares_are_turned_alike_in_both_languages():
    from lscube.learn.backend import ops
    from lscube.learn.pretraining.bank import turned

    layers = np.arange(8 * 9, dtype=np.float32).reshape(8, 3, 3)
    found = ops.convert_to_numpy(turned(ops.convert_to_tensor(layers), np.arange(8)))
    for number in range(8):
        np.testing.assert_array_equal(found[number], turn(layers[number][None], number)[0])
    assert len({turn(layers[:1], number).tobytes() for number in range(8)}) == 8


def test_a_shift_of_half_a_pixel_moves_a_ramp_by_half_a_step():
    from lscube.learn.backend import keras, ops
    from lscube.learn.pretraining import season

    ramp = np.broadcast_to(np.arange(16.0, dtype=np.float32)[:, None, None], (5, 16, 16, 3))
    strength = np.ones((5, 1, 1, 1), np.float32)
    moved = ops.convert_to_numpy(season.move(ramp, strength, keras.random.SeedGenerator(1)))
    shift = (moved - ramp)[:, 2:-2, 2:-2]
    assert np.ptp(shift, axis=(1, 2, 3)).max() < 1e-5
    assert 0.05 < np.abs(shift).max() <= season.MOVE
    still = ops.convert_to_numpy(season.move(ramp, 0 * strength, keras.random.SeedGenerator(1)))
    np.testing.assert_allclose(still, ramp, atol=1e-6)


def test_snow_and_cloud_are_white_where_they_are():
    from lscube.learn.backend import keras, ops
    from lscube.learn.pretraining import season

    image = np.full((6, 32, 32, 3), 0.05, np.float32)
    one = np.ones((6, 1, 1, 1), np.float32)
    seed = keras.random.SeedGenerator(0)
    white, cover = map(ops.convert_to_numpy, season.whiten(image, 1.0, 6, one, seed))
    assert white[cover[..., 0] > 0.9].min() > 0.15
    assert np.abs(white[cover[..., 0] < 1e-3] - 0.05).max() < 1e-2
    clear, cover = season.whiten(image, 0.0, 6, one, seed)
    assert not ops.convert_to_numpy(cover).any()
    np.testing.assert_allclose(ops.convert_to_numpy(clear), image)


def test_exams_show_what_they_say(stock):
    by_name = {exam.name: exam for exam in standard_exams(stock)}
    assert by_name["chips, after alone"].patches == (0, 1, 2, 3, 4, 5)
    assert by_name["twins"].patches == (6, 7)
    alone = asked.shown(stock, np.array([1, 6]), by_name["chips, after alone"])
    assert np.isnan(alone["pre"]).all()
    assert np.isnan(alone["elevation"]).all()
    lent = asked.shown(stock, np.array([1, 6]), by_name["chips, before filled, terrain lent"])
    assert np.isfinite(lent["elevation"]).all()
    assert np.nanmax(lent["pre"]) < 0.2 < np.nanmax(lent["post"])


def test_a_perfect_answer_is_marked_so(stock):
    exam = Exam("all", tuple(range(6)), counts=True)
    tally = sit(exam, stock, lambda shown: (shown["post"][..., :1] > 0.2) * 0.9, 4)
    found = marks({"all": tally}, [exam])
    assert found["all"]["mcc"] == found["score"] == 1.0
    assert tally.landslide.sum() == (stock.labels[:6] == 1).sum()


def test_unseen_pixels_are_not_asked_about(stock):
    tally = sit(Exam("twins", (6, 7)), stock, lambda shown: shown["post"][..., :1] * 0, 2)
    assert tally.other.sum() == 2 * EDGE * EDGE - 2
    assert (stock.terrain != NO_TERRAIN).all()


def test_batch_normalisation_counts_anew():
    from lscube.learn.backend import keras
    from lscube.learn.pretraining.schooling import settle

    inputs = keras.Input((4, 4, 1))
    network = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.9)(inputs))
    batches = [np.full((2, 4, 4, 1), value, np.float32) for value in (1.0, 2.0, 6.0)]
    settle(network, batches)
    norm = network.layers[-1]
    assert float(norm.moving_mean.numpy()[0]) == pytest.approx(3.0)
    assert float(norm.moving_variance.numpy()[0]) == pytest.approx(0.0, abs=1e-6)
    assert norm.momentum == 0.9


class Cut(Exception):
    """Stands for whatever ends a process."""


def test_an_interrupted_school_goes_on_to_the_same_network(stock, tmp_path):
    from lscube.learn.pretraining import schooling
    from lscube.learn.state import load_state

    exams = standard_exams(stock)
    school = School(width=0.05, batch_size=2, epochs=3, examinations=4, settling=1)

    def train(path, say):
        with mock.patch.object(schooling, "build_network", plain_network), untraced():
            desk = schooling.Desk(stock, stock, exams, school)
            desk.train(say, path)
        return desk.network.get_weights()

    told = []
    whole = train(tmp_path / "whole.npz", told.append)
    assert [one["epoch"] for one in told] == [2, 3]

    def cut(path, state):
        save_state(path, state)
        if state.epoch < 3:
            raise Cut

    save_state, again = schooling.save_state, []
    for epoch in (1, 2):
        with mock.patch.object(schooling, "save_state", cut), pytest.raises(Cut):
            train(tmp_path / "cut.npz", again.append)
        assert load_state(tmp_path / "cut.npz").epoch == epoch
    rest = train(tmp_path / "cut.npz", again.append)
    assert [one["epoch"] for one in again] == [2, 3]
    for one, other in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(one, other)
    # What was done is not done again, and time that is used up ends a training within an epoch.
    done = train(tmp_path / "cut.npz", lambda found: pytest.fail("examined again"))
    for one, other in zip(whole, done, strict=True):
        np.testing.assert_array_equal(one, other)
    school = school.model_copy(update={"minutes": 1e-9})
    train(tmp_path / "short.npz", again.append)
    assert load_state(tmp_path / "short.npz").epoch == 1
