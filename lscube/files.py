"""Files and folders that appear complete or not at all, and text as people's programs write it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lscube.errors import StoreError


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Give a name to write to; what is there in the end gets the name `path`.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        if partial.is_file():
            partial.unlink()


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; in the end it gets the name `folder`, or, after a failure, is removed.

    Raises
    ------
    StoreError
        Something stands there already, or it cannot be written.
    """
    if folder.exists():
        raise _taken(folder)
    part = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        yield part
        part.chmod(0o755)
        part.rename(folder)
    except OSError as error:
        if part is not None and folder.exists():
            raise _taken(folder) from None
        raise cannot_write(folder, error) from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


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
