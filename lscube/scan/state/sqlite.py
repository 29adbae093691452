"""A scan's memory in SQLite: one file, one transaction for each step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lscube.errors import StoreError
from lscube.files import cannot_write
from lscube.mapping.places.folder import only_run
from lscube.scan.hazard import Hazard
from lscube.scan.record import (
    EventRecord,
    from_json,
    hazard_from_json,
    hazard_to_json,
    to_json,
)
from lscube.scan.state.base import Mark, Stored, conflict

FILE = "scan.sqlite"

MIGRATIONS = (
    """
    CREATE TABLE hazards (id TEXT PRIMARY KEY, updated TEXT NOT NULL, content BLOB NOT NULL);
    CREATE TABLE records (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, content BLOB NOT NULL);
    CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL);
    """,
)
"""What brings the tables from one version to the next; only ever added to."""

PATIENCE = 30.0
"""Seconds that a transaction waits for another one's end."""


class SqliteState:
    """The memory of a scan whose folder is on this machine (WAL needs a local file system)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        with self._spoken():
            self._connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # A step that was said to be done must be done after a power cut too.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._migrate()

    def tell(self, hazard: Hazard) -> None:
        """Take a hazard, unless a later state of it is known."""
        with self._spoken():
            self._connection.execute(
                "INSERT INTO hazards VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "updated = excluded.updated, content = excluded.content "
                "WHERE excluded.updated >= updated",
                (hazard.id, _sortable(hazard), hazard_to_json(hazard)),
            )

    def hazards(self) -> dict[str, Hazard]:
        """The latest state of each hazard, by id."""
        with self._spoken():
            rows = self._connection.execute("SELECT id, content FROM hazards ORDER BY id")
            return {name: hazard_from_json(content) for name, content in rows}

    def read(self, event: str) -> Stored:
        """The record of an event."""
        with self._spoken():
            row = self._connection.execute(
                "SELECT revision, content FROM records WHERE id = ?", (event,)
            ).fetchone()
        if row is None:
            return Stored(None, None)
        return Stored(from_json(row[1], f"{self._path} ({event})"), row[0])

    def records(self) -> dict[str, EventRecord]:
        """All records, by id."""
        with self._spoken():
            rows = self._connection.execute("SELECT id, content FROM records ORDER BY id")
            return {name: from_json(content, f"{self._path} ({name})") for name, content in rows}

    def write(self, record: EventRecord, mark: Mark) -> Mark:
        """Write a record in place of the one with this mark."""
        content = to_json(record)
        with self._spoken():
            if mark is None:
                done = self._connection.execute(
                    "INSERT INTO records VALUES (?, 1, ?) ON CONFLICT (id) DO NOTHING",
                    (record.id, content),
                )
            else:
                done = self._connection.execute(
                    "UPDATE records SET revision = revision + 1, content = ? "
                    "WHERE id = ? AND revision = ?",
                    (content, record.id, mark),
                )
        if done.rowcount != 1:
            raise conflict(record.id)
        return 1 if mark is None else mark + 1

    def forget(self, event: str) -> None:
        """Remove an event's hazard and record."""
        with self._spoken():
            self._connection.execute("DELETE FROM hazards WHERE id = ?", (event,))
            self._connection.execute("DELETE FROM records WHERE id = ?", (event,))

    def held(self, event: str) -> AbstractContextManager[None]:
        """Hold an event's folder by the operating system's lock."""
        return only_run(self._folder / "events" / event, event)

    def note(self, name: str) -> str | None:
        """A text that was noted."""
        with self._spoken():
            row = self._connection.execute(
                "SELECT text FROM notes WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else str(row[0])

    def set_note(self, name: str, text: str) -> None:
        """Note a text."""
        with self._spoken():
            self._connection.execute(
                "INSERT INTO notes VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET text = excluded.text",
                (name, text),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _migrate(self) -> None:
        """Bring the tables up to date, one version after the other, each in a transaction."""
        while (found := self._version()) < len(MIGRATIONS):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self._version() == found:  # no other scan was faster
                    for statement in MIGRATIONS[found].split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {found + 1}")
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        if found > len(MIGRATIONS):
            self._connection.close()
            raise StoreError(
                f"Expected tables of version {len(MIGRATIONS)} in {self._path}, found {found}, of a later "
                "lscube; update this one."
            )

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Turn what SQLite raises into a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"Expected to use the scan's memory {self._path}, but {error}; free space, give leave, or "
                "restore the file from a copy."
            ) from error


def _sortable(hazard: Hazard) -> str:
    return f"{hazard.updated:%Y-%m-%dT%H:%M:%S.%f}"
