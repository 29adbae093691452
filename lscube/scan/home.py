"""Where a scan's products are: a folder, or an address in an object store.

Below it, `events/<event>/versions/0001/` holds all of a version, and `events/<event>/latest.json` names the
last one that is complete; beside it, in a folder, the symbolic link `latest` leads there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from lscube.files import appearing, cannot_write, write_json
from lscube.mapping.opening import finished_store
from lscube.mapping.places import reached
from lscube.mapping.places.lease import object_store

LATEST = "latest.json"


class Home(Protocol):
    """Where products are made and kept."""

    def folder(self, event: str, version: str) -> Path:
        """Folder of this machine in which a version's files are made."""

    def map(self, event: str, version: str) -> Path | str:
        """Path or address of a version's map."""

    def keep(self, event: str, version: str, *names: str) -> None:
        """Keep files and folders of a version's folder, whatever happens to this machine."""

    def fetch(self, event: str, version: str, name: str) -> Path:
        """A kept file, on this machine."""

    def drop(self, event: str, version: str) -> None:
        """Remove what there is of a version that will never be complete."""

    def forget(self, event: str) -> None:
        """Remove what is there of an event of which no version was made."""

    def point(self, event: str, version: str, content: dict[str, Any]) -> None:
        """Say that a version is the latest, at once."""

    def publish(self, path: Path) -> None:
        """Keep a file of the scan as a whole, such as its feed."""

    @property
    def scratch(self) -> Path:
        """Folder of this machine for files of the scan as a whole."""


class FolderHome:
    """Products in a folder of this machine: made where they stay."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def scratch(self) -> Path:
        """The folder itself."""
        return self.root

    def folder(self, event: str, version: str) -> Path:
        """The version's folder, made where it is missing."""
        path = self.root / "events" / event / "versions" / version
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        return path

    def map(self, event: str, version: str) -> Path | str:
        """Path of its map."""
        return self.root / "events" / event / "versions" / version / "map.zarr"

    def keep(self, event: str, version: str, *names: str) -> None:
        """They are where they stay."""

    def fetch(self, event: str, version: str, name: str) -> Path:
        """It is there."""
        return self.folder(event, version) / name

    def drop(self, event: str, version: str) -> None:
        """Remove the folder."""
        path = self.folder(event, version)
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise cannot_write(path, error) from None

    def forget(self, event: str) -> None:
        """Remove its folders, if they are empty."""
        place = self.root / "events" / event
        for folder in (place / "versions", place):
            with suppress(OSError):  # it is not there, or holds something
                folder.rmdir()

    def point(self, event: str, version: str, content: dict[str, Any]) -> None:
        """Write `latest.json`, and turn the link `latest`, each at once."""
        place = self.root / "events" / event
        with appearing(place / "latest") as link:
            link.symlink_to(Path("versions") / version, target_is_directory=True)
        write_json(place / LATEST, content)

    def publish(self, path: Path) -> None:
        """It is where it stays."""


class ObjectHome:
    """Products in an object store: made in a folder of this machine, and put there when they are complete.

    A map is made there right away.
    """

    def __init__(self, address: str, scratch: Path) -> None:
        self.address, self._scratch = address.rstrip("/"), scratch
        self._store = object_store(self.address)
        self._local = FolderHome(scratch)

    @property
    def scratch(self) -> Path:
        """A folder that may be lost at any time."""
        return self._scratch

    def folder(self, event: str, version: str) -> Path:
        """A folder that may be lost at any time."""
        return self._local.folder(event, version)

    def map(self, event: str, version: str) -> Path | str:
        """Address of its map."""
        return f"{self.address}/{_key(event, version)}/map.zarr"

    def keep(self, event: str, version: str, *names: str) -> None:
        """Put files, each at once; a folder's after all that lie in it deeper."""
        folder = self.folder(event, version)
        for path in (path for name in names for path in _files(folder / name)):
            self._put(f"{_key(event, version)}/{path.relative_to(folder).as_posix()}", path)

    def fetch(self, event: str, version: str, name: str) -> Path:
        """Get a file, unless it is here."""
        path = self.folder(event, version) / name
        if not path.exists():
            with reached(self.address):
                content = bytes(self._store.get(f"{_key(event, version)}/{name}").bytes())
            with appearing(path) as partial:
                partial.write_bytes(content)
        return path

    def drop(self, event: str, version: str) -> None:
        """Remove the folder and the objects."""
        self._local.drop(event, version)
        with reached(self.address):
            for page in self._store.list(f"{_key(event, version)}/"):
                self._store.delete([entry["path"] for entry in page])

    def forget(self, event: str) -> None:
        """There are no empty folders in an object store."""

    def point(self, event: str, version: str, content: dict[str, Any]) -> None:
        """Put `latest.json`."""
        path = self._scratch / "events" / event / LATEST
        write_json(path, content)
        self._put(f"events/{event}/{LATEST}", path)

    def publish(self, path: Path) -> None:
        """Put a file."""
        self._put(path.name, path)

    def _put(self, key: str, path: Path) -> None:
        with reached(self.address):
            self._store.put(key, path)


class DryHome(FolderHome):
    """A folder that may be lost at any time, in front of a home that is only read."""

    def __init__(self, home: Home, scratch: Path) -> None:
        super().__init__(scratch)
        self._home = home

    def map(self, event: str, version: str) -> Path | str:
        """Path or address of a version's map, which is only read.

        Raises
        ------
        StoreError
            It is not finished: nothing is to be mapped there.
        """
        path = self._home.map(event, version)
        finished_store(path)
        return path

    def fetch(self, event: str, version: str, name: str) -> Path:
        """A file of this run, else a kept one."""
        path = super().fetch(event, version, name)
        return path if path.exists() else self._home.fetch(event, version, name)

    def point(self, event: str, version: str, content: dict[str, Any]) -> None:
        """Nothing is shown."""


def _key(event: str, version: str) -> str:
    return f"events/{event}/versions/{version}"


def _files(path: Path) -> Iterator[Path]:
    """Files of a folder, the deepest first, so that what names others comes after them."""
    if path.is_file():
        yield path
    elif path.is_dir():
        found = [one for one in path.rglob("*") if one.is_file()]
        yield from sorted(found, key=lambda one: (-len(one.parts), one))
