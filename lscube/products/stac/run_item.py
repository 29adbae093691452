"""The item of a run: where, when, of what and how a map was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Any

import odc.geo.xr  # noqa: F401  (the .odc accessor)
import pystac
import shapely
import xarray as xr
from pystac.utils import datetime_to_str

from lscube.attributes import content
from lscube.grid import Bounds, bounds_of, epsg_of, resolution_of
from lscube.grid.longitudes import unwrap
from lscube.manifest import Manifest
from lscube.mapping.opening import is_unfinished, manifest_of
from lscube.products.portable import is_local, portable
from lscube.products.run import run_id
from lscube.products.stac.extensions import PROCESSING, PROJECTION, VERSION
from lscube.products.stac.facts import Facts

Input = dict[str, Any]
"""An input item as JSON has it: without signatures and without paths of this machine."""


def item_name(mapped: xr.Dataset) -> str:
    """Id of a run's item: the event's name and the run's."""
    event = re.sub(r"[^A-Za-z0-9._-]+", "-", str(manifest_of(mapped)["event"])).strip("-.")
    return f"{event or 'event'}-{run_id(mapped)}"


def make_run_item(
    mapped: xr.Dataset, facts: Facts, inputs: Sequence[Input], created: datetime, facility: str = ""
) -> pystac.Item:
    """Make the item of a run, without assets.

    Its time is the event's; `start_datetime` is too, and `end_datetime` is the end of the latest day whose
    image shows a pixel after the event: what is mapped happened in between, or between the last clear
    image before the event and the event.

    Parameters
    ----------
    mapped, facts
        The map, and what `measure` says of it.
    inputs
        Its input items, as far as they are at hand.
    created
        Now, UTC.
    facility
        Who ran it, for `processing:facility`.
    """
    manifest = manifest_of(mapped)
    geometry = shapely.from_wkt(manifest["area"])
    start, end = event_times(mapped, facts)
    item = pystac.Item(
        item_name(mapped),
        shapely.geometry.mapping(geometry),
        list(box_of(geometry)),
        start,
        {},
        start_datetime=start,
        end_datetime=end,
        stac_extensions=[PROJECTION, PROCESSING, VERSION],
    )
    said = _properties(mapped, facts, created, facility)
    item.properties.update({name: value for name, value in said.items() if value not in ("", None)})
    item.add_links(list(_derived_from(manifest, inputs)))
    return item


def event_times(mapped: xr.Dataset, facts: Facts) -> tuple[datetime, datetime]:
    """The event's beginning, and the end of the last day that was looked at (the event's end at least)."""
    start, end = (
        datetime.fromisoformat(str(mapped.attrs.get(name, manifest_of(mapped)["event_time"])))
        for name in ("event_time", "event_end")
    )
    if facts.last_day is not None:
        end = max(end, datetime.combine(facts.last_day, time(23, 59, 59), UTC))
    return start, end


def box_of(geometry: shapely.Geometry) -> Bounds:
    """Bounding box in degrees; west > east where it crosses the antimeridian (RFC 7946, section 5.2)."""
    west, south, east, north = unwrap(geometry).bounds
    return (west, south, east - 360 if east > 180 else east, north)


def _properties(
    mapped: xr.Dataset, facts: Facts, created: datetime, facility: str
) -> dict[str, Any]:
    manifest, grid = manifest_of(mapped), mapped.odc.geobox
    name = run_id(mapped)
    resolution = resolution_of(grid)
    return {
        "title": f"Landslide probability, {manifest['event']}",
        "description": _describe(mapped, facts),
        "created": datetime_to_str(created),
        "gsd": resolution,
        "proj:code": f"EPSG:{epsg_of(grid)}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
        "proj:bbox": list(bounds_of(grid)),
        "processing:level": "L4",
        "processing:lineage": _lineage(manifest),
        "processing:software": {"lscube": manifest["lscube"]},
        "processing:facility": facility,
        "version": name,
        "lscube:run_id": name,
        "lscube:finished": not is_unfinished(mapped),
        "lscube:event": manifest["event"],
        "lscube:event_end": mapped.attrs.get("event_end", manifest["event_time"]),
        "lscube:model_sha256": manifest["model"]["sha256"],
        "lscube:mapped_share": round(facts.mapped_share, 6),
        "lscube:pixels_sha256": facts.digests,
        **{f"lscube:{side}_items": content(mapped.attrs[f"{side}_items"]) for side in SIDES},
    }


SIDES = ("pre", "post", "dsm")
"""What input items serve as."""


def _describe(mapped: xr.Dataset, facts: Facts) -> str:
    manifest, rest = manifest_of(mapped), "was not seen before and after, and `observed` says why"
    if is_unfinished(mapped):
        rest = "was not mapped yet, or not seen before and after; the run had not come to its end"
    return (
        f"Probability from 0 to 1 that a pixel is landslide that happened in the event "
        f"{manifest['event']} ({manifest['event_time']}), for {facts.mapped_share:.1%} of the area of "
        f"interest; the rest {rest}."
    )


def _lineage(manifest: Manifest) -> str:
    predict, models = manifest["predict"], manifest["model"]["sha256"]
    text: str = portable(
        f"lscube {manifest['lscube']}: Sentinel-2 scenes before and after the event (composites: "
        f"{manifest['cube']['pre']} before, {manifest['cube']['post']} after) and a surface model; "
        f"{len(models)} residual U-Net(s) of sha256 {', '.join(models)} on windows of "
        f"{predict['core']} + 2 x {predict['margin']} pixels ({predict['engine']}, {predict['policy']}, "
        f"views: {predict['views']}). " + ". ".join(map(str, manifest["radiometry"]))
    )
    return text


def _derived_from(manifest: Manifest, inputs: Sequence[Input]) -> Iterator[pystac.Link]:
    """A link for each input item: to itself where it has an address, else to what is known of it here."""
    known = {item["id"]: (number, item) for number, item in enumerate(inputs)}
    for name in manifest["items"]:
        pointer = name.replace("~", "~0").replace("/", "~1")
        href = f"./{MANIFEST_FILE}#/items/{pointer}"
        if name in known:
            number, item = known[name]
            href = _address(item) or f"./{INPUTS_FILE}#/features/{number}"
        yield pystac.Link("derived_from", href, pystac.MediaType.JSON, title=name)


def _address(item: Input) -> str | None:
    links = (link for link in item.get("links", ()) if link.get("rel") == "self")
    href = next((str(link["href"]) for link in links), "")
    return href if "://" in href and not is_local(href) else None


MANIFEST_FILE = "manifest.json"
"""All that determines the map, beside its item."""

INPUTS_FILE = "inputs.json"
"""The input items, frozen: an ItemCollection."""
