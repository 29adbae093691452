"""Adapting a model to an event by its own map: what it learns, and when it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from lscube import deliveries, jobs
from lscube.cli import main
from lscube.errors import ModelError, OtherRunError, StoreError
from lscube.grid import make_grid
from lscube.learn import LoadedModel, make_labels
from lscube.learn.squares import MARGIN, Squares
from lscube.mapping import crop_to_area, map_region, open_map
from lscube.scores import IGNORE, Confusion
from lscube.settings import AdaptSettings, PredictSettings, make_job
from lscube.simulate import Overpass, SimulationSettings, Trigger, simulate_event
from tests import needs
from tests.networks import brightening, save_tiny

keras = needs.module("keras")

from lscube.learn.adapting import adapt_model  # noqa: E402
from lscube.learn.bundle import open_network, split_channels  # noqa: E402
from lscube.learn.inference import for_prediction  # noqa: E402
from lscube.learn.surroundings import Surroundings  # noqa: E402

SETTINGS = AdaptSettings(min_squares=4)
EDGE = 64
COUNT = 12


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> LoadedModel:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "model")


def make_squares(landslides=None, flip=False, sure=0.5, count=COUNT) -> tuple[Squares, np.ndarray]:
    """Squares with bright landslides, of which the map is sure of a share; and where they are.

    `flip`: in half of the squares they are as dark as they are bright in the others.
    """
    rng = np.random.default_rng(5)
    size = EDGE + 2 * MARGIN
    half = np.arange(count) % 2 == 1
    before = rng.uniform(0.04, 0.06, (count, 3, size, size))
    truth = np.zeros((count, size, size), bool)
    for index in range(count if landslides is None else landslides):
        row, column = rng.integers(MARGIN, EDGE - 24, 2)
        truth[index, row : row + 24, column : column + 24] = True
    change = np.where(flip & half, -0.03, 0.1)[:, None, None]
    after = before + np.where(truth, change, 0)[:, None]
    elevation = np.full((count, 1, size, size), 500.0)
    windows = np.concatenate([before, after, elevation], axis=1).astype(np.float32)
    inner = truth[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    found = np.where(rng.random(inner.shape) < sure, 0.8, 0.2) + rng.uniform(0, 0.2, inner.shape)
    probability = np.where(inner, found, 0.004).astype(np.float32)
    probability[:, :2] = np.nan
    return Squares(windows, probability, half, np.ones(count, np.float32)), inner


def adapted_map(model: LoadedModel, squares: Squares) -> np.ndarray:
    found = model.predict(padded(squares))
    return found[:, MARGIN : MARGIN + EDGE, MARGIN : MARGIN + EDGE]


def padded(squares: Squares) -> np.ndarray:
    more = -squares.windows.shape[-1] % 32
    return np.pad(squares.windows, ((0, 0), (0, 0), (0, more), (0, more)), mode="edge")


@pytest.fixture(scope="module")
def adapted(tiny, tmp_path_factory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("adapted") / "model"
    return adapt_model(tiny, make_squares()[0], "event", SETTINGS, folder)


def test_what_the_map_is_sure_of_teaches_what_it_is_not(adapted):
    """It was sure of half of each landslide's pixels, and of none in a square that it never saw."""
    squares, truth = make_squares()
    found = adapted_map(adapted, squares) >= 0.5
    assert (found == truth).mean() > 0.995
    assert (squares.probability >= 0.8)[truth].mean() < 0.6
    told = adapted.card.adapted
    assert told.agreement > 0.95
    assert 1.5 < told.growth < 2.5
    assert told.squares == COUNT
    assert told.settings == SETTINGS


def test_the_card_says_what_it_is_and_keeps_no_score_of_another_network(adapted, tiny):
    card = adapted.card
    assert (card.parent, card.calibration, card.evaluations, card.scores) == (
        tiny.card.sha256,
        None,
        {},
        {},
    )
    assert card.sha256 != tiny.card.sha256
    assert "adapted to event without labels" in card.limits[0]
    for name in ("branches", "pre_bands", "post_bands", "resolution", "reference"):
        assert getattr(card, name) == getattr(tiny.card, name)


def test_the_probability_is_the_networks_and_the_pixels_in_the_settings_shares(adapted, tiny):
    squares, truth = make_squares()
    windows = padded(squares)
    inner = slice(MARGIN, MARGIN + EDGE)
    others = (adapted.predict(windows) - 0.25 * tiny.predict(windows)) / 0.75
    others = others[:, inner, inner]
    assert others.min() > -1e-5
    assert others.max() < 1 + 1e-5
    assert others[truth].mean() > 0.95
    assert others[~truth].mean() < 0.02


def test_it_predicts_as_any_other_model(adapted):
    squares, _ = make_squares()
    inputs = split_channels(padded(squares)[:2], adapted.card)
    network = open_network(adapted)
    expected = np.asarray(network(inputs, training=False))
    for policy, bound in (("float32", 2e-4), ("mixed_bfloat16", 0.02)):
        ready = for_prediction(network, policy)
        np.testing.assert_allclose(np.asarray(ready(inputs)), expected, atol=bound)


@pytest.mark.needs(needs.PACKAGES["openvino"])
def test_it_can_be_computed_with_openvino(adapted):
    squares, _ = make_squares()
    other = replace(adapted, engine="openvino")
    windows = padded(squares)[:2]
    np.testing.assert_allclose(other.predict(windows), adapted.predict(windows), atol=2e-4)


def test_the_threshold_keeps_the_area_that_the_map_had(adapted, tiny, tmp_path):
    """So an event without landslides, whose map is all false alarms, gets no more of them."""
    squares, _ = make_squares()
    settings = SETTINGS.model_copy(update={"growth": 0.5})
    other = adapt_model(tiny, squares, "event", settings, tmp_path / "other")
    found = adapted_map(adapted, squares)
    # The same pixels teach the same.
    np.testing.assert_array_equal(adapted_map(other, squares), found)
    own = tiny.predict(padded(squares))[:, MARGIN : MARGIN + EDGE, MARGIN : MARGIN + EDGE]
    joined = found + 0.25 * (squares.probability - own)
    before = (squares.probability >= tiny.card.threshold).sum()
    for model, growth in ((adapted, 1.0), (other, 0.5)):
        after = (joined >= model.card.threshold).sum()
        assert 0.9 * growth < after / before < growth + 0.02


REFUSED = {
    "too few pixels": (make_squares(sure=0.01), {}, r"sure pixels of each kind.*got \d+ landslides"),
    "nothing at all": (make_squares(landslides=0), {}, "got 0 landslides"),
    "in one corner": (make_squares(landslides=2), {"min_pixels": 100}, r"at least 4 squares.*got 1 and 1"),
    "halves contradict": (make_squares(flip=True), {}, "teach the same.*min_agreement"),
    "far more": (make_squares(sure=0.2), {}, r"at most 3 times the map.*got \d"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_knows_when_not_to(name, tiny, tmp_path):
    (squares, _), changes, match = REFUSED[name]
    settings = SETTINGS.model_copy(update=changes)
    with pytest.raises(ModelError, match=match):
        adapt_model(tiny, squares, "event", settings, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_features_are_of_the_pixel_and_what_is_around_it():
    layer = Surroundings(("pre", "post", "topography"), 10.0, compared=True)
    before = np.full((1, 32, 32, 3), 0.05, np.float32)
    after, elevation = before.copy(), np.zeros((1, 32, 32, 1), np.float32)
    after[0, 16, 16] = 0.5
    before[0, 16, 15] = np.nan
    plain = np.asarray(layer([before * 0 + 0.05, before * 0 + 0.05, elevation]))
    found = np.asarray(layer([before, after, elevation]))
    assert np.isfinite(found).all()
    changed = (np.abs(found - plain) > 1e-6).any(axis=-1)[0]
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max()) == (16 - 3, 16 + 3)
    assert (columns.min(), columns.max()) == (16 - 3, 16 + 3)
    assert found[0, ..., 0].sum() == 1  # one pixel was not seen before


PREDICT = PredictSettings(
    core=96, margin=16, chunk_cores=1, shard_chunks=1, engine="keras", precision="float32"
)
ADAPT = AdaptSettings(min_squares=2, min_pixels=200, other_to=0.1)


def make_event(folder, share):
    overpasses = (Overpass("before", -14, 0.0), Overpass("after", 14, 0.0))
    trigger = Trigger(share=share)
    settings = SimulationSettings(shape=(512, 512), overpasses=overpasses, trigger=trigger)
    return simulate_event(folder, settings)


def job_of(event, **sections):
    content = {
        "event": {"id": "simulated", "time": "2018-09-05T18:07:00Z"},
        "area": {"aoi": str(event.area), "epsg": 32654},
        "source": {"catalogs": str(event.catalog)},
        "labels": {"inventory": str(event.inventory)},
        "predict": PREDICT.model_dump(mode="json"),
        "adapt": ADAPT.model_dump(mode="json"),
        **sections,
    }
    return make_job(content, event.area.parent)


@pytest.fixture(scope="module")
def event(tmp_path_factory):
    return make_event(tmp_path_factory.mktemp("event") / "event", 0.1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return brightening(tmp_path_factory.mktemp("model") / "brightening")


@pytest.fixture(scope="module")
def mapped(event, model, tmp_path_factory):
    store = tmp_path_factory.mktemp("map") / "map.zarr"
    jobs.predict(job_of(event), model, store)
    return store


@pytest.fixture(scope="module")
def for_event(event, model, mapped, tmp_path_factory):
    folder = tmp_path_factory.mktemp("for_event") / "adapted"
    return deliveries.adapt(job_of(event), model, mapped, folder)


def mcc(job, store, threshold):
    dataset = crop_to_area(open_map(store))
    labels = make_labels(job.labels, dataset.odc.geobox).to_numpy()
    found = dataset["probability"].to_numpy()
    known = np.isfinite(found) & (labels != IGNORE)
    mine, truth = found[known] >= threshold, labels[known] == 1
    counts = (mine & truth, mine & ~truth, ~mine & truth, ~mine & ~truth)
    return Confusion(*(int(count.sum()) for count in counts)).mcc


def test_the_adapted_model_maps_its_event_better(event, model, mapped, for_event, tmp_path):
    job, store = job_of(event), tmp_path / "again.zarr"
    found = jobs.predict(job, for_event, store)
    before, after = (
        mcc(job, s, m.card.threshold) for s, m in ((mapped, model), (store, for_event))
    )
    assert after > before + 0.05
    assert for_event.card.sha256 in str(found.attrs)


def test_no_cut_changes_a_pixel_of_an_adapted_map(event, for_event, tmp_path):
    job = job_of(event)
    scenes = jobs.scenes_of(job)
    grid = make_grid(scenes.area, 10.0, 32654)
    maps = []
    for core, margin in ((96, 16), (64, 32)):
        settings = PREDICT.model_copy(update={"core": core, "margin": margin, "dtype": "float32"})
        store = tmp_path / f"{core}.zarr"
        maps.append(crop_to_area(map_region(scenes, grid, for_event, store, job.cube, settings)))
    one, other = (found["probability"].to_numpy() for found in maps)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.isfinite(one).mean() > 0.9


def test_an_event_without_landslides_is_refused(model, tmp_path, capsys):
    event = make_event(tmp_path / "event", 0.0)
    job, store = job_of(event), tmp_path / "map.zarr"
    jobs.predict(job, model, store)
    path = tmp_path / "job.toml"
    path.write_text(
        f"""
[event]
id = "simulated"
time = "2018-09-05T18:07:00Z"
[area]
aoi = "{event.area}"
epsg = 32654
[source]
catalogs = "{event.catalog}"
[predict]
core = 96
margin = 16
chunk_cores = 1
shard_chunks = 1
engine = "keras"
precision = "float32"
"""
    )
    given = ["adapt", "--job", str(path), "--model", str(model.folder), "--map", str(store)]
    assert main([*given, "--out", str(tmp_path / "adapted")]) == 2
    said = capsys.readouterr().err
    assert "map without adapting" in said
    assert not (tmp_path / "adapted").exists()


def test_another_jobs_or_models_map_is_refused(event, model, mapped, for_event, tiny, tmp_path):
    other = job_of(event)
    with pytest.raises(OtherRunError, match=r"model\.sha256"):
        deliveries.adapt(other, tiny, mapped, tmp_path / "a")
    changed = job_of(event, cube={"terrain_shadow": False})
    with pytest.raises(OtherRunError, match=r"its cube\."):
        deliveries.adapt(changed, model, mapped, tmp_path / "b")
    with pytest.raises(ModelError, match="not adapted yet"):
        deliveries.adapt(other, for_event, mapped, tmp_path / "c")
    with pytest.raises(StoreError, match="found one"):
        deliveries.adapt(other, model, mapped, for_event.folder)
    assert not list(tmp_path.iterdir())
