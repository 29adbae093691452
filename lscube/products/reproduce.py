"""Whether a published run can be had again: what moved since, and whether the pixels are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import xarray as xr
from pystac.errors import STACError, STACTypeError
from pystac.utils import make_absolute_href
from urllib3.exceptions import HTTPError  # requests brings it, and pystac reads with it

from lscube.errors import SourceError, StoreError
from lscube.manifest import Manifest, differences, short
from lscube.mapping.opening import manifest_of, open_map
from lscube.paths import StrPath
from lscube.products.portable import portable
from lscube.products.rasters import blocks_of, digest_pixels, read_block, shard_of
from lscube.products.stac.run_item import Input

_SAID = ("s2:processing_baseline", "processing:version", "updated", "s2:generation_time")
"""Properties of an item by which a reprocessed one is known."""

_OF_FILES = {"file:checksum": "checksum", "file:size": "size", "lscube:etag": "ETag"}
"""Fields of an asset by which a changed file is known."""


@dataclass(frozen=True)
class Run:
    """A published run, as its item has it."""

    item: pystac.Item
    """The item, with absolute hrefs."""
    manifest: Manifest
    """All that determines the map; files of the maker's machine by their names."""
    inputs: Mapping[str, Input]
    """The frozen input items by id; empty where the run was published without."""
    assets: Mapping[str, str]
    """Settings that name assets of the inputs."""

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of each variable's pixels."""
        found: dict[str, str] = self.item.properties["lscube:pixels_sha256"]
        return found


@dataclass(frozen=True)
class Verdict:
    """What came of running again."""

    moved: tuple[str, ...]
    """What is not as it was, a line each: input items, models, versions, settings."""
    pixels: tuple[str, ...]
    """How the pixels differ, a line for each variable; empty where all are equal."""

    @property
    def equal(self) -> bool:
        """Whether the map is the same, whatever moved."""
        return not self.pixels


def read_run(where: StrPath) -> Run:
    """Read a published run.

    Parameters
    ----------
    where
        Path or address of the run's item or collection, or the published folder.

    Raises
    ------
    SourceError
        There is none, or a file of it is missing.
    """
    path = f"{where}/collection.json" if Path(where).is_dir() else str(where)
    try:
        item = _item_in(pystac.read_file(path))
        if item is None or "manifest" not in item.assets:
            raise SourceError(
                f"Expected an item that `lscube publish` wrote in {where}, found none; check the path."
            )
        manifest = _read(item, "manifest")
        inputs = _read(item, "inputs") if "inputs" in item.assets else {"features": []}
    except (OSError, HTTPError, STACError, STACTypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"Expected a published run in {where}, but it cannot be read ({reason}); check the path."
        ) from None
    return Run(
        item=item,
        manifest=manifest,
        inputs={feature["id"]: feature for feature in inputs["features"]},
        assets={
            name.removeprefix("lscube:"): value
            for name, value in inputs.items()
            if name.startswith("lscube:")
        },
    )


def _item_in(found: pystac.STACObject) -> pystac.Item | None:
    items = [found] if isinstance(found, pystac.Item) else []
    if isinstance(found, pystac.Catalog):
        items = list(found.get_items())
    return next((item for item in items if "lscube:run_id" in item.properties), None)


def _read(item: pystac.Item, key: str) -> Any:
    return pystac.StacIO.default().read_json(_href(item, key))


def _href(item: pystac.Item, key: str) -> str:
    return make_absolute_href(item.assets[key].href, item.get_self_href())


def model_folders(run: Run) -> list[Path]:
    """Folders of the models that were published with a run; only those on this machine."""
    links = [
        link for link in run.item.get_links("derived_from") if str(link.href).endswith(".json")
    ]
    near = run.item.get_self_href()
    paths = [Path(make_absolute_href(str(link.href), near)) for link in links]
    return [path.parent for path in paths if (path.parent / "card.json").is_file()]


def missing_inputs(run: Run, current: Mapping[str, Input]) -> list[str]:
    """Ids of a run's input items that are not there any more."""
    return [name for name in run.manifest["items"] if name not in current]


def moved_inputs(run: Run, current: Mapping[str, Input]) -> Iterator[str]:
    """Tell which input items are not as they were, a line each.

    Parameters
    ----------
    run
        The published run.
    current
        Its input items as they are now, by id, without signatures; fingerprints as in `run`.
    """
    for name, hrefs in run.manifest["items"].items():
        if name not in current:
            yield f"input {name}: missing"
            continue
        now = current[name]
        before = run.inputs.get(name)
        changes = list(_changes(before, now)) if before is not None else []
        assets = {portable(str(asset["href"])) for asset in now["assets"].values()}
        gone = sorted(set(portable(hrefs)) - assets)
        if gone:
            changes.append(f"lacks {', '.join(gone)}")
        if changes:
            yield f"input {name}: {'; '.join(changes)}"


def _changes(before: Input, now: Input) -> Iterator[str]:
    for name in _SAID:
        old, new = before["properties"].get(name), now["properties"].get(name)
        if old != new:
            yield f"{name} was {old}, is {new}"
    for key, asset in before["assets"].items():
        other = now["assets"].get(key, {})
        for name, word in _OF_FILES.items():
            # Where it is not known of both, nothing can be said.
            if name in asset and name in other and asset[name] != other[name]:
                yield f"{key} has another {word}"
                break


def moved_settings(run: Run, manifest: Manifest) -> Iterator[str]:
    """Tell which model, version or setting is not as it was, a line each."""
    words = {
        "lscube": "version of lscube",
        "pixels": "version of the method",
        "model.sha256": "model",
        "masks.mask": "content of the mask",
        "masks.pre_mask": "content of the mask before",
        "masks.post_mask": "content of the mask after",
    }
    for name, old, new in differences(run.manifest, portable(manifest)):
        # Items are told of by themselves; where a model was trained is not what it computes.
        if not name.startswith("items.") and name != "model.trained_on":
            yield f"{words.get(name, name)}: was {short(old)}, is {short(new)}"


def compare_pixels(run: Run, mapped: xr.Dataset) -> Iterator[str]:
    """Tell which variables have other pixels than the published map, a line each.

    Parameters
    ----------
    run
        The published run.
    mapped
        A map of the same grid, from `lscube.mapping.open_map`.
    """
    digests = digest_pixels(mapped)
    published = _published_map(run)
    for name, digest in run.digests.items():
        if digests.get(name) == digest:
            continue
        if name not in mapped or published is None or name not in published:
            yield f"{name}: other pixels"
        else:
            yield f"{name}: {_count(published[name], mapped[name], shard_of(mapped))}"


def _published_map(run: Run) -> xr.Dataset | None:
    """The published map itself, where it is at hand."""
    if "map" not in run.item.assets:
        return None
    try:
        return open_map(_href(run.item, "map"))
    except StoreError:
        return None


def _count(ours: xr.DataArray, theirs: xr.DataArray, edge: int) -> str:
    """How many pixels differ, and of probabilities by how much."""
    if ours.shape != theirs.shape:
        return f"{theirs.shape} pixels instead of {ours.shape}"
    count, most = 0, 0.0
    for block in blocks_of(ours.shape, edge):
        one, other = read_block(ours, block), read_block(theirs, block)
        unknown = (one != one) & (other != other)  # NaN and NaT
        differ = (one != other) & ~unknown
        count += int(differ.sum())
        if one.dtype.kind == "f" and differ.any():
            gaps = np.abs(one - other)[differ]
            most = max(most, float(np.nanmax(gaps)) if np.isfinite(gaps).any() else 0.0)
    by = f", by up to {most:.3g}" if most else ""
    return f"{count:,} of {ours.size:,} pixels differ{by}"


def verdict_on(run: Run, mapped: xr.Dataset, moved: tuple[str, ...] = ()) -> Verdict:
    """Compare a map that was made again with the published one.

    Parameters
    ----------
    run
        The published run.
    mapped
        The map that was made again.
    moved
        What is known to have moved: lines of `moved_inputs`.
    """
    settings = tuple(moved_settings(run, manifest_of(mapped)))
    return Verdict((*moved, *settings), tuple(compare_pixels(run, mapped)))
