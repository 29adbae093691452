"""What a scan remembers, and where: SQLite in a folder, or objects in a store."""

from __future__ import annotations

from pathlib import Path

from lscube.mapping.places.lease import Timing
from lscube.scan.state.base import ConflictError as ConflictError
from lscube.scan.state.base import State as State
from lscube.scan.state.base import Stored as Stored
from lscube.scan.state.memory import MemoryState as MemoryState
from lscube.scan.state.objects import ObjectState as ObjectState
from lscube.scan.state.sqlite import SqliteState as SqliteState

__all__ = [
    "ConflictError",
    "MemoryState",
    "ObjectState",
    "SqliteState",
    "State",
    "Stored",
    "open_state",
]


def open_state(folder: Path | str, timing: Timing = Timing()) -> State:
    """Open the memory of a scan, and make it where there is none.

    Parameters
    ----------
    folder
        Folder, or address in an object store.
    timing
        Of the leases in an object store.

    Raises
    ------
    StoreError
        It cannot be read or written, or is of a later lscube.
    """
    return ObjectState(folder, timing) if isinstance(folder, str) else SqliteState(folder)
