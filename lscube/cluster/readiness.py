"""Asking workers, before anything is computed, whether they have what it needs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lscube.errors import ClusterError, LscubeError, NoClusterError
from lscube.files import cannot_write
from lscube.paths import StrPath

Answer = TypeVar("Answer")


def ask(
    client: Any, question: Callable[[], Answer], workers: Sequence[str] | None = None
) -> dict[str, Answer]:
    """Ask each worker; gives answers by the workers' addresses.

    Parameters
    ----------
    client
        A `distributed.Client`.
    question
        Called on each worker.
    workers
        Addresses; by default all.

    Raises
    ------
    ClusterError
        A worker is lost, or raises what is no error of lscube's; those are raised as they are.
    """
    answers = client.run(question, workers=workers, on_error="return")
    for address, answer in answers.items():
        if isinstance(answer, LscubeError):
            raise answer
        if isinstance(answer, BaseException):
            # Dask says by an OSError that it lost the worker.
            raise (NoClusterError if isinstance(answer, OSError) else ClusterError)(
                f"Expected worker {address} to answer, but it failed ({type(answer).__name__}: {answer}); "
                "look at its log, and whether it has lscube as here."
            ) from answer
    return dict(answers)


def check_folder(client: Any, folder: StrPath) -> None:
    """Refuse a folder of this machine that workers do not see; without a client there is nothing to check.

    Raises
    ------
    ClusterError
        A worker does not see it: what it wrote there would be lost.
    StoreError
        Nothing can be written there.
    """
    folder = Path(folder)
    if client is None:
        return
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".lscube-") as trace:
            seen = ask(client, partial(_exists, trace.name))
    except OSError as error:
        raise cannot_write(folder, error) from None
    blind = [address for address, sees in seen.items() if not sees]
    if blind:
        raise ClusterError(
            f"Expected all workers to see the folder {folder}, but {blind[0]} ({len(blind)} of {len(seen)}) "
            "does not; give a place on a shared file system, or an address in an object store."
        )


def _exists(path: str) -> bool:
    return Path(path).exists()
