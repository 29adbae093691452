"""Files that a report is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas

from lscube.errors import InputError, InventoryError, MissingExtraError
from lscube.files import read_text
from lscube.products.inventory.writing import FORMATS


def read_inventory(path: Path) -> geopandas.GeoDataFrame:
    """Read an inventory of any vector format; an empty one is an inventory too.

    Raises
    ------
    InventoryError
        There is none, or it cannot be read.
    MissingExtraError
        The format needs a library that is not installed.
    """
    try:
        if FORMATS.get(path.suffix.lower()) == "Parquet":
            return geopandas.read_parquet(path)
        return geopandas.read_file(path)
    except ImportError:
        raise MissingExtraError("Reading GeoParquet", "parquet") from None
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InventoryError(
            f"Expected an inventory at {path}, but it cannot be read ({reason}); check the path, or make one "
            "with `lscube inventory`."
        ) from None


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
