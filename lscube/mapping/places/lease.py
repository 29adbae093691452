"""A lease in an object store: one run at a time, also after one that was killed.

The lease is an object beside the map that names its owner. Its owner writes it anew every few seconds,
each time on condition that nobody else did (a conditional put). Who finds one watches it: if it changes,
its owner is alive and the run is refused; if it does not for `Timing.stale` seconds, it is taken over.
No two clocks are compared.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lscube.errors import MissingExtraError, StoreError
from lscube.mapping.places.base import in_use

logger = logging.getLogger("lscube.mapping")


@dataclass(frozen=True)
class Timing:
    """When a lease is renewed, and when it is nobody's."""

    beat: float = 10.0
    """Seconds between two renewals."""
    stale: float = 60.0
    """Seconds without renewal after which its owner counts as gone."""


class Lease:
    """A lease that is held."""

    def __init__(self, store: Any, key: str, name: str, timing: Timing) -> None:
        self._store, self._key, self._name, self._timing = store, key, name, timing
        self._id = uuid.uuid4().hex
        self._beats = 0
        self._mark: dict[str, str] = {}
        self._renewed = time.monotonic()
        self._taken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)

    def take(self) -> None:
        """Take the lease, and keep it.

        Raises
        ------
        StoreError
            Another run holds it.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        while not self._mark:
            try:
                self._put("create")
            except AlreadyExistsError:
                stale = self._watch()
                if stale is None:
                    continue  # it was given back in between
                mark, owner = stale
                try:
                    self._put(mark)
                except PreconditionError:
                    raise in_use(self._name, "another run") from None
                logger.warning(
                    "Took over %s from %s, silent for %g s", self._name, owner, self._timing.stale
                )
        self._thread.start()

    def check(self) -> None:
        """Make sure that the lease is still held.

        Raises
        ------
        StoreError
            It is not: it could not be renewed in time, or another run took it.
        """
        if self._taken or time.monotonic() - self._renewed > self._timing.stale:
            raise StoreError(
                f"Expected to hold the lease of {self._name} to the end of the run, but it could not be "
                "renewed in time; run the same command again: finished regions are kept."
            )

    def give_back(self) -> None:
        """Let others have it."""
        self._stop.set()
        self._thread.join()
        with suppress(FileNotFoundError):
            if not self._taken and mark_of(self._store.head(self._key)) == self._mark:
                self._store.delete(self._key)

    def _put(self, mode: Any) -> None:
        self._beats += 1
        content = {"owner": _owner(), "run": self._id, "beats": self._beats}
        self._mark = mark_of(self._store.put(self._key, json.dumps(content).encode(), mode=mode))
        self._renewed = time.monotonic()

    def _watch(self) -> tuple[dict[str, str], str] | None:
        """Watch another's lease until it is stale; None if it is given back.

        Raises
        ------
        StoreError
            Its owner is alive.
        """
        try:
            found = self._store.get(self._key)
            seen, owner = mark_of(found.meta), _owner_in(bytes(found.bytes()))
            logger.info("Waiting whether %s still writes %s", owner, self._name)
            end = time.monotonic() + self._timing.stale
            while time.monotonic() < end:
                time.sleep(self._timing.beat / 4)
                if mark_of(self._store.head(self._key)) != seen:
                    raise in_use(self._name, owner)
        except FileNotFoundError:
            return None
        return seen, owner

    def _renew_until_stopped(self) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        while not self._stop.wait(self._timing.beat):
            try:
                self._put(self._mark)
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                self._taken = True
                return
            except (BaseError, OSError) as error:  # tried again at the next beat; see `check`
                logger.warning("The lease of %s could not be renewed: %s", self._name, error)


@contextmanager
def leased(address: str, timing: Timing) -> Iterator[Lease]:
    """Hold the lease `<address>.lock`.

    Raises
    ------
    StoreError
        Another run holds it.
    """
    parent, _, name = address.rpartition("/")
    lease = Lease(object_store(parent), f"{name}.lock", address, timing)
    lease.take()
    try:
        yield lease
    finally:
        lease.give_back()


def object_store(address: str) -> Any:
    """The obstore store of an address; keys and endpoints come from the environment.

    Raises
    ------
    MissingExtraError
        Without the extra `objects`.
    StoreError
        No object store has such addresses.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise MissingExtraError("A map in an object store", "objects") from None
    try:
        return from_url(address)
    except (BaseError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"Expected the address of an object store, such as s3://bucket/map.zarr, got {address} "
            f"({reason}); correct it."
        ) from None


def mark_of(answer: Any) -> dict[str, str]:
    """What tells one version of an object from the next."""
    return {name: answer[name] for name in ("e_tag", "version") if answer.get(name) is not None}


def _owner() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        user = str(os.getuid())
    return f"{user} on {socket.gethostname()} (process {os.getpid()})"


def _owner_in(content: bytes) -> str:
    try:
        return str(json.loads(content)["owner"])
    except (ValueError, KeyError, TypeError):
        return "somebody"
