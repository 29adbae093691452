"""Where a model lies: in a folder, or, by its name, in the package; and settings that hold one."""

from __future__ import annotations

from pathlib import Path, PosixPath
from typing import Annotated

from pydantic import AfterValidator

from lscube.errors import ModelError
from lscube.hints import did_you_mean
from lscube.paths import StrPath

SHIPPED = ("standard", "light")
"""Names of the models that come with lscube."""

_FOLDER = Path(__file__).parents[1] / "models"


class _Name(PosixPath):
    """A shipped model's name in a file of settings, until it is known where that file lies."""


def _named(path: Path) -> Path:
    return _Name(path) if str(path) in SHIPPED else path


ModelFolder = Annotated[Path, AfterValidator(_named)]
"""A setting that holds a model: a folder, or the name of one that comes with lscube."""


def resolved(path: Path, folder: Path) -> Path:
    """A setting's path, absolute if `folder` is; a shipped model's name gives the package's folder."""
    place = folder / path
    return _own(str(path)) if isinstance(path, _Name) and not place.exists() else place


def shipped_folder(name: StrPath) -> Path:
    """Where a model lies: one of the package's, if no folder has its name; else `name` itself.

    The package's folder on another machine, as a cluster's workers are given it, is this one's here.
    """
    path = Path(name)
    if path.name in SHIPPED and not path.exists():
        *above, last = path.parts
        if not above or above[-2:] == list(_FOLDER.parts[-2:]):
            return _own(last)
    return path


def is_shipped(name: StrPath) -> bool:
    """Whether a model is one of the package's; symbolic links are followed."""
    place = shipped_folder(name).resolve()
    return place.parent == _FOLDER.resolve() and place.name in SHIPPED


def _own(name: str) -> Path:
    return _FOLDER / name


def check_model(name: StrPath) -> None:
    """Refuse a model that is neither a folder nor one of the package's; the name that was meant is told.

    Raises
    ------
    ModelError
        There is none.
    """
    if not shipped_folder(name).exists():
        advice = did_you_mean(Path(name).name, SHIPPED, 0.6) or "check the path."
        raise ModelError(f"Expected a saved model in {name}, found none; {advice}")
