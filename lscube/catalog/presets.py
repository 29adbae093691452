"""Catalogues that lscube knows by name, and what is tried with those it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Preset:
    """What a catalogue is known for."""

    address: str | Path
    """Address of its API, or where a static one is."""
    collections: tuple[str, ...]
    """Collections of optical scenes, the preferred first."""
    dsm_collections: tuple[str, ...]
    """Collections of surface models, the preferred first."""
    known: bool = True
    """Whether the collections are known to be there; else they are asked for first."""


PRESETS = {
    "earth-search": Preset(
        "https://earth-search.aws.element84.com/v1",
        # Collection 1 first: processed again with baseline 05.00 or later, so that scenes of all years
        # compare, and its offset is what its metadata say. It is not complete; the older one fills gaps.
        ("sentinel-2-c1-l2a", "sentinel-2-l2a"),
        ("cop-dem-glo-30",),
    ),
    "planetary-computer": Preset(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        ("sentinel-2-l2a",),
        ("alos-dem", "cop-dem-glo-30"),
    ),
    # From its documentation and others' code: https://documentation.dataspace.copernicus.eu/APIs/STAC.html
    # and https://browser.stac.dataspace.copernicus.eu/collections/cop-dem-glo-30-dged-cog (asset "data").
    "cdse": Preset(
        "https://stac.dataspace.copernicus.eu/v1",
        ("sentinel-2-l2a",),
        ("cop-dem-glo-30-dged-cog",),
    ),
}

ANY_COLLECTIONS = ("sentinel-2-c1-l2a", "sentinel-2-l2a", "sentinel-2-l1c")
ANY_DSM_COLLECTIONS = ("alos-dem", "cop-dem-glo-30", "cop-dem-glo-30-dged-cog")


def preset_of(
    catalog: str | Path,
    collections: tuple[str, ...] | None,
    dsm_collections: tuple[str, ...] | None,
) -> Preset:
    """What to ask a catalogue for; collections that the settings name take precedence."""
    found = PRESETS.get(catalog) if isinstance(catalog, str) else None
    given = found or Preset(catalog, ANY_COLLECTIONS, ANY_DSM_COLLECTIONS, known=False)
    return Preset(
        given.address,
        collections or given.collections,
        dsm_collections or given.dsm_collections,
        found is not None and collections is None and dsm_collections is None,
    )
