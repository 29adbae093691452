"""Files that a report is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas

from lscube.errors import InputError, InventoryError
from lscube.files import read_text
from lscube.paths import StrPath
from lscube.products.inventory.writing import LAYER
from lscube.vectors import Use, read_table

OWN_INVENTORY = Use(
    InventoryError,
    what="an inventory",
    form="an inventory",
    save="make it with `lscube inventory`",
    absent="none",
    several=False,
    usual=LAYER,
)
"""What `lscube inventory` drew of a map."""


def read_inventory(path: StrPath) -> geopandas.GeoDataFrame:
    """Read an inventory of any vector format; an empty one is an inventory too.

    Raises
    ------
    InventoryError
        There is none, or it cannot be read.
    MissingExtraError
        The format needs a library that is not installed.
    """
    return read_table(path, OWN_INVENTORY)


def read_scores(path: Path) -> dict[str, Any]:
    """Read what `lscube evaluate` wrote.

    Raises
    ------
    InputError
        There is nothing, or something else.
    """
    advice = "make it with `lscube evaluate`"
    scores = _read(path, "a map's scores", advice)
    if "mcc" not in scores:
        raise InputError(f"Expected a map's scores at {path}, found something else; {advice}.")
    return scores


def read_summary(path: Path) -> dict[str, Any]:
    """Read what `lscube inventory --summary` wrote.

    Raises
    ------
    InputError
        There is nothing, or something else.
    """
    advice = "make it with `lscube inventory --summary`"
    summary = _read(path, "an inventory's summary", advice)
    if not is_summary(summary):
        raise InputError(
            f"Expected an inventory's summary at {path}, found something else; {advice}."
        )
    return summary


def is_summary(content: Mapping[str, Any]) -> bool:
    """Whether this is what `lscube inventory --summary` writes, as far as a page shows it."""
    numbers = [content.get(name) for name in ("landslides", "area_m2", "most_area_m2")]
    known = all(isinstance(number, int | float) and number >= 0 for number in numbers)
    return known and isinstance(content.get("run_id"), str)


def _read(path: Path, what: str, advice: str) -> dict[str, Any]:
    """A JSON object; what is none is an empty one."""
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        raise InputError(f"Expected {what} at {path}, found no such file; {advice}.") from None
    except OSError as error:
        raise InputError(
            f"Expected {what} at {path}, but {error.strerror or error}; {advice}."
        ) from None
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}
