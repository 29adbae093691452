"""The training Zarr, patches, and the reader of batches."""

import dask
import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.errors import InventoryError
from lscube.learn.patches import (
    BlockCache,
    EventPatches,
    JoinedPatches,
    choose_windows,
    step_of,
    whole_windows,
)
from lscube.learn.reader import Reader, as_py_dataset, as_tf_data
from lscube.learn.splits import Side
from lscube.learn.store import open_training_store, write_training_store
from lscube.scores import IGNORE
from lscube.settings import SplitSettings, TrainSettings
from tests import needs

TRAIN = TrainSettings(window=32, min_labelled=0.3, batch_size=3)


def make_cube(height: int, width: int, seed: int = 0) -> tuple[xr.Dataset, xr.DataArray]:
    """A cube whose elevation numbers its pixels, so that none can be mistaken for another."""
    grid = GeoBox((height, width), Affine(10, 0, 500_000, 0, -10, 4_740_000), "EPSG:32654")
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=grid.shape) < 0.3).astype(np.uint8)
    pre = rng.uniform(0.02, 0.2, (3, height, width)).astype(np.float32)
    post = pre + np.float32(0.1) * labels
    observed = np.zeros(grid.shape, dtype=np.uint16)
    observed[:3, :3] = 1 << 8
    post[:, :3, :3] = np.nan
    number = np.arange(height * width, dtype=np.float32).reshape(grid.shape)
    cube = xr.Dataset(
        {
            "pre": (("band", "y", "x"), pre),
            "post": (("band", "y", "x"), post),
            "elevation": (("y", "x"), number),
            "observed": (("y", "x"), observed),
            "area": (("y", "x"), np.zeros(grid.shape, np.uint8)),
        },
        coords={**xr_coords(grid), "band": ["red", "green", "blue"]},
    )
    return cube, xr.DataArray(labels, dims=("y", "x"), coords=xr_coords(grid))


def cut(folder, cube, labels, chosen=TRAIN, split=SplitSettings(), area=None, cache=None):  # noqa: B008
    """Patches of the three sides."""
    path = folder / f"event-{len(list(folder.iterdir()))}.zarr"
    write_training_store(path, cube, labels, chosen, split, area)
    store = open_training_store(path)
    held = cache or BlockCache(1e9)
    sides = (Side.TRAINING, Side.VALIDATION, Side.TEST)
    present = [side for side in sides if (store["side"].values == side).any()]
    return {side: EventPatches(store, side, chosen, "small", held) for side in present}


def everything(patches):
    return patches.read(np.arange(len(patches)))


def seen_pixels(patches) -> set[int]:
    """Numbers of the cube's pixels that some patch shows, labelled or not."""
    shown = everything(patches)["elevation"]
    return {int(v) for v in np.unique(shown[np.isfinite(shown)])}


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 300),
    other=st.integers(1, 90),
    window=st.sampled_from([32, 64]),
    overlap=st.floats(0, 0.95),
)
def test_every_pixel_is_in_a_window(length, other, window, overlap):
    chosen = TrainSettings(window=window, overlap=overlap, min_labelled=1e-6)
    found = choose_windows(np.ones((length, other), np.uint8), chosen)
    seen = np.zeros((length, other), bool)
    for row, column in found.origins:
        seen[max(row, 0) : row + window, max(column, 0) : column + window] = True
    assert seen.all()
    assert found.dropped == 0
    step = step_of(chosen)
    for axis, size in enumerate((length, other)):
        starts = np.unique(found.origins[:, axis])
        assert starts[-1] + window - starts[0] == whole_windows(size, window, step)
        assert (np.diff(starts) == step).all()
        assert starts[0] > -max(window, step)


SPLITS = [
    SplitSettings(validation_share=0.3),
    SplitSettings(by="blocks", block=200, validation_share=0.3, test_share=0.2, seed=3),
    SplitSettings(by="blocks", block=470, validation_share=0.4, seed=1),
]


@pytest.mark.parametrize("split", SPLITS, ids=["strip", "small blocks", "large blocks"])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_no_patch_touches_another_side(tmp_path, split, overlap):
    """With elevation a pixel's number: what a side's patches show, no other side's do."""
    cube, labels = make_cube(120, 150)
    chosen = TRAIN.model_copy(update={"overlap": overlap, "min_labelled": 1e-6})
    sides = cut(tmp_path, cube, labels, chosen, split)
    assert len(sides) == (3 if split.test_share else 2)
    shown = [seen_pixels(patches) for patches in sides.values()]
    assert sum(len(pixels) for pixels in shown) == len(set.union(*shown)) == 120 * 150
    for side, patches in sides.items():
        batch = everything(patches)
        learnt = batch["labels"] != IGNORE
        assert np.isfinite(batch["elevation"][learnt]).all(), side


def test_patches_are_the_cubes_pixels(tmp_path):
    cube, labels = make_cube(90, 70)
    patches = cut(tmp_path, cube, labels)[Side.TRAINING]
    batch = everything(patches)
    inside = np.isfinite(batch["elevation"][..., 0])
    rows, columns = np.divmod(batch["elevation"][..., 0][inside].astype(int), 70)
    for name in ("pre", "post"):
        np.testing.assert_array_equal(batch[name][inside], cube[name].values[:, rows, columns].T)
    known = labels.values.copy()
    known[:3, :3] = IGNORE  # not observed
    np.testing.assert_array_equal(batch["labels"][..., 0][inside], known[rows, columns])
    assert (batch["labels"][..., 0][~inside] == IGNORE).all()


def test_a_window_needs_enough_known_pixels():
    labels = np.full((64, 64), IGNORE, np.uint8)
    labels[:32, :32] = 0
    labels[60:64, 60:64] = 1
    chosen = TRAIN.model_copy(update={"overlap": 0.0, "min_labelled": 0.5})
    found = choose_windows(labels, chosen)
    assert (len(found.origins), found.dropped) == (1, 3)
    assert found.landslides.tolist() == [0]


def test_what_only_one_image_misses_counts_by_branch(tmp_path):
    """The corner is not seen after the event: a network of the image before can learn there."""
    cube, labels = make_cube(80, 80)
    for branches, known in ((("pre",), True), (("post",), False), (("pre", "post"), False)):
        folder = tmp_path / "-".join(branches)
        folder.mkdir()
        chosen = TRAIN.model_copy(update={"branches": branches})
        write_training_store(folder / "a.zarr", cube, labels, chosen, SplitSettings())
        store = open_training_store(folder / "a.zarr")
        assert (store["labels"].values[0, 0] != IGNORE) == known
        assert set(store) & {"pre", "post", "elevation"} == set(branches)


def test_bands_are_chosen_and_ordered(tmp_path):
    cube, labels = make_cube(70, 70)
    chosen = TRAIN.model_copy(update={"pre_bands": ("blue",), "post_bands": ("green", "red")})
    write_training_store(tmp_path / "a.zarr", cube, labels, chosen, SplitSettings())
    store = open_training_store(tmp_path / "a.zarr")
    np.testing.assert_array_equal(store["pre"].values[..., 0], cube["pre"].values[2])
    np.testing.assert_array_equal(
        store["post"].values, cube["post"].values[[1, 0]].transpose(1, 2, 0)
    )


def test_only_the_labelled_part_and_its_context_are_stored(tmp_path):
    cube, labels = make_cube(200, 220)
    labels = labels.where(False, IGNORE).astype(np.uint8)
    labels[100:140, 110:160] = 1
    write_training_store(tmp_path / "a.zarr", cube, labels, TRAIN, SplitSettings())
    store = open_training_store(tmp_path / "a.zarr")
    assert store["labels"].shape == (40 + 64, 50 + 64)
    west, _, _, north = store.attrs["bounds"]
    assert (west, north) == (500_000 + 780, 4_740_000 - 680)


def test_a_lazy_cube_is_computed_once(tmp_path):
    cube, labels = make_cube(96, 120)
    computed = []

    def count(block):
        computed.append(block.shape)
        return block

    lazy = cube.chunk({"y": 48, "x": 60})
    lazy["post"] = lazy["post"].copy(
        data=lazy["post"].data.map_blocks(count, meta=np.empty((0, 0, 0)))
    )
    with dask.config.set(scheduler="synchronous"):
        write_training_store(tmp_path / "a.zarr", lazy, labels, TRAIN, SplitSettings())
    assert len(computed) == 4
    store = open_training_store(tmp_path / "a.zarr")
    np.testing.assert_array_equal(store["post"].values, cube["post"].values.transpose(1, 2, 0))


def test_a_store_that_cannot_be_finished_has_no_name(tmp_path):
    cube, labels = make_cube(80, 80)
    nowhere = labels.where(False, IGNORE).astype(np.uint8)
    with pytest.raises(InventoryError, match="Expected labels"):
        write_training_store(tmp_path / "a.zarr", cube, nowhere, TRAIN, SplitSettings())
    assert not (tmp_path / "a.zarr").exists()


def test_labels_on_another_grid_are_refused(tmp_path):
    cube, labels = make_cube(80, 80)
    for other in (labels[:40], labels.assign_coords(x=labels["x"] + 10)):
        with pytest.raises(InventoryError, match="cube's grid"):
            write_training_store(tmp_path / "a.zarr", cube, other, TRAIN, SplitSettings())


def test_blocks_that_do_not_fit_leave_the_memory_and_come_back(tmp_path):
    cube, labels = make_cube(560, 600)
    roomy = cut(tmp_path, cube, labels)[Side.TRAINING]
    narrow = cut(tmp_path, cube, labels, cache=BlockCache(1))[Side.TRAINING]
    assert len(roomy.groups()) > 4
    order = np.random.default_rng(0).permutation(len(roomy))
    for start in range(0, len(order), 7):
        part = order[start : start + 7]
        one, other = roomy.read(part), narrow.read(part)
        for name, layer in one.items():
            np.testing.assert_array_equal(layer, other[name])
    assert len(narrow._cache._blocks) == 1


def test_blocks_hold_each_patch_once_and_say_what_they_take(tmp_path):
    patches = cut(tmp_path, *make_cube(400, 420))[Side.TRAINING]
    groups = patches.groups()
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(len(patches)))
    for number in range(len(groups)):
        block = patches._read_block(number)
        assert patches.bytes_of(number) == sum(layer.nbytes for layer in block.values())


def test_joined_sources_keep_the_order_asked_for(tmp_path):
    one = cut(tmp_path, *make_cube(90, 70))[Side.TRAINING]
    other = cut(tmp_path, *make_cube(80, 100, seed=1))[Side.TRAINING]
    joined = JoinedPatches([one, other])
    assert len(joined) == len(one) + len(other)
    order = np.random.default_rng(0).permutation(len(joined))
    found = joined.read(order)
    for position, index in enumerate(order):
        source, own = (one, index) if index < len(one) else (other, index - len(one))
        np.testing.assert_array_equal(
            found["post"][position], source.read(np.array([own]))["post"][0]
        )
    np.testing.assert_array_equal(
        joined.landslides(), np.concatenate([one.landslides(), other.landslides()])
    )
    np.testing.assert_array_equal(np.sort(np.concatenate(joined.groups())), np.arange(len(joined)))


class Numbered:
    """A source whose patches are their numbers; every fourth has a landslide."""

    window = 2

    def __init__(self, count=40, groups=5):
        self.count = count
        self.parts = np.array_split(np.arange(count), groups)

    def __len__(self):
        return self.count

    def read(self, indices):
        values = np.broadcast_to(indices[:, None, None, None], (len(indices), 2, 2, 1))
        labels = self.landslides()[indices][:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
        return {"post": values.astype(np.float32), "labels": labels.astype(np.uint8)}

    def landslides(self):
        return np.arange(self.count) % 4 == 0

    def groups(self):
        return self.parts

    def bytes_of(self, group):
        return 100

    def name(self, index):
        return "even" if index % 2 == 0 else "odd"


def test_an_epoch_shows_each_patch_once_in_an_order_of_its_own():
    reader = Reader(Numbered(), 7, seed=3, shuffle=True)
    epochs = [
        np.concatenate([reader.batch(e, s)["post"][:, 0, 0, 0] for s in range(reader.steps)])
        for e in (0, 1, 0)
    ]
    assert reader.steps == 6
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(40))
    assert (epochs[0] != epochs[1]).any()
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert (Reader(Numbered(), 7, seed=4, shuffle=True).order(0) != epochs[0]).any()
    np.testing.assert_array_equal(Reader(Numbered(), 7, shuffle=False).order(5), np.arange(40))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_the_share_of_patches_with_landslides_is_as_wished(share):
    source = Numbered()
    reader = Reader(source, 4, shuffle=True, landslide_share=share)
    for epoch in (0, 1):
        order = reader.order(epoch)
        assert len(np.unique(order)) == len(order)
        assert source.landslides()[order].mean() == pytest.approx(share, abs=0.03)
    assert len(reader.order(0)) == len(reader.order(1))
    if share not in (0.25, 1.0):
        assert set(reader.order(0)) != set(reader.order(1))


def test_beyond_the_memory_patches_are_shuffled_within_pools_of_blocks():
    source = Numbered(40, groups=5)  # 8 patches of 100 bytes a block; two blocks fit into a half
    reader = Reader(source, 4, shuffle=True, memory=400)
    order = reader.order(0)
    np.testing.assert_array_equal(np.sort(order), np.arange(40))
    for start in (0, 16, 32):
        assert len({int(index) // 8 for index in order[start : start + 16]}) <= 2
    assert len({int(index) // 8 for index in order[:16]}) == 2
    assert (np.diff(order[:8]) != 1).any()


def test_batches_name_what_they_hold():
    assert Reader(Numbered(), 4, shuffle=False).names(0, 0) == ["even", "odd"]


def test_tf_data_gives_the_readers_batches():
    tf = needs.module("tensorflow")
    reader = Reader(Numbered(), 16, seed=1, shuffle=True)
    data = as_tf_data(reader, 1, 3)
    found = list(data)
    assert len(found) == 2 * reader.steps
    assert data.element_spec["labels"].dtype == tf.uint8
    for position, batch in enumerate(found):
        expected = reader.batch(1 + position // reader.steps, position % reader.steps)
        for name, layer in expected.items():
            np.testing.assert_array_equal(batch[name], layer)


def test_py_dataset_gives_the_readers_batches():
    needs.module("keras")
    reader = Reader(Numbered(), 16, seed=1, shuffle=True)
    data = as_py_dataset(reader, 2)
    for epoch in (2, 3):
        for step in range(len(data)):
            (batch,) = data[step]
            np.testing.assert_array_equal(batch["post"], reader.batch(epoch, step)["post"])
        data.on_epoch_end()
