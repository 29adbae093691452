"""Asking a cluster's workers, before a map begins, whether they can make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lscube.cluster import ask, check_folder
from lscube.errors import ClusterError
from lscube.learn import LoadedModel
from lscube.mapping.places import Place
from lscube.mapping.places.folder import Folder
from lscube.mapping.places.versioned import Repository


def check_workers(
    client: Any,
    models: Sequence[LoadedModel],
    resources: Mapping[str, float] | None,
    place: Place,
) -> None:
    """Refuse to begin where a worker could not predict, or would write where nobody looks.

    Parameters
    ----------
    client
        A `distributed.Client`.
    models
        Of the map.
    resources
        What workers that predict have; others need no model.
    place
        Where the map lies.

    Raises
    ------
    ClusterError
        A worker lacks a model's file or what computes it, or does not see the map's folder.
    """
    if (folder := _folder_of(place)) is not None:
        check_folder(client, folder)
    check_models(client, models, resources)


def check_models(
    client: Any, models: Sequence[LoadedModel], resources: Mapping[str, float] | None
) -> None:
    """Refuse workers that could not predict; parameters and errors are those of `check_workers`."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    needed = set(resources or ())
    predicting = [name for name, one in workers.items() if needed <= set(one["resources"])]
    found = ask(client, partial(_missing, tuple(models)), predicting)
    lacking = {address: what for address, what in found.items() if what is not None}
    if lacking:
        address, what = next(iter(lacking.items()))
        raise ClusterError(
            f"Expected every worker to be ready to predict, but on {address} ({len(lacking)} of "
            f"{len(found)}) {what}; put the model under the same path on all workers, and the same extras."
        )


def _missing(models: Sequence[LoadedModel]) -> str | None:
    """What this process lacks."""
    return next((what for model in models if (what := model.missing()) is not None), None)


def _folder_of(place: Place) -> Path | None:
    """The folder that a map's folder is in; None for an address."""
    if isinstance(place, Folder):
        return place.path.parent
    if isinstance(place, Repository) and "://" not in place.name:
        return Path(place.name).parent
    return None
