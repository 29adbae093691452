"""Files and folders that appear complete or not at all, and text as people's programs write it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lscube.errors import StoreError

PARTIAL = ".partial"
"""Ending of names of what is not finished."""


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Give a name to write to; what is there in the end gets the name `path`.

    It lies in a folder of this writer's own: of several that write one file at once, the last wins.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    try:
        with _own_folder(path) as own:
            yield own / path.name
            (own / path.name).replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; in the end it gets the name `folder`, or, after a failure, is removed.

    It lies beside `folder` and is this writer's own: of several that make one at once, the first wins.

    Raises
    ------
    StoreError
        Something stands there already, or it cannot be written.
    """
    if folder.exists():
        raise _taken(folder)
    try:
        with _own_folder(folder) as own:
            yield own
            own.rename(folder)
    except OSError as error:
        raise (_taken(folder) if folder.exists() else cannot_write(folder, error)) from None


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, locked, and gone in the end; what killed writers left goes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}{re.escape(PARTIAL)}")
    for left in path.parent.iterdir():
        if ours.fullmatch(left.name):
            _remove_if_left(left)
    own, handle = _make_own(path)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _make_own(path: Path) -> tuple[Path, int | None]:
    """A folder, and the handle that holds its lock; None on a file system without locks."""
    while True:
        own = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        own.mkdir()
        try:
            return own, lock_folder(own)
        except (BlockingIOError, FileNotFoundError):
            continue  # another writer took it, not locked yet, for one that was left
        except OSError:
            return own, None


def _remove_if_left(own: Path) -> None:
    """Remove another writer's folder, unless that lives or cannot be asked."""
    try:
        handle = lock_folder(own)
    except OSError:
        return
    shutil.rmtree(own, ignore_errors=True)
    os.close(handle)


def lock_folder(folder: Path) -> int:
    """Take the operating system's lock (`flock`) on a folder, which ends with the process, however that ends.

    Returns
    -------
    int
        Handle that holds it until it is closed.

    Raises
    ------
    BlockingIOError
        Another process holds it, or has just put another folder there.
    OSError
        The folder is gone, or its file system has no locks.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino != folder.stat().st_ino:
            raise BlockingIOError
    except OSError:
        os.close(handle)
        raise
    return handle


def _taken(folder: Path) -> StoreError:
    return StoreError(
        f"Expected no file or folder at {folder}, found one; choose another name or remove it."
    )


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a half-written file never stands under its name.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    with appearing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def check_writable(path: Path) -> None:
    """Find out before the work that a file cannot be written.

    Raises
    ------
    StoreError
        It is a folder, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise StoreError(f"Expected to write the file {path}, found a folder; choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> StoreError:
    """Say that something cannot be written."""
    return StoreError(
        f"Expected to write {path}, but {error.strerror or error}; free space or choose another place."
    )


def read_text(path: Path) -> str:
    """Read a text that a person wrote, whatever program saved it; as `decoded`.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It holds no text.
    """
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """Text of bytes in UTF-8 or UTF-16, as Windows tools write it, with or without a byte order mark.

    Raises
    ------
    ValueError
        They are neither.
    """
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is neither UTF-8 nor UTF-16 (byte {error.start + 1} is {content[error.start]:#04x}); "
            "save it again as UTF-8"
        ) from None
