"""Patches, augmentation and the reader of batches."""

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
from lscube.learn import IGNORE, cut_patches
from lscube.learn.augment import (
    Geometry,
    Radiometry,
    apply_geometry,
    apply_radiometry,
    draw_geometry,
    draw_radiometry,
)
from lscube.learn.patches import PatchSet, choose_windows, known_labels, whole_windows
from lscube.learn.reader import Reader, as_tf_data, augment
from lscube.settings import TrainSettings

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


def seen_pixels(patches: PatchSet) -> set[int]:
    """Numbers of the cube's pixels that some patch shows, labelled or not."""
    shown = [patches.patch(i).elevation for i in range(len(patches))]
    return {int(v) for v in np.unique(np.stack(shown)) if np.isfinite(v)}


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 300),
    other=st.integers(1, 90),
    window=st.sampled_from([32, 64]),
    overlap=st.floats(0, 0.95),
)
def test_every_pixel_is_in_a_candidate_window(length, other, window, overlap):
    step = max(window - round(overlap * window), 1)
    shape = (whole_windows(length, window, step), whole_windows(other, window, step))
    assert shape[0] >= length
    assert shape[0] - length < max(window, step)
    origins, counts = choose_windows(np.ones(shape, dtype=bool), window, window - step)
    rows, columns = np.unique(origins[:, 0]), np.unique(origins[:, 1])
    assert len(origins) == len(rows) * len(columns)
    for starts, size in ((rows, shape[0]), (columns, shape[1])):
        assert starts[0] == 0
        assert starts[-1] + window == size
        assert (np.diff(starts) <= window).all()
    assert (counts == window**2).all()


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(20, 130),
    width=st.integers(20, 130),
    share=st.floats(0.1, 0.45),
    overlap=st.floats(0, 0.8),
)
def test_training_and_validation_share_no_pixel(height, width, share, overlap):
    cube, labels = make_cube(height, width)
    chosen = TRAIN.model_copy(
        update={"validation_share": share, "overlap": overlap, "min_labelled": 1e-6}
    )
    training, validation = cut_patches(cube, labels, chosen)
    one, two = seen_pixels(training), seen_pixels(validation)
    assert not one & two
    assert len(one) + len(two) == height * width  # no pixel is left out


def test_patches_are_the_cubes_pixels():
    cube, labels = make_cube(90, 70)
    training, _ = cut_patches(cube, labels, TRAIN)
    numbers = cube["elevation"].values
    for i in range(len(training)):
        patch = training.patch(i)
        number = patch.elevation[..., 0]
        inside = np.isfinite(number)
        rows, columns = np.divmod(number[inside].astype(int), numbers.shape[1])
        for layer, name in ((patch.pre, "pre"), (patch.post, "post")):
            expected = cube[name].values[:, rows, columns].T
            np.testing.assert_array_equal(layer[inside], expected)
            assert np.isnan(layer[~inside]).all()
        expected = np.where(cube["observed"].values == 0, labels.values, IGNORE)[rows, columns]
        np.testing.assert_array_equal(patch.labels[inside, 0], expected)
        assert (patch.labels[~inside] == IGNORE).all()


def test_unobserved_pixels_are_ignored_and_sparse_windows_dropped():
    cube, labels = make_cube(64, 160)
    cube["observed"][:, :64] = 4
    training, validation = cut_patches(cube, labels, TRAIN.model_copy(update={"overlap": 0.0}))
    assert training.place.left >= 48  # the unobserved part is cropped, but for the padding
    assert validation.place.right <= 160 + 16
    cube["observed"][20:, 64:110] = 4
    fewer, _ = cut_patches(cube, labels, TRAIN.model_copy(update={"overlap": 0.0}))
    assert fewer.kept < training.kept
    assert fewer.kept + fewer.dropped == training.kept + training.dropped
    for i in range(fewer.kept):
        assert (fewer.patch(i).labels != IGNORE).mean() >= TRAIN.min_labelled


def test_training_part_limits_all_that_is_seen():
    cube, labels = make_cube(96, 128)
    west, north = 500_000, 4_740_000
    area = (west + 200, north - 800, west + 1000, north - 100)  # columns 20..99, rows 10..79
    training, validation = cut_patches(cube, labels, TRAIN.model_copy(update={"area": area}))
    seen = np.array(sorted(seen_pixels(training) | seen_pixels(validation)))
    rows, columns = np.divmod(seen, 128)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 79, 20, 99)


def test_area_smaller_than_a_patch_is_padded():
    cube, labels = make_cube(20, 30)
    small = TRAIN.model_copy(update={"min_labelled": 0.05})
    training, validation = cut_patches(cube, labels, small)
    assert (training.kept, validation.kept) == (1, 1)
    assert training.patch(0).labels.shape == (32, 32, 1)


def test_context_beyond_the_labels_is_real():
    cube, labels = make_cube(96, 200)
    labels[:40] = IGNORE
    labels[50:] = IGNORE
    training, _ = cut_patches(cube, labels, TRAIN.model_copy(update={"min_labelled": 0.2}))
    assert np.isfinite(training.patch(1).elevation).all()


def test_labels_outside_the_area_are_not_learnt():
    cube, labels = make_cube(96, 200)
    cube["area"][:, :50] = 1
    assert (known_labels(cube, labels)[:, :50] == IGNORE).all()
    assert (known_labels(cube, labels)[5:, 50:] != IGNORE).all()


def test_validation_takes_the_end_that_has_landslides():
    cube, labels = make_cube(40, 200)
    labels[:, 120:] = 0
    training, validation = cut_patches(cube, labels, TRAIN.model_copy(update={"overlap": 0.0}))
    assert validation.place.left < training.place.left
    assert validation.landslide_pixels() > 0


def test_validation_takes_the_end_with_a_typical_share_of_landslides():
    """All landslides lie in the east: a strip across shows as many as the whole does."""
    cube, labels = make_cube(96, 200)
    labels[:] = 0
    labels[::2, 120:] = 1
    _, validation = cut_patches(cube, labels, TRAIN.model_copy(update={"min_labelled": 0.1}))
    assert validation.pixels.labels.shape[1] >= 200
    known = validation.pixels.labels[validation.pixels.labels != IGNORE]
    assert (known == 1).mean() == pytest.approx(0.2, abs=0.03)


def test_without_landslides_there_is_a_sentence():
    cube, labels = make_cube(64, 160)
    with pytest.raises(InventoryError, match="no landslide pixel"):
        cut_patches(cube, labels * 0, TRAIN)
    with pytest.raises(InventoryError, match="found none"):
        cut_patches(cube, xr.full_like(labels, IGNORE), TRAIN)
    with pytest.raises(InventoryError, match="lower min_labelled"):
        cut_patches(cube, labels, TRAIN.model_copy(update={"window": 256, "min_labelled": 1.0}))
    with pytest.raises(InventoryError, match="inside the cube"):
        cut_patches(cube, labels, TRAIN.model_copy(update={"area": (0.0, 0.0, 1.0, 1.0)}))
    with pytest.raises(InventoryError, match="cube's grid"):
        cut_patches(cube, labels[1:], TRAIN)
    with pytest.raises(InventoryError, match="cube's grid"):
        cut_patches(cube, labels.assign_coords(x=labels["x"] + 10), TRAIN)


def test_radiometry_of_no_strength_changes_nothing():
    image = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    image[0, 0] = np.nan
    change = draw_radiometry(np.random.default_rng(1), 3, strength=0.0)
    np.testing.assert_allclose(apply_radiometry(image, change), image, atol=1e-6)


@pytest.fixture(scope="module")
def patches():
    return cut_patches(*make_cube(100, 90), TRAIN)[0]


def test_all_layers_get_the_same_geometry_and_keep_their_gaps(patches):
    patch = patches.patch(0)
    assert np.isnan(patch.post).any()
    seen = set()
    for seed in range(40):
        changed = augment(patch, np.random.default_rng(seed))
        geometry = draw_geometry(np.random.default_rng(seed))
        seen.add(geometry)
        np.testing.assert_array_equal(changed.labels, apply_geometry(patch.labels, geometry))
        np.testing.assert_array_equal(changed.elevation, apply_geometry(patch.elevation, geometry))
        for before, after in ((patch.pre, changed.pre), (patch.post, changed.post)):
            gaps = np.isnan(apply_geometry(before, geometry))
            np.testing.assert_array_equal(np.isnan(after), gaps)
            assert after.dtype == np.float32
    assert len(seen) == 8


def test_the_eight_geometries_differ_and_by_hand():
    square = np.array([[1, 2], [3, 4]])[..., np.newaxis]
    assert apply_geometry(square, Geometry(True, 0))[..., 0].tolist() == [[2, 1], [4, 3]]
    assert apply_geometry(square, Geometry(False, 1))[..., 0].tolist() == [[2, 4], [1, 3]]
    every = {
        tuple(apply_geometry(square, Geometry(mirrored, turns)).ravel().tolist())
        for mirrored in (False, True)
        for turns in range(4)
    }
    assert len(every) == 8


def test_radiometry_by_hand():
    image = np.array([[0.1, 0.3], [0.2, np.nan]], dtype=np.float32)[..., np.newaxis]
    change = Radiometry(gain=2.0, bias=0.05, contrast=0.5, colour=(1.1,), noise=0.0, seed=0)
    # the mean is 0.2: (0.2 - 0.05) * 2.2 + 0.05 = 0.38 and so on
    found = apply_radiometry(image, change)[..., 0]
    np.testing.assert_allclose(found, [[0.38, 0.60], [0.49, np.nan]], rtol=1e-6)


def test_pre_and_post_change_differently():
    image = np.full((32, 32, 3), 0.1, dtype=np.float32)
    rng = np.random.default_rng(0)
    one, two = draw_radiometry(rng, 3), draw_radiometry(rng, 3)
    assert one != two
    assert np.abs(apply_radiometry(image, one) - apply_radiometry(image, two)).mean() > 1e-3


def test_each_batch_follows_from_seed_epoch_and_step(patches):
    reader = Reader(patches, 3, seed=7, training=True)
    whole = list(reader.epoch(1))
    assert len(whole) == reader.steps
    assert sum(len(batch.labels) for batch in whole) == len(patches)
    again = Reader(patches, 3, seed=7, training=True).batch(1, 1)
    for name, layer in again.inputs.items():
        np.testing.assert_array_equal(layer, whole[1].inputs[name])
    np.testing.assert_array_equal(again.labels, whole[1].labels)
    for other in (reader.batch(0, 1), Reader(patches, 3, seed=8, training=True).batch(1, 1)):
        assert not np.array_equal(other.inputs["pre"], whole[1].inputs["pre"], equal_nan=True)


def test_validation_gives_the_patches_as_they_are(patches):
    batch = Reader(patches, 2, seed=0, training=False).batch(5, 0)
    np.testing.assert_array_equal(batch.inputs["post"][1], patches.patch(1).post)
    np.testing.assert_array_equal(batch.labels[1], patches.patch(1).labels)


def test_tf_data_gives_what_the_reader_gives(patches):
    pytest.importorskip("tensorflow")
    reader = Reader(patches, 3, seed=7, training=True)
    expected = [batch for epoch in range(2) for batch in reader.epoch(epoch)]
    found = list(as_tf_data(reader, epochs=2).as_numpy_iterator())
    assert len(found) == len(expected)
    for (inputs, targets), batch in zip(found, expected, strict=True):
        for name, layer in batch.inputs.items():
            np.testing.assert_array_equal(inputs[name], layer)
        assert len(targets) == 5
        for target in targets:
            np.testing.assert_array_equal(target, batch.labels)
