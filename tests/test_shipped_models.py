"""The models that come with lscube: there, small, whole, and of use on an event that is easy."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import lscube
from lscube.catalog import find_scenes
from lscube.errors import ModelError
from lscube.events import make_event
from lscube.grid import make_grid, read_area
from lscube.learn import read_card
from lscube.learn.bundle import digest, open_network, split_channels
from lscube.learn.shipped import WEIGHTS, write_weights
from lscube.mapping import design_map, map_region
from lscube.settings import PredictSettings, SourceSettings
from lscube.settings.models import SHIPPED, shipped_folder
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, Scene, inner_area, surface, write_items

SHAPE = (120, 150)
SLIDE = (slice(40, 60), slice(60, 95))
HIDDEN = (slice(0, 120), slice(80, 150))
ROOM = PredictSettings(core=96, margin=32, dtype="float32", precision="float32")


def forest(seed: int) -> dict[str, np.ndarray]:
    """Woods with some texture, as surface reflectance times 10,000."""
    shade = 1 + 0.12 * np.random.default_rng(seed).standard_normal(SHAPE)
    return {
        name: (value * shade).clip(50).astype(np.uint16)
        for name, value in (("red", 330), ("green", 480), ("blue", 300))
    }


def write_event(folder, hidden: bool = False):
    """Woods; after the event, bare ground on a slope. `hidden`: no image before in the east."""
    before, after = forest(0), forest(1)
    for name, value in (("red", 1900), ("green", 1550), ("blue", 1150)):
        after[name][SLIDE] = value
        if hidden:
            before[name][HIDDEN] = 0
    dsm = (SHAPE[0] // 3 + 20, SHAPE[1] // 3 + 20)
    return write_items(
        folder,
        [
            Scene("before", "2018-08-01T01:30:00Z", before),
            Scene("after", "2018-10-01T01:30:00Z", after),
            Scene(
                "dsm",
                "2016-01-01T00:00:00Z",
                surface(dsm),
                "alos-dem",
                30.0,
                offset=(-300.0, 300.0),
            ),
        ],
    )


def job(folder):
    source = SourceSettings(catalogs=(folder / "items.json",))
    event = make_event("woods", EVENT_TIME)
    scenes = find_scenes(read_area(inner_area(rim=0.0)), event, source)
    return scenes, make_grid(scenes.area, 10.0)


def mapped(folder, model, store, settings=ROOM):
    return map_region(*job(folder), model, store, settings=settings)


@pytest.fixture(scope="module")
def woods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("woods")
    write_event(folder)
    return folder


@pytest.fixture(scope="module")
def half_seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    write_event(folder, hidden=True)
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_they_are_small_and_whole_and_say_what_they_are(name):
    model = lscube.load_model(name)
    path = model.folder / WEIGHTS
    assert path.stat().st_size < 25e6
    assert digest(path) == model.card.sha256
    assert model.missing() is None
    assert set(model.card.optional_branches) == {"pre", "topography"}
    assert any("licence" in text for text in model.card.data)
    assert model.card.limits
    assert model.card.evaluations["chips, after alone"].scores["f1"] > 0.6
    errors = [one.scores["calibration_error"] for one in model.card.evaluations.values()]
    assert max(errors) < 0.05


@pytest.mark.parametrize("name", SHIPPED)
def test_they_map_a_landslide_that_is_plain_to_see(name, woods, tmp_path):
    model = lscube.load_model(name)
    found = mapped(woods, model, tmp_path / "map.zarr")["probability"].to_numpy()
    grid_rows, grid_columns = np.nonzero(found >= model.card.threshold)
    seen = np.isfinite(found)
    share = (found >= model.card.threshold).sum() / (20 * 35)
    assert 0.7 < share < 1.3
    assert np.ptp(grid_rows) < 26
    assert np.ptp(grid_columns) < 41
    assert seen.sum() == SHAPE[0] * SHAPE[1]
    assert np.median(found[seen]) < 0.05


@pytest.mark.parametrize("name", SHIPPED)
def test_both_engines_say_the_same(name):
    windows = np.random.default_rng(0).uniform(0, 0.3, (1, 7, 64, 96)).astype(np.float32)
    windows[:, 6] *= 1000
    windows[:, :3, :20] = np.nan
    model = lscube.load_model(name)
    keras, openvino = (
        replace(model, engine=engine).predict(windows) for engine in ("keras", "openvino")
    )
    assert keras.std() > 0.01
    np.testing.assert_allclose(keras, openvino, atol=1e-5)


def test_light_is_standard_up_to_half_resolution():
    standard, light = (lscube.load_model(name) for name in SHIPPED)
    windows = np.random.default_rng(1).uniform(0, 0.3, (1, 7, 64, 64)).astype(np.float32)
    outputs = open_network(standard)(split_channels(windows, standard.card))
    half = open_network(light)(split_channels(windows, light.card))
    np.testing.assert_allclose(np.asarray(outputs[1]), np.asarray(half), atol=2e-6)


def test_without_the_image_before_pixels_are_mapped_only_when_asked(half_seen, tmp_path):
    model = lscube.load_model("light")
    strict = mapped(half_seen, model, tmp_path / "strict.zarr")
    asked = mapped(
        half_seen, model, tmp_path / "asked.zarr", ROOM.model_copy(update={"without": ("pre",)})
    )
    observed = asked["observed"].to_numpy()
    gap = (observed & 0xFF != 0) & (observed >> 8 == 0) & (asked["area"].to_numpy() & 1 == 0)
    assert gap.sum() == 120 * 70
    assert np.isnan(strict["probability"].to_numpy()[gap]).all()
    assert np.isfinite(asked["probability"].to_numpy()[gap]).all()
    there = np.isfinite(strict["probability"].to_numpy())
    np.testing.assert_array_equal(
        strict["probability"].to_numpy()[there], asked["probability"].to_numpy()[there]
    )
    np.testing.assert_array_equal(strict["observed"], asked["observed"])


def test_what_is_left_out_is_in_the_manifest_only_if_it_is_set(woods):
    optional = CARD.model_copy(update={"optional_branches": ("pre",)})
    model = StandIn(optional, woods)
    without = SETTINGS.model_copy(update={"without": ("pre",)})
    ours, theirs = (
        design_map(*job(woods), model, settings=settings).manifest["predict"]
        for settings in (SETTINGS, without)
    )
    assert "without" not in ours
    assert theirs["without"] == ["pre"]


@pytest.mark.parametrize(
    ("optional", "without", "message"),
    [
        ((), ("pre",), "can go without nothing"),
        (("pre", "post"), ("pre", "post"), "to leave an image"),
    ],
)
def test_a_model_is_not_asked_to_go_without_what_it_needs(woods, optional, without, message):
    model = StandIn(CARD.model_copy(update={"optional_branches": optional}), woods)
    settings = SETTINGS.model_copy(update={"without": without})
    with pytest.raises(ModelError, match=message):
        design_map(*job(woods), model, settings=settings)


def test_a_folder_comes_before_a_model_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packaged = shipped_folder("standard")
    assert packaged.is_absolute()
    assert shipped_folder("another").name == "another"
    (tmp_path / "standard").mkdir()
    assert not shipped_folder("standard").is_absolute()


def test_changed_or_foreign_weights_are_refused(tmp_path):
    folder = tmp_path / "light"
    shutil.copytree(shipped_folder("light"), folder)
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="changed"):
        lscube.load_model(folder)
    np.savez(folder / WEIGHTS, other=np.zeros(3))
    card = read_card(folder).model_copy(update={"sha256": digest(folder / WEIGHTS)})
    (folder / "card.json").write_text(card.model_dump_json())
    with pytest.raises(ModelError, match="weights of the card's network"):
        open_network(lscube.load_model(folder))


def test_the_same_weights_give_the_same_file(tmp_path):
    network = open_network(lscube.load_model("standard"))
    write_weights(network, tmp_path / WEIGHTS)
    assert digest(tmp_path / WEIGHTS) == lscube.load_model("standard").card.sha256
