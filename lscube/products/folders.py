"""Folders that appear complete or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lscube.errors import StoreError
from lscube.files import cannot_write


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
