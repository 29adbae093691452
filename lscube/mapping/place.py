"""Where a map lies: a folder, or an address in an object store."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zarr.abc.store import Store
from zarr.storage import LocalStore

from lscube.errors import StoreError
from lscube.files import cannot_write


class Place(Protocol):
    """Where a map is made and where it stands when it is finished."""

    def finished(self) -> Store | None:
        """The store under its final name, to be read; None where nothing stands there."""

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""

    def locked(self) -> contextlib.AbstractContextManager[Store]:
        """The store to write to, for one run at a time."""

    def clear(self) -> None:
        """Remove what an interrupted beginning left; within `locked`."""

    def finish(self) -> None:
        """Give the store its final name; within `locked`."""


@dataclass(frozen=True)
class Folder:
    """A map on a file system: made as `<path>.partial`, moved to `path` when it is finished.

    The lock is on the folder itself (`flock`): the operating system releases it with the process,
    however that ends.
    """

    path: Path
    """The map's final name."""

    @property
    def partial(self) -> Path:
        """Where the map is made."""
        return self.path.with_name(self.path.name + ".partial")

    def __str__(self) -> str:
        return str(self.path)

    def finished(self) -> Store | None:
        """The store under its final name."""
        return LocalStore(self.path, read_only=True) if self.path.exists() else None

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""
        return self.partial.exists()

    @contextmanager
    def locked(self) -> Iterator[Store]:
        """Hold the lock.

        Raises
        ------
        StoreError
            Another run holds it, or the folder cannot be made.
        """
        import fcntl

        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.partial, os.O_RDONLY)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another run may have finished, and moved the folder, in between.
                moved = os.fstat(handle).st_ino != self.partial.stat().st_ino
            except (BlockingIOError, FileNotFoundError):
                moved = True
            if moved:
                raise in_use(str(self), "a process on this machine or its file system")
            yield LocalStore(self.partial)
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Remove what is in the unfinished store; the folder itself carries the lock."""
        for entry in self.partial.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def finish(self) -> None:
        """Move the store to its final name."""
        self.partial.rename(self.path)


def in_use(name: str, owner: str) -> StoreError:
    """Say that another run is at work."""
    return StoreError(
        f"Expected to be the only run on {name}, but {owner} is writing it; wait for it to end, or "
        "choose another name."
    )
