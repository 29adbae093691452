"""A map in an object store: S3, Google Cloud Storage, Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from zarr.abc.store import Store
from zarr.storage import ObjectStore

from lscube.mapping.layout import Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.places.base import ZarrTarget
from lscube.mapping.places.lease import Lease, Timing, leased, object_store


class _LeasedTarget(ZarrTarget):
    """Enters nothing once the lease is lost."""

    def __init__(self, store: Store, lease: Lease) -> None:
        super().__init__(store)
        self._lease = lease

    def enter(self, region: Region, digest: bytes, written: Any) -> None:
        """Enter a written region in the ledger."""
        self._lease.check()
        super().enter(region, digest, written)


@dataclass(frozen=True)
class ObjectPrefix:
    """A map under an address; nothing is moved when it is finished, its ledger says so."""

    address: str
    """Such as `s3://bucket/map.zarr`."""
    timing: Timing
    """Of the lease."""

    def __str__(self) -> str:
        return self.address

    def finished(self) -> Store | None:
        """The store, once its ledger says that it is finished."""
        store = self._store(read_only=True)
        ledger = Ledger.open(store, read_only=True)
        return store if ledger is not None and ledger.finished else None

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""
        ledger = Ledger.open(self._store(read_only=True), read_only=True)
        return ledger is not None and not ledger.finished

    @contextmanager
    def locked(self) -> Iterator[ZarrTarget]:
        """Hold the lease."""
        with leased(self.address, self.timing) as lease:
            yield _LeasedTarget(self._store(read_only=False), lease)

    def clear(self) -> None:
        """Remove all objects below the address."""
        store = object_store(self.address)
        for found in store.list():
            store.delete([entry["path"] for entry in found])

    def finish(self) -> None:
        """Say in the ledger that the map is finished."""
        Ledger.of(self._store(read_only=False)).finish()

    def _store(self, read_only: bool) -> Store:
        return ObjectStore(object_store(self.address), read_only=read_only)
