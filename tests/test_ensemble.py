"""Several models and several views as one prediction."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from lscube.errors import ModelError
from lscube.mapping import map_region
from lscube.mapping.ensemble import Ensemble
from tests.map_job import CARD, SETTINGS, StandIn, job
from tests.scenes import simple_event


@dataclass(frozen=True)
class Constant(StandIn):
    """The same everywhere."""

    value: float = 0.0

    def predict(self, windows):
        return np.full((len(windows), *windows.shape[2:]), self.value, np.float32)


@dataclass(frozen=True)
class Corner(StandIn):
    """Marks the window's first pixel, wherever the ground lies."""

    def predict(self, windows):
        out = np.zeros((len(windows), *windows.shape[2:]), np.float32)
        out[:, 0, 0] = 1
        return out


@dataclass(frozen=True)
class Echo(StandIn):
    """Gives back the first channel."""

    def predict(self, windows):
        return windows[:, 0].copy()


WINDOWS = np.random.default_rng(0).uniform(0, 1, (2, 7, 64, 64)).astype(np.float32)


def test_several_models_give_mean_and_spread(tmp_path):
    models = tuple(Constant(CARD, tmp_path, value=value) for value in (0.2, 0.4, 0.9))
    found = Ensemble(models)(WINDOWS)
    assert found.shape == (2, 2, 64, 64)
    np.testing.assert_allclose(found[:, 0], 0.5, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], np.std([0.2, 0.4, 0.9]), rtol=1e-6)
    assert Ensemble(models[:1])(WINDOWS).shape == (2, 1, 64, 64)


@pytest.mark.parametrize(("views", "corners"), [("one", 1), ("flips", 4), ("all", 4)])
def test_views_are_turned_back(tmp_path, views, corners):
    # What follows the ground comes back to its place ...
    echo = Ensemble((Echo(CARD, tmp_path),), views)(WINDOWS)[:, 0]
    np.testing.assert_allclose(echo, WINDOWS[:, 0], rtol=1e-6)
    # ... and what follows the window is spread over its corners.
    marked = Ensemble((Corner(CARD, tmp_path),), views)(WINDOWS)[0, 0]
    assert sorted(zip(*(axis.tolist() for axis in np.nonzero(marked)), strict=True)) == sorted(
        {1: [(0, 0)], 4: [(0, 0), (0, 63), (63, 0), (63, 63)]}[corners]
    )
    np.testing.assert_allclose(marked.sum(), 1, rtol=1e-6)


def test_a_map_of_several_models(tmp_path):
    simple_event(tmp_path)
    scenes, grid = job(tmp_path)
    models = [Constant(CARD, tmp_path, value=value) for value in (0.2, 0.6)]
    mapped = map_region(scenes, grid, models, tmp_path / "map.zarr", settings=SETTINGS).compute()
    known = (mapped["observed"] == 0) & (mapped["area"] & 1 == 0)
    for name, value in (("probability", 0.4), ("spread", 0.2)):
        np.testing.assert_allclose(mapped[name].values[known], value, atol=0.002)
        xr.testing.assert_equal(mapped[name].notnull().drop_attrs(), known.drop_attrs())
    one = map_region(scenes, grid, models[0], tmp_path / "one.zarr", settings=SETTINGS)
    assert "spread" not in one


def test_models_that_do_not_go_together(tmp_path):
    simple_event(tmp_path)
    scenes, grid = job(tmp_path)
    other = CARD.model_copy(update={"branches": ("post",), "pre_bands": ()})
    with pytest.raises(ModelError, match="Expected"):
        map_region(
            scenes,
            grid,
            [StandIn(CARD, tmp_path), StandIn(other, tmp_path)],
            tmp_path / "map.zarr",
            settings=SETTINGS,
        )
    with pytest.raises(ModelError, match="Expected a model, got none"):
        map_region(scenes, grid, [], tmp_path / "map.zarr", settings=SETTINGS)
