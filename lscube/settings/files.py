"""Files that a job names, looked for before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lscube.errors import SettingsError
from lscube.hints import did_you_mean
from lscube.paths import split_layer
from lscube.settings.job import Job
from lscube.settings.scenes import PRESETS

_WHAT = {
    "aoi": "an area of interest",
    "catalogs": "STAC items",
    "registry": "a registry of events",
    "mask": "a mask",
    "pre_mask": "a mask",
    "post_mask": "a mask",
    "raster": "a raster",
}


def check_files(job: Job, *sections: str) -> None:
    """Refuse a job some of whose files are not there.

    Parameters
    ----------
    job
        The job.
    sections
        Sections that will be read beside [event], [area] and [source].

    Raises
    ------
    SettingsError
        Names the file.
    """
    for section in ("event", "area", "source", *sections):
        settings = getattr(job, section)
        for name in type(settings).model_fields if settings is not None else ():
            for file in _missing(getattr(settings, name)):
                known = PRESETS if name == "catalogs" else ()
                advice = did_you_mean(file.name, known) or "check the path."
                raise SettingsError(
                    f"Expected {_WHAT.get(name, 'polygons')} at {file}, found no file; {advice}"
                )


def _missing(value: Any) -> list[Path]:
    """Files that are not there; of several catalogues one will do."""
    several = value if isinstance(value, tuple) else (value,)
    files = [split_layer(one)[0] for one in several if isinstance(one, Path)]
    missing = [file for file in files if not file.exists()]
    return missing if len(missing) == len(several) else []
