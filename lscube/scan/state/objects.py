"""A scan's memory in an object store: an object for each event, written on condition that it is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lscube.mapping.places import reached
from lscube.mapping.places.lease import Timing, leased, mark_of, object_store
from lscube.scan.hazard import Hazard
from lscube.scan.record import (
    EventRecord,
    from_json,
    hazard_from_json,
    hazard_to_json,
    to_json,
)
from lscube.scan.state.base import Mark, Stored, conflict

HAZARDS, RECORDS, NOTES, LOCKS = (
    f"state/{kind}" for kind in ("hazards", "records", "notes", "locks")
)


class ObjectState:
    """The memory of a scan at an address such as `s3://bucket/scan`."""

    def __init__(self, address: str, timing: Timing = Timing()) -> None:
        self._address, self._timing = address.rstrip("/"), timing
        self._store = object_store(self._address)

    def tell(self, hazard: Hazard) -> None:
        """Take a hazard, unless a later state of it is known."""
        key, content = f"{HAZARDS}/{hazard.id}.json", hazard_to_json(hazard)
        while True:
            found = self._get(key)
            if found is not None and hazard_from_json(found[0]).updated > hazard.updated:
                return
            if found is not None and found[0] == content:
                return
            if self._put(key, content, None if found is None else found[1]) is not None:
                return

    def hazards(self) -> dict[str, Hazard]:
        """The latest state of each hazard, by id."""
        return {name: hazard_from_json(content) for name, content in self._all(HAZARDS)}

    def read(self, event: str) -> Stored:
        """The record of an event."""
        found = self._get(f"{RECORDS}/{event}.json")
        if found is None:
            return Stored(None, None)
        return Stored(from_json(found[0], f"{self._address} ({event})"), found[1])

    def records(self) -> dict[str, EventRecord]:
        """All records, by id."""
        return {
            name: from_json(content, f"{self._address} ({name})")
            for name, content in self._all(RECORDS)
        }

    def write(self, record: EventRecord, mark: Mark) -> Mark:
        """Write a record in place of the one with this mark."""
        written = self._put(f"{RECORDS}/{record.id}.json", to_json(record), mark)
        if written is None:
            raise conflict(record.id)
        return written

    def forget(self, event: str) -> None:
        """Remove an event's hazard and record."""
        with reached(self._address):
            self._store.delete([f"{HAZARDS}/{event}.json", f"{RECORDS}/{event}.json"])

    @contextmanager
    def held(self, event: str) -> Iterator[None]:
        """Hold an event's lease; of a scan that was killed it is taken over once it is stale."""
        stack = ExitStack()
        with reached(self._address):
            stack.enter_context(leased(f"{self._address}/{LOCKS}/{event}", self._timing))
        try:
            yield
        finally:
            with reached(self._address):
                stack.close()

    def note(self, name: str) -> str | None:
        """A text that was noted."""
        found = self._get(f"{NOTES}/{name}.json")
        return None if found is None else str(json.loads(found[0]))

    def set_note(self, name: str, text: str) -> None:
        """Note a text."""
        with reached(self._address):
            self._store.put(f"{NOTES}/{name}.json", json.dumps(text).encode())

    def close(self) -> None:
        """Nothing to do."""

    def _all(self, kind: str) -> Iterator[tuple[str, bytes]]:
        with reached(self._address):
            keys = sorted(entry["path"] for page in self._store.list(f"{kind}/") for entry in page)
        for key in keys:
            found = self._get(key)
            if found is not None:
                yield key.rpartition("/")[2].removesuffix(".json"), found[0]

    def _get(self, key: str) -> tuple[bytes, Mark] | None:
        with reached(self._address):
            try:
                found = self._store.get(key)
            except FileNotFoundError:
                return None
            return bytes(found.bytes()), mark_of(found.meta)

    def _put(self, key: str, content: bytes, mark: Mark) -> Mark | None:
        """Put an object in place of one with this mark; None where another was faster."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with reached(self._address):
            try:
                mode: Any = "create" if mark is None else mark
                return mark_of(self._store.put(key, content, mode=mode))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None
