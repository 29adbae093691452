"""A model adapted to an event by a map of it, without labels: what `lscube adapt` calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lscube import jobs
from lscube.deliveries.inputs import scenes_of_map
from lscube.errors import ModelError
from lscube.learn import check_room
from lscube.mapping import design_map, open_map
from lscube.mapping.squares import check_map, read_squares
from lscube.paths import StrPath
from lscube.progress import progress
from lscube.settings import Job

if TYPE_CHECKING:
    from lscube.learn import LoadedModel


def adapt(
    job: Job,
    model: LoadedModel,
    store: StrPath,
    folder: StrPath,
    outside: jobs.Outside = jobs.OUTSIDE,
) -> LoadedModel:
    """Adapt a model to the event of a map that it made; the sure pixels of the map teach it.

    Parameters
    ----------
    job
        That the map was made by; [adapt] counts.
    model
        That the map was made with.
    store
        The finished map, by path or address.
    folder
        New folder for the adapted model, which maps as any other.
    outside
        How catalogues and files are reached.

    Raises
    ------
    ModelError
        The event cannot be adapted to: too few sure pixels, or they contradict each other. Or the model was
        adapted already: its own certainty would only confirm itself.
    StoreError
        There is no finished map, or another job or model made it; or the folder cannot be made.
    """
    from lscube.learn.adapting import adapt_model

    if model.card.adapted is not None:
        raise ModelError(
            "Expected a model that was not adapted yet, got one adapted to "
            f"{model.card.adapted.event}; give the model that it was made from, and its map."
        )
    check_room(folder)
    mapped = open_map(store)
    scenes = scenes_of_map(job, mapped, outside)
    grid, reading = jobs.grid_of(job, scenes), jobs.reading_of(job, scenes, outside)
    design = design_map(scenes, grid, model, job.cube, job.predict, reading)
    check_map(design, mapped, str(store))
    with progress("reading what is sure"):
        squares = read_squares(design, mapped, job.adapt)
    return adapt_model(model, squares, job.event.id, job.adapt, folder)
