"""Attributes of cubes and maps: texts, numbers and flat lists of these, as NetCDF and GeoTIFF can keep them.

All else (objects, lists of lists, true and false, nothing, empty lists) is kept as the text of its JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

Attribute = str | int | float | list[str] | list[int] | list[float]


def attribute(value: Any) -> Attribute:
    """A value as an attribute.

    Parameters
    ----------
    value
        What JSON can hold, tuples and NumPy's numbers and arrays too; of anything else its `str` counts.

    Returns
    -------
    Text, a number of 64 bits, or a list of one of these; else the JSON's text, which `content` reads.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str) or _is_number(value):
        plain: Attribute = value
        return plain
    if isinstance(value, list | tuple) and value:
        if all(isinstance(one, str) for one in value):
            return list(value)
        if all(map(_is_number, value)):
            return (
                list(value) if all(isinstance(one, int) for one in value) else [*map(float, value)]
            )
    return json.dumps(value, default=str)


def _is_number(value: Any) -> bool:
    """Whether it is a finite number that fits into 64 bits."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and math.isfinite(value)


def attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each value as an attribute."""
    return {name: attribute(value) for name, value in values.items()}


def content(value: Any) -> Any:
    """What `attribute` was given; to be asked of attributes that are more than a text alone.

    Parameters
    ----------
    value
        An attribute; what earlier versions wrote, nested as it was, and a text that is no JSON, are as given.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def with_attributes(dataset: xr.Dataset) -> xr.Dataset:
    """With attributes as `attribute` gives them, flag masks in their variable's type, as CF has them.

    Zarr forgets that type; earlier versions wrote nested attributes.
    """
    told = dataset.assign_attrs(attributes(dataset.attrs))
    for variable in told.variables.values():
        variable.attrs = attributes(variable.attrs)
        if "flag_masks" in variable.attrs:
            variable.attrs["flag_masks"] = np.asarray(variable.attrs["flag_masks"], variable.dtype)
    return told
