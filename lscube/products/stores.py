"""A copy of a map's store that may leave the machine."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype

from lscube.attributes import attribute, content
from lscube.errors import StoreError
from lscube.products.portable import portable

_METADATA = "zarr.json"

_LEDGER = "ledger/"
"""What a run needs to go on, and no reader: it has no named dimensions, so xarray could not open the tree."""


def copy_store(store: Store, folder: Path) -> None:
    """Copy a map's store into a folder as plain Zarr, key by key, without the ledger.

    Local paths in its metadata are left out.

    Parameters
    ----------
    store
        From `lscube.mapping.opening.store_there`; an Icechunk repository or an object store as well.
    folder
        New folder.
    """
    # In a thread of its own: a notebook's own loop is running already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _copy(store, folder)).result()


async def _copy(store: Store, folder: Path) -> None:
    prototype = default_buffer_prototype()
    root = folder.resolve()
    async for key in store.list():
        if key.startswith(_LEDGER):
            continue
        value = await store.get(key, prototype)
        path = (root / key).resolve()
        if value is None:
            continue
        if not path.is_relative_to(root):
            raise StoreError(
                f"Expected keys within the map, found {key!r}; this is no store of lscube's."
            )
        content = value.to_bytes()
        if path.name == _METADATA:
            said = json.loads(content)
            told = said.get("attributes", {})
            said["attributes"] = {name: _portable(value) for name, value in told.items()}
            content = json.dumps(said, indent=2).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _portable(value: Any) -> Any:
    """An attribute without local paths, also where it is the text of a JSON."""
    found = content(value)
    return attribute(portable(found if isinstance(found, dict | list) else value))
