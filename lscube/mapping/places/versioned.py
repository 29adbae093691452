"""A map in an Icechunk repository: one commit per batch of regions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
import xarray as xr
from dask.delayed import Delayed
from zarr.abc.store import Store

from lscube.errors import MissingExtraError, StoreError
from lscube.mapping.layout import Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.places.folder import only_run
from lscube.mapping.places.lease import Lease, Timing, leased

SUFFIX = ".icechunk"
_RUN = "lscube-run"
_MAIN = "main"

BATCH = 8
"""Regions of one commit."""


class SessionTarget:
    """A session of a repository; regions are written to forks of it, which come back to be merged."""

    def __init__(self, repository: Any, lease: Lease | None, batch: int = BATCH) -> None:
        self._repository, self._lease, self._batch = repository, lease, batch
        self._session = repository.writable_session(_RUN)
        # Forks are made of a session that stays as it is; the other one takes what they bring.
        self._source = repository.writable_session(_RUN)
        self._entered: list[str] = []

    @property
    def store(self) -> Store:
        """The session's store."""
        store: Store = self._session.store
        return store

    def write(self, dataset: xr.Dataset, region: Region) -> Delayed:
        """Lazily write a region; its result is the fork that was written to."""
        delayed: Delayed = dask.delayed(_merged, pure=False)(
            _write_shards(dataset.drop_vars(list(dataset.coords)), self._source.fork(), region)
        )
        return delayed

    def enter(self, region: Region, digest: bytes, written: Any) -> None:
        """Merge what was written, and enter it; committed with its batch."""
        if written is not None:
            self._session.merge(written)
        Ledger.of(self.store).mark(region, digest)
        self._entered.append(region.name)
        if len(self._entered) >= self._batch:
            self.keep()

    def keep(self) -> None:
        """Commit."""
        if not self._session.has_uncommitted_changes:
            return
        if self._lease is not None:
            self._lease.check()
        what = f"regions {', '.join(self._entered)}" if self._entered else "template"
        self._session.commit(f"lscube: {what}")
        self._session = self._repository.writable_session(_RUN)
        self._source = self._repository.writable_session(_RUN)
        self._entered = []


@dataclass(frozen=True)
class Repository:
    """An Icechunk repository that holds one map; `main` has nothing until it is finished."""

    name: str
    """Path, or address such as `s3://bucket/map.icechunk`."""
    timing: Timing
    """Of the lease, at an address."""

    def __str__(self) -> str:
        return self.name

    def finished(self) -> Store | None:
        """The store at the tip of `main`."""
        repository = self._open()
        if repository is None:
            return None
        store: Store = repository.readonly_session(_MAIN).store
        return store if Ledger.open(store, read_only=True) is not None else None

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""
        repository = self._open()
        return repository is not None and _RUN in repository.list_branches()

    @contextmanager
    def locked(self) -> Iterator[SessionTarget]:
        """Hold the lock of a folder, or the lease of an address."""
        if "://" in self.name:
            with leased(self.name, self.timing) as lease:
                yield self._target(lease)
        else:
            with only_run(Path(self.name), self.name):
                yield self._target(None)

    def _target(self, lease: Lease | None) -> SessionTarget:
        repository = _icechunk().Repository.open_or_create(self._storage())
        if _RUN not in repository.list_branches():
            repository.create_branch(_RUN, repository.lookup_branch(_MAIN))
        return SessionTarget(repository, lease)

    def clear(self) -> None:
        """Nothing to do: what was not committed is not there."""

    def finish(self) -> None:
        """Move `main` to the run's last commit."""
        repository = self._open()
        repository.reset_branch(_MAIN, repository.lookup_branch(_RUN))
        repository.delete_branch(_RUN)

    def _open(self) -> Any:
        """The repository; None where there is none."""
        if "://" not in self.name and not Path(self.name).exists():
            return None
        storage = self._storage()
        found = _icechunk().Repository
        return found.open(storage) if found.exists(storage) else None

    def _storage(self) -> Any:
        icechunk = _icechunk()
        if "://" not in self.name:
            # Absolute: workers of a cluster start elsewhere.
            return icechunk.local_filesystem_storage(str(Path(self.name).absolute()))
        parts = urlsplit(self.name)
        given = {"bucket": parts.netloc, "prefix": parts.path.strip("/"), "from_env": True}
        if parts.scheme == "gs":
            return icechunk.gcs_storage(**given)
        if parts.scheme != "s3":
            raise StoreError(
                f"Expected an Icechunk repository in a folder, at s3:// or at gs://, got {self.name}; "
                "choose one of these."
            )
        # Icechunk itself takes keys and region from the environment, but not where an own server is.
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        plain = bool(endpoint and endpoint.startswith("http://"))
        return icechunk.s3_storage(
            **given, endpoint_url=endpoint, allow_http=plain, force_path_style=endpoint is not None
        )


def _icechunk() -> Any:
    try:
        import icechunk
    except ImportError:
        raise MissingExtraError("A map in an Icechunk repository", "icechunk") from None
    # It warns that commits to a folder must not be made by two at once: `only_run` sees to that.
    icechunk.set_logs_filter("error")
    return icechunk


def _write_shards(dataset: xr.Dataset, fork: Any, region: Region) -> list[Delayed]:
    """Lazily write each shard of a region, all variables, to a copy of a fork of its own."""
    write = dask.delayed(_write_shard, pure=False)
    # Optimised, tasks would be fused, and lose what they need (a GPU).
    blocks = {
        str(name): variable.data.to_delayed(optimize_graph=False)
        for name, variable in dataset.variables.items()
    }
    dims = {str(name): variable.dims for name, variable in dataset.variables.items()}
    rows, columns = (_slices(dataset.chunks[axis]) for axis in ("y", "x"))
    return [
        write(
            {name: own[..., i, j].item() for name, own in blocks.items()},
            dims,
            fork,
            {"y": _moved(along_y, region.rows), "x": _moved(along_x, region.columns)},
        )
        for i, along_y in enumerate(rows)
        for j, along_x in enumerate(columns)
    ]


def _write_shard(
    values: dict[str, Any], dims: dict[str, tuple[str, ...]], fork: Any, where: dict[str, slice]
) -> Any:
    """Write one shard of each variable; returns what it was written to."""
    shard = xr.Dataset({name: (dims[name], value) for name, value in values.items()})
    shard.to_zarr(fork.store, region=where, zarr_format=3, consolidated=False)
    return fork


def _merged(forks: list[Any]) -> Any:
    """All forks as one."""
    first, *others = forks
    if others:
        first.merge(*others)
    return first


def _slices(chunks: tuple[int, ...]) -> list[slice]:
    ends = list(accumulate(chunks))
    return [slice(end - size, end) for end, size in zip(ends, chunks, strict=True)]


def _moved(part: slice, by: slice) -> slice:
    return slice(part.start + by.start, part.stop + by.start)
