"""A map in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zarr.abc.store import Store
from zarr.storage import LocalStore

from lscube.files import PARTIAL, cannot_write, lock_folder
from lscube.mapping.places.base import ZarrTarget, in_use


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
        return self.path.with_name(self.path.name + PARTIAL)

    def __str__(self) -> str:
        return str(self.path)

    def finished(self) -> Store | None:
        """The store under its final name."""
        return LocalStore(self.path, read_only=True) if self.path.exists() else None

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""
        return self.partial.exists()

    @contextmanager
    def locked(self) -> Iterator[ZarrTarget]:
        """Hold the lock.

        Raises
        ------
        StoreError
            Another run holds it, or the folder cannot be made.
        """
        with only_run(self.partial, str(self)):
            # Absolute: workers of a cluster start elsewhere.
            yield ZarrTarget(LocalStore(self.partial.absolute()))

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


@contextmanager
def only_run(folder: Path, name: str) -> Iterator[None]:
    """Hold the operating system's lock on a folder, which is made where it is missing.

    Raises
    ------
    StoreError
        Another run holds it, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock_folder(folder)
    except (BlockingIOError, FileNotFoundError):
        # Held, or finished and moved in between.
        raise in_use(name, "a process on this machine or its file system") from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        yield
    finally:
        os.close(handle)
