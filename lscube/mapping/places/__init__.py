"""Where a map lies: a folder, an address in an object store, an Icechunk repository."""

from __future__ import annotations

import os
from pathlib import Path

from lscube.mapping.places.base import Place as Place
from lscube.mapping.places.base import Target as Target
from lscube.mapping.places.base import reached as reached
from lscube.mapping.places.base import store_errors as store_errors
from lscube.mapping.places.folder import Folder as Folder
from lscube.mapping.places.lease import Timing as Timing
from lscube.mapping.places.objects import ObjectPrefix
from lscube.mapping.places.versioned import SUFFIX, Repository
from lscube.paths import StrPath

__all__ = ["Folder", "Place", "Target", "Timing", "place_of", "reached", "store_errors"]


def place_of(store: StrPath, timing: Timing = Timing()) -> Place:
    """Where a map with this name lies.

    Parameters
    ----------
    store
        Path, or address such as `s3://bucket/name.zarr` (`gs://`, `az://`); with the ending
        `.icechunk` it is an Icechunk repository.
    timing
        Of the lease that keeps two runs off one address.
    """
    name = os.fspath(store).removeprefix("file://").rstrip("/")
    if name.endswith(SUFFIX):
        return Repository(name, timing)
    return ObjectPrefix(name, timing) if "://" in name else Folder(Path(name))
