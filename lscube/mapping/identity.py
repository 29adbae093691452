"""What determines a map, and each of its regions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import shapely

from lscube import __version__
from lscube.catalog import unsigned
from lscube.cube import CloudMask, CubePlan
from lscube.cube.side import Scene
from lscube.errors import SettingsError
from lscube.grid import bounds_of, epsg_of, resolution_of
from lscube.learn import LoadedModel
from lscube.manifest import Manifest
from lscube.mapping.layout import Layout, Region
from lscube.paths import split_layer
from lscube.settings import CubeSettings, PredictSettings

PIXELS = 2
"""Counts changes of lscube after which the same input gives other pixels."""

_MASKS = ("mask", "pre_mask", "post_mask")
"""Settings that name files of the user's own; their content determines pixels."""

_CUTS = {
    *("core", "margin", "mode", "engine", "precision"),
    *("chunk_cores", "shard_chunks", "region_shards", "without", "radiometry"),
}
"""Settings that stand in the manifest as what they come to."""


def make_manifest(
    plan: CubePlan, layout: Layout, models: Sequence[LoadedModel], settings: PredictSettings
) -> Manifest:
    """Collect what determines a map, for the store's attributes; hrefs without signatures."""
    scenes, masks = plan.scenes, mask_digests(plan.settings)
    items = [*scenes.pre, *scenes.post, *scenes.dsm]
    manifest = {
        "lscube": __version__,
        "pixels": PIXELS,
        "model": {
            "sha256": [model.card.sha256 for model in models],
            "trained_on": [
                event.model_dump(mode="json") for model in models for event in model.card.events
            ],
        },
        "cube": plan.settings.model_dump(mode="json", exclude={"chunk"}),
        "predict": {
            **settings.model_dump(mode="json", exclude=_CUTS),
            # Only where it is set: maps of before there was the setting can be gone on with.
            **({"without": sorted(settings.without)} if settings.without else {}),
            "engine": models[0].engine,
            "policy": models[0].policy,
            "core": layout.lattice.core,
            "margin": layout.lattice.margin,
        },
        "layout": {"chunk": layout.chunk, "shard": layout.shard, "region": layout.region},
        "event": scenes.event.id,
        "event_time": f"{scenes.event.start:%Y-%m-%dT%H:%M:%SZ}",
        "area": scenes.area.wkt,
        "grid": {
            "epsg": epsg_of(layout.cores),
            "shape": list(layout.cores.shape),
            "transform": list(layout.cores.affine)[:6],
        },
        # Only where there are any: as for `without`.
        **({"masks": masks} if masks else {}),
        "radiometry": [*plan.pre.notes, *plan.post.notes],
        "elevation": list(plan.elevation),
        "shift": list(plan.reading.shift),
        # Only where there is one: as for `without`.
        **({} if plan.reading.reference is None else {"reference": asdict(plan.reading.reference)}),
        "cloud_mask": _name(plan.reading.cloud_mask),
        "items": {
            item.id: sorted(unsigned(asset.href) for asset in item.assets.values())
            for item in items
        },
    }
    return _plain(manifest)


def mask_digests(settings: CubeSettings) -> dict[str, str]:
    """sha256 of the content of each of the user's masks, by setting; without those that are not set.

    Raises
    ------
    SettingsError
        A file cannot be read.
    """
    paths = {name: getattr(settings, name) for name in _MASKS}
    return {name: _content_of(path) for name, path in paths.items() if path is not None}


def _content_of(mask: Path) -> str:
    path, layer = split_layer(mask)
    # Beside a shapefile stands its CRS.
    projection = path.with_suffix(".prj")
    files = [path, projection] if path.suffix == ".shp" and projection.exists() else [path]
    found = hashlib.sha256()
    try:
        for one in files:
            with one.open("rb") as file:
                hashlib.file_digest(file, lambda: found)
        found.update((layer or "").encode())
    except OSError as error:
        raise SettingsError(
            f"Expected a mask at {path}, but it cannot be read ({error.strerror}); check the path."
        ) from None
    return found.hexdigest()


def region_digest(manifest: Manifest, plan: CubePlan, layout: Layout, region: Region) -> bytes:
    """32 bytes of all that determines a region's pixels.

    Maps whose manifests differ can have regions with the same digest: where no item that was added
    or left out touches them.
    """
    return _digest(_content(manifest, plan, layout, region))


def earlier_digests(
    manifest: Manifest, plan: CubePlan, layout: Layout, region: Region
) -> Iterator[tuple[bytes, int]]:
    """What a region's digest was before the latest satellite passes after the event were there.

    From the latest to the earliest, each with the number of scenes that were there. Later passes are
    looked at only for what is still missing. That is so for no median, hence nothing is given then.
    """
    if plan.settings.post == "median":
        return
    content = _content(manifest, plan, layout, region)
    scenes = plan.touching(bounds_of(layout.lattice.padded(layout.grid(region))))["post"]
    passes = [scene.satellite_pass for scene in scenes]
    for count in range(len(scenes) - 1, 0, -1):
        if passes[count] != passes[count - 1]:
            sides = {**content["touching"], "post": content["touching"]["post"][:count]}
            yield _digest({**content, "touching": sides}), count


def _content(manifest: Manifest, plan: CubePlan, layout: Layout, region: Region) -> dict[str, Any]:
    """All that determines a region's pixels."""
    grid = layout.grid(region)
    seen = bounds_of(layout.lattice.padded(grid))
    touching = {
        side: [_of_pixels(source) for source in sources]
        for side, sources in plan.touching(seen).items()
    }
    return {
        **{
            name: manifest[name]
            for name in ("pixels", "cube", "predict", "layout", "masks", "shift", "cloud_mask")
            if name in manifest
        },
        "model": manifest["model"]["sha256"],
        "grid": [epsg_of(grid), resolution_of(grid), *grid.shape, *bounds_of(grid)],
        "area": shapely.normalize(plan.area.intersection(shapely.box(*bounds_of(grid)))).wkb_hex,
        "touching": touching,
    }


def _digest(content: dict[str, Any]) -> bytes:
    text = json.dumps(_plain(content), sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def _name(mask: CloudMask | None) -> str | None:
    """A mask function by its name: what it does cannot be looked into."""
    if mask is None:
        return None
    function = getattr(mask.function, "__qualname__", type(mask.function).__qualname__)
    return f"{getattr(mask.function, '__module__', '')}.{function}"


def _of_pixels(source: Any) -> dict[str, Any]:
    """A scene or a tile without what does not reach the pixels: its place in the list, words on why.

    A file that could not be looked at counts like one that could: what it holds stays the same.
    """
    if not isinstance(source, Scene):
        return asdict(source)
    line = source.line and replace(source.line, reason="")
    found = asdict(
        replace(
            source,
            index=0,
            line=line,
            radiometry=tuple(replace(known, reason="") for known in source.radiometry),
            bands=tuple(replace(band, known=None, dark=None) for band in source.bands),
            mask_bands=tuple(replace(band, known=None, dark=None) for band in source.mask_bands),
        )
    )
    if line is None:
        del found["line"]
    return found


def _plain(content: dict[str, Any]) -> Manifest:
    """As it will be read back: tuples become lists."""
    plain: Manifest = json.loads(json.dumps(content))
    return plain
