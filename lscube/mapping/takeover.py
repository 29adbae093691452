"""A new version of a map takes over the regions that did not change.

A region's digest (`lscube.mapping.identity.region_digest`) says all that determines its pixels: where
an earlier map has a region with the same one, its pixels are copied instead of computed. So they are
where only later scenes came that show nothing of what was still missing: what a region misses is
looked at again, without the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from lscube.mapping.layout import Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.opening import finished_store, manifest_in
from lscube.mapping.places import Target
from lscube.paths import StrPath

Planes = dict[str, npt.NDArray[Any]]
"""A region's stored values by variable."""


@dataclass(frozen=True)
class Later:
    """How regions are judged to which only later scenes came."""

    digests: Callable[[Region], Iterable[tuple[bytes, int]]]
    """Digests before they came, and how many scenes were there (`earlier_digests`)."""
    look: Callable[[Region, int, Planes], Planes | None]
    """Looks at what the scenes after so many show: a region's planes as they are now, None where
    a pixel changed that the network looks at."""


def take_over(
    previous: StrPath,
    target: Target,
    todo: Sequence[Region],
    digests: Mapping[tuple[int, int], bytes],
    later: Later,
) -> list[Region]:
    """Copy the regions that an earlier map has; returns those that are still to do.

    Regions in which something could not be read are done again: it may be readable now.

    Parameters
    ----------
    previous
        The earlier map.
    target
        Where the new one is made.
    todo
        Its regions.
    digests
        Of its regions, by row and column.
    later
        How regions are judged whose digest is another for later scenes alone.

    Raises
    ------
    StoreError
        There is no finished map.
    """
    store = finished_store(previous)
    ledger, ours = Ledger.of(store, read_only=True), Ledger.of(target.store)
    places = {digest: key for key, digest in ledger.read().items()}
    settled = ledger.settled()
    size = manifest_in(store, str(previous))["layout"]["region"]
    group: Any = zarr.open_group(target.store, mode="r+")
    names = [name for name, array in group.arrays() if array.ndim >= 2]
    theirs: Any = zarr.open_group(store, mode="r")
    left = []
    for region in todo:
        key, count = _place(places, digests[region.key], later.digests(region))
        planes = None if key is None else _read(theirs, names, key, size, region)
        if planes is not None and count is not None and key not in settled:
            planes = later.look(region, count, planes)
        if planes is None:
            left.append(region)
            continue
        for name, values in planes.items():
            group[name][..., region.rows, region.columns] = values
        if key in settled:
            ours.settle(region)
        target.enter(region, digests[region.key], None)
    return left


def _place(
    places: Mapping[bytes, tuple[int, int]], digest: bytes, earlier: Iterable[tuple[bytes, int]]
) -> tuple[tuple[int, int] | None, int | None]:
    """Row and column of a region in the earlier map, and how many scenes it had, if fewer."""
    if digest in places:
        return places[digest], None
    return next(((places[one], count) for one, count in earlier if one in places), (None, None))


def _read(
    group: Any, names: Sequence[str], key: tuple[int, int], size: int, region: Region
) -> Planes | None:
    """A region's stored values by variable; None where something could not be read."""
    top, left = key[0] * size, key[1] * size
    rows = slice(top, top + region.rows.stop - region.rows.start)
    columns = slice(left, left + region.columns.stop - region.columns.start)
    unreadable = group["unreadable"][..., rows, columns]
    if (unreadable != group["unreadable"].fill_value).any():
        return None
    return {name: np.asarray(group[name][..., rows, columns]) for name in names}
