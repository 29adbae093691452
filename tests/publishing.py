"""A small map with a stand-in for the network, and what it is published with."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from lscube.catalog import Scenes
from lscube.cube.masks import observed_attributes
from lscube.mapping import map_region
from lscube.mapping.store import MANIFEST
from lscube.products.stac import SavedModel
from tests.map_job import CARD, SETTINGS, StandIn, job
from tests.scenes import Scene, bands, surface, write_items

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHAPE = (120, 150)
NETWORK = b"a stand-in for a network"


def write_event(folder: Path, seed: int = 3, baseline: str = "05.10") -> Path:
    """Scenes that differ from pixel to pixel; a cloud hides some of the later one."""
    draw = np.random.default_rng(seed)
    before, after = (draw.integers(500, 3000, SHAPE) for _ in range(2))
    classes = np.full(SHAPE, 4, np.uint8)
    classes[40:60, 60:90] = 9
    said = {"s2:processing_baseline": baseline}
    offset = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
    return write_items(
        folder,
        [
            Scene("before", "2018-08-01T01:30:00Z", bands(before, SHAPE), properties=said, fields=offset),
            Scene(
                "after",
                "2018-10-01T01:30:00Z",
                {**bands(after, SHAPE), "scl": classes},
                properties=said,
                fields=offset,
            ),
            Scene("surface", "2016-01-01T00:00:00Z", surface((60, 70)), "alos-dem", 30.0,
                  offset=(-300.0, 300.0)),
        ],
    )  # fmt: skip


def save_stand_in(folder: Path, network: bytes = NETWORK) -> SavedModel:
    """A saved model whose network is no network."""
    folder.mkdir(parents=True)
    (folder / "model.keras").write_bytes(network)
    card = CARD.model_copy(
        update={
            "sha256": hashlib.sha256(network).hexdigest(),
            "versions": {"keras": "3.15.1"},
            "created": "2026-01-01T00:00:00+00:00",
        }
    )
    (folder / "card.json").write_text(card.model_dump_json())
    return SavedModel(folder, card.model_dump(mode="json"))


def load_stand_in(folder: Path) -> StandIn:
    network = (folder / "model.keras").read_bytes()
    sha256 = hashlib.sha256(network).hexdigest()
    return StandIn(CARD.model_copy(update={"sha256": sha256}), folder)


def make_map(folder: Path, model: Path, store: Path) -> tuple[xr.Dataset, Scenes]:
    """Map the scenes in a folder."""
    scenes, grid = job(folder)
    return map_region(scenes, grid, load_stand_in(model), store, settings=SETTINGS), scenes


def drawn_map(shape: tuple[int, int], dtype: str = "uint8", shard: int = 256) -> xr.Dataset:
    """A map that nothing was computed for: steps of 0.004, a third of it unknown."""
    draw = np.random.default_rng(1)
    probability = draw.integers(0, 251, shape).astype(np.float32) * np.float32(0.004)
    observed = np.where(draw.random(shape) < 0.3, 4, 0).astype(np.uint16)
    probability[observed != 0] = np.nan
    grid = GeoBox(shape, Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 4_700_000.0), "EPSG:32654")
    manifest = {
        "predict": {"dtype": dtype},
        "layout": {"shard": shard},
    }
    found = {
        "probability": (("y", "x"), probability, {"long_name": "landslide probability"}),
        "observed": (("y", "x"), observed, observed_attributes()),
    }
    return xr.Dataset(found, coords=xr_coords(grid), attrs={MANIFEST: manifest})
