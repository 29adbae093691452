"""A new version of a map takes over the regions that did not change.

A region's digest (`lscube.mapping.identity.region_digest`) says all that determines its pixels: where
an earlier map has a region with the same one, its pixels are copied instead of computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lscube.mapping.layout import Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.opening import finished_store, manifest_in
from lscube.mapping.places import Target


def take_over(
    previous: Path | str,
    target: Target,
    todo: Sequence[Region],
    digests: Mapping[tuple[int, int], bytes],
) -> list[Region]:
    """Copy the regions that an earlier map has; returns those that are still to do.

    Regions in which something could not be read are done again: it may be readable now.

    Raises
    ------
    StoreError
        There is no finished map.
    """
    store = finished_store(previous)
    places = {digest: key for key, digest in Ledger.of(store, read_only=True).read().items()}
    size = manifest_in(store, str(previous))["layout"]["region"]
    theirs: Any = zarr.open_group(store, mode="r")
    ours: Any = zarr.open_group(target.store, mode="r+")
    names = [name for name, array in ours.arrays() if array.ndim >= 2 and name in theirs]
    left = []
    for region in todo:
        key = places.get(digests[region.key])
        pixels = None if key is None else _read(theirs, names, key, size, region)
        if pixels is None:
            left.append(region)
            continue
        for name, values in pixels.items():
            ours[name][..., region.rows, region.columns] = values
        target.enter(region, digests[region.key], None)
    return left


def _read(
    group: Any, names: Sequence[str], key: tuple[int, int], size: int, region: Region
) -> dict[str, Any] | None:
    """A region's stored values by variable; None where something could not be read."""
    top, left = key[0] * size, key[1] * size
    rows = slice(top, top + region.rows.stop - region.rows.start)
    columns = slice(left, left + region.columns.stop - region.columns.start)
    unreadable = group["unreadable"][..., rows, columns]
    if (unreadable != group["unreadable"].fill_value).any():
        return None
    return {name: np.asarray(group[name][..., rows, columns]) for name in names}
