"""Publishing a map with its models and its input items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pystac

from lscube import jobs
from lscube.deliveries.inputs import Ask, current_inputs
from lscube.errors import SceneError
from lscube.learn import load_model
from lscube.mapping.opening import manifest_of, open_map
from lscube.paths import StrPath
from lscube.products.stac import Input, Publication, SavedModel, publish_map
from lscube.progress import progress
from lscube.settings import Job


def publish(
    store: StrPath,
    out: StrPath,
    what: Publication,
    models: Sequence[StrPath] = (),
    job: Job | None = None,
    outside: jobs.Outside = jobs.OUTSIDE,
    ask: Ask | None = None,
) -> pystac.Collection:
    """Publish a map with its models and, where its job is given, its input items.

    Parameters
    ----------
    store, out, what
        See `lscube.products.publish_map`.
    models
        Folders of the models that made the map.
    job
        The job whose scenes the map was made of.
    outside
        How catalogues are reached.
    ask
        How a server is asked for a file's ETag.
    """
    out = Path(out)
    saved = tuple(
        SavedModel(loaded.folder, loaded.card.model_dump(mode="json"))
        for loaded in map(load_model, map(Path, models))
    )
    what = replace(what, models=saved)
    if job is not None:
        mapped = open_map(store, what.unfinished)
        what = replace(
            what,
            inputs=inputs_of(job, manifest_of(mapped), outside, ask),
            assets=_named(job),
        )
    with progress("publishing"):
        return publish_map(store, out, what)


def _named(job: Job) -> dict[str, str]:
    """Assets that the job names."""
    given = {"scl_asset": job.source.scl_asset, "dsm_asset": job.source.dsm_asset}
    return {name: value for name, value in given.items() if value is not None}


def inputs_of(
    job: Job,
    manifest: Mapping[str, Any],
    outside: jobs.Outside = jobs.OUTSIDE,
    ask: Ask | None = None,
) -> tuple[Input, ...]:
    """A map's input items as its job finds them now, in the manifest's order.

    Raises
    ------
    SceneError
        The job does not find them all.
    """
    found = current_inputs(jobs.scenes_of(job, outside), manifest["cube"]["bands"], ask)
    missing = [name for name in manifest["items"] if name not in found]
    if missing:
        raise SceneError(
            f"Expected a job that finds the map's input items, but not {', '.join(missing)}; give "
            "the job that the map was made with, or publish without one."
        )
    return tuple(found[name] for name in manifest["items"])
