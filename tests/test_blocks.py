"""Chips put together again, patches cut from them, and landslides set into pairs that were really taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lscube import terrain
from lscube.errors import InventoryError
from lscube.learn import Chips
from lscube.learn.pretraining.blocks import DIVISORS, Place, put_together, read_places, red_maxima
from lscube.learn.pretraining.cutting import choose_windows, scene_of, stock_of_block
from lscube.learn.pretraining.pairs import (
    STEEP,
    cut_landslides,
    scenery,
    stock_of_pairs,
    turned,
)
from lscube.learn.pretraining.stock import CHIP, PAIR, STEP
from lscube.scores import IGNORE

EDGE = 32
RNG = np.random.default_rng


def country(rows=3, columns=4, edge=EDGE, seed=0):
    """DN of a smooth country (y, x, band), and its landslides."""
    rng = RNG(seed)
    shape = (rows * edge, columns * edge)
    light = ndimage.gaussian_filter(rng.normal(0, 1, shape), 4)
    light = 0.4 * light / light.std() + 0.05 * rng.normal(0, 1, shape)
    dn = np.array([350, 500, 620]) * np.exp(light)[..., None]
    mask = np.zeros(shape, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * edge + 8, column * edge + 6
            mask[top : top + 6 + 2 * row, left : left + 5 + 3 * column] = 1
    dn[mask == 1] = np.array([1500, 1350, 1200]) * np.exp(
        0.1 * rng.normal(0, 1, (int(mask.sum()), 1))
    )
    return dn, mask


def as_chips(dn, mask, edge=EDGE, gone=()):
    """As the challenge's pictures: each divided by its own brightest red; and where they lie."""
    images, masks, places, maxima = [], [], {}, []
    for row in range(dn.shape[0] // edge):
        for column in range(dn.shape[1] // edge):
            if (row, column) in gone:
                continue
            part = (slice(row * edge, (row + 1) * edge), slice(column * edge, (column + 1) * edge))
            # A roof, somewhere: its brightness alone makes the chip's factor.
            dn[part][16, 16] = np.array([1.0, 0.9, 0.8]) * RNG((row, column)).uniform(1600, 5000)
            v = dn[part] / np.array(DIVISORS)
            images.append(np.floor(255 * v / v[..., 0].max()).astype(np.uint8))
            masks.append(mask[part])
            maxima.append(float(dn[part][..., 0].max()))
            places["train", len(images) - 1] = Place("A", row, column, None)
    names = tuple(map(str, range(len(images))))
    return Chips(np.stack(images), np.stack(masks), names, "train.npz"), places, np.array(maxima)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 11))
def test_factors_come_back_from_the_borders(seed, known):
    chips, places, maxima = as_chips(*country(seed=seed))
    where = [
        place._replace(red_maximum=maxima[n] if n == known else None)
        for n, place in enumerate(places.values())
    ]
    found = red_maxima(where, chips.images)
    off = np.abs(np.log(found / maxima))
    assert off.max() < 0.3  # they differ by 3 times
    assert np.median(off) < 0.2
    assert abs(np.log(found[known] / maxima[known])) < 0.01


def test_without_a_known_factor_the_ratios_hold():
    chips, places, maxima = as_chips(*country())
    found = red_maxima(list(places.values()), chips.images)
    off = np.log(found / maxima)
    assert np.abs(off - off.mean()).max() < 0.12


def test_a_chip_alone_has_the_usual_factor():
    chips, places, _ = as_chips(*country(1, 1))
    (found,) = red_maxima(list(places.values()), chips.images)
    assert found == pytest.approx(2700)


def test_a_block_is_the_country_and_what_no_chip_shows_is_unknown():
    dn, mask = country()
    chips, places, maxima = as_chips(dn, mask, gone={(1, 2)})
    places["train", 0] = places["train", 0]._replace(red_maximum=maxima[0])
    places["test", 0] = Place("B", 0, 0, None)  # of a file that is not given
    places["train", 99] = Place("C", 0, 0, None)  # of a chip that is not there
    blocks = put_together({"train": chips}, places)
    assert list(blocks) == ["A"]
    image, labels = blocks["A"].image, blocks["A"].labels
    hole = np.zeros(mask.shape, bool)
    hole[EDGE : 2 * EDGE, 2 * EDGE : 3 * EDGE] = True
    assert np.isnan(image[hole]).all()
    assert (labels[hole] == IGNORE).all()
    np.testing.assert_array_equal(labels[~hole], mask[~hole])
    off = np.log(image[~hole] / (dn[~hole] * 1e-4))
    middle = np.median(off, axis=0)
    assert np.ptp(middle) < 0.005  # true ratios
    assert np.abs(middle).max() < 0.12
    assert np.percentile(np.abs(off), 95) < 0.2


def test_tables_of_places_are_read_or_refused(tmp_path):
    path = tmp_path / "places.csv"
    path.write_text(
        "split,index,block,row,col,red_max_dn_exact\ntrain,3,A,0,1,2150\ntest,0,B,2,3,\n",
        "utf-8-sig",
    )
    assert read_places(path) == {
        ("train", 3): Place("A", 0, 1, 2150.0),
        ("test", 0): Place("B", 2, 3, None),
    }
    path.write_text("split,index\ntrain,3\n")
    with pytest.raises(InventoryError, match=r"split, index, block, row, col.*'block'"):
        read_places(path)
    with pytest.raises(InventoryError, match="found no file"):
        read_places(tmp_path / "none.csv")


def test_windows_cover_what_is_seen():
    seen = np.zeros((192, 256), bool)
    seen[:128, :128] = True
    chosen = choose_windows(seen, 64)
    assert sorted(chosen) == [(0, 0), (0, 64), (64, 0), (64, 64)]
    seen[128:, 128:] = RNG(0).random((64, 128)) < 0.3
    assert len(choose_windows(seen, 64)) == 4  # hardly seen: left out


def test_patches_of_a_block_are_windows_over_several_chips():
    dn, mask = country()
    chips, places, _ = as_chips(dn, mask, gone={(2, 3)})
    block = put_together({"train": chips}, places)["A"]
    stock = stock_of_block(block, 64, 0)
    assert (stock.kind == CHIP).all()
    assert stock.window == 64
    assert (stock.own == -1).all()
    slide = stock.labels == 1
    # Bright after, filled before; what was not seen is seen on neither side.
    assert np.median(stock.post[slide][:, 0]) > 2 * np.median(stock.pre[slide][:, 0])
    np.testing.assert_array_equal(stock.pre == 0, stock.post == 0)
    again = stock_of_block(block, 64, 0)
    np.testing.assert_array_equal(stock.pre_spots, again.pre_spots)


def test_a_block_that_shows_nothing_is_refused():
    with pytest.raises(InventoryError, match=r"radiometry can be measured.*alike"):
        scene_of(np.full((128, 128, 3), 0.5, np.float32))


# Pairs.


def hills(edge=128):
    """A ridge from west to east: everywhere steep but at its crest and foot."""
    y = np.arange(edge, dtype=np.float32)
    return np.broadcast_to(300 - 6 * np.abs(y - edge / 2)[:, None], (edge, edge)).copy()


def pair(seed=0, shape=(150, 140)):
    rng = RNG(seed)
    light = ndimage.gaussian_filter(rng.normal(0, 1, shape), 2)
    light = light / light.std()
    green = np.array([0.033, 0.045, 0.031])[:, None, None] * np.exp(0.35 * light)
    hazy = 0.9 * green + np.array([0.02, 0.03, 0.05])[:, None, None]
    after = hazy.astype(np.float32)
    after[:, :10, :10] = np.nan
    return scenery("woods", green.astype(np.float32), after)


@pytest.fixture(scope="module")
def landslides():
    dn, mask = country()
    reflectance = (dn * 1e-4).astype(np.float32)
    return cut_landslides(scene_of(reflectance), mask)


def test_landslides_are_cut_out_with_their_surroundings(landslides):
    assert len(landslides) == 12
    for one in landslides:
        assert one.pixels.shape[:2] == one.mask.shape
        assert np.median(one.pixels[one.mask][:, 0]) > 2 * one.around[0]
    long = max(landslides, key=lambda one: one.length)
    other = turned(long, 4)  # transposed
    assert other.mask.shape == long.mask.shape[::-1]
    assert abs(np.cos(other.direction - long.direction)) < 0.2


def test_both_images_of_a_pair_have_one_radiometry():
    scene = pair()
    seen = (scene.after > 0).all(axis=-1)
    difference = scene.after[seen].astype(int) - scene.before[seen]
    assert np.abs(difference).max() <= 1
    assert (scene.after[:10, :10] == 0).all()
    assert (
        scenery(
            "snow", np.full((3, 40, 40), 0.8, np.float32), np.full((3, 40, 40), 0.8, np.float32)
        )
        is None
    )


def test_landslides_are_set_on_slopes_after_alone(landslides):
    stock = stock_of_pairs([pair()], [hills()], landslides, 64, 3, density=100)
    assert (stock.kind == PAIR).all()
    assert len(stock) == 9  # 3 x 3 windows, the last ones end where the image ends
    slide = stock.labels == 1
    assert 0.005 < slide.mean() < 0.3
    changed = stock.post.astype(int) - stock.pre
    assert np.median(changed[slide][:, 0]) > 15
    far = ndimage.binary_dilation(slide, np.ones((1, 9, 9), bool))
    still = ~far & (stock.labels == 0)
    assert np.abs(changed[still]).max() <= 1
    slope = terrain.slope(stock.terrain.astype(np.float32) * np.float32(STEP), 10.0)
    assert slope[slide].mean() > STEEP
    assert (stock.labels[(stock.post == 0).any(axis=-1)] == IGNORE).all()
    again = stock_of_pairs([pair()], [hills()], landslides, 64, 3, density=100)
    np.testing.assert_array_equal(stock.post, again.post)


def test_on_flat_ground_there_are_none(landslides):
    flat = np.zeros((100, 100), np.float32)
    assert not (stock_of_pairs([pair()], [flat], landslides, 64, 3).labels == 1).any()


def test_small_images_are_filled_up_and_small_surfaces_refused(landslides):
    small = pair(shape=(50, 200))
    stock = stock_of_pairs([small], [hills()], landslides, 64, 0)
    assert (stock.labels[:, 50:] == IGNORE).all()
    assert (stock.post[:, 50:] == 0).all()
    with pytest.raises(InventoryError, match=r"at least 64 x 64 pixels.*got 0"):
        stock_of_pairs([small], [np.zeros((40, 90), np.float32)], landslides, 64, 0)
    gaps = np.full((64, 64), np.nan, np.float32)
    with pytest.raises(InventoryError, match="without gaps"):
        stock_of_pairs([small], [gaps], landslides, 64, 0)
