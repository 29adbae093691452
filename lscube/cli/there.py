"""Options that name what has to be there: told before anything is imported, searched or read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from lscube.errors import InputError, InventoryError, ModelError, SourceError, StoreError
from lscube.paths import split_layer


class There(click.Path):
    """A file or folder that is there.

    Parameters
    ----------
    what
        What it is, for the sentence that says it is not.
    advice
        What to do then.
    error
        What is raised then.
    """

    def __init__(
        self, what: str, advice: str = "check the path", error: type[InputError] = InputError
    ) -> None:
        super().__init__(path_type=Path)
        self._what, self._advice, self._error = what, advice, error

    def convert(self, value: Any, *context: Any) -> Any:
        """The path."""
        path = Path(os.fsdecode(super().convert(value, *context)))
        check_there(path, self._what, self._advice, self._error)
        return path


def check_there(
    path: Path,
    what: str,
    advice: str = "check the path",
    error: type[InputError] = InputError,
) -> None:
    """Refuse what is not there; a layer's name may stand behind a file's."""
    file, _ = split_layer(path)
    if not file.exists():
        raise error(f"Expected {what} at {file}, found no such file; {advice}.")


class Model(click.Path):
    """A saved model's folder, or the name of a model that comes with lscube."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, *context: Any) -> Any:
        """The path, or the name."""
        from lscube.settings.models import check_model

        path = Path(os.fsdecode(super().convert(value, *context)))
        check_model(path)
        return path


class Map(click.Path):
    """A map's path or address; what is not on this machine is not looked at."""

    name = "map"

    def convert(self, value: Any, *_: Any) -> Any:
        """What was given."""
        name = str(value).removeprefix("file://").rstrip("/")
        # A map in the making has an ending of its own.
        found = "://" in name or any(Path(f"{name}{end}").exists() for end in ("", ".partial"))
        if not found:
            raise StoreError(
                f"Expected a finished map at {value}, found nothing; check the path, or make one with "
                "`lscube predict`."
            )
        return value


MODEL, MAP = Model(), Map()
CHIPS = There("chips", error=InventoryError)
CONFIG = There("a TOML file")
CONTOURS = There(
    "contours",
    "give cont_pga.json or cont_mmi.json of the event's ShakeMap",
    InventoryError,
)
MASKS = There("the folder with your masks")
PICTURE = There("a picture", error=StoreError)
REGISTRY = There("a registry of events")
RESULTS = There("an experiment's results", "run `lscube experiment run` first")
SCORES = There("a map's scores", "make it with `lscube evaluate`")
SUMMARY = There("an inventory's summary", "make it with `lscube inventory --summary`")
WEIGHTS = There("weights", error=ModelError)


class Published(click.Path):
    """A published run's path or address."""

    name = "item"

    def convert(self, value: Any, *_: Any) -> Any:
        """What was given."""
        if "://" not in str(value):
            check_there(Path(str(value)), "a published run", error=SourceError)
        return value


PUBLISHED = Published()
