"""What is settled of a map before anything is read: models, windows, cuts, what determines it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from odc.geo.geobox import GeoBox

from lscube.catalog import Scenes
from lscube.cube import CubePlan, Reading, bring_to_reference, plan_cube, prepare_reading
from lscube.errors import ModelError
from lscube.grid import resolution_of
from lscube.learn import LoadedModel, check_cube
from lscube.manifest import Manifest
from lscube.mapping.ensemble import Ensemble
from lscube.mapping.identity import make_manifest
from lscube.mapping.layout import Layout, make_layout
from lscube.settings import CubeSettings, PredictSettings


@dataclass(frozen=True)
class Design:
    """A map that can be made, or only planned."""

    plan: CubePlan
    """What is read."""
    layout: Layout
    """Windows, chunks, shards, regions."""
    ensemble: Ensemble
    """What predicts a window."""
    manifest: Manifest
    """What determines the map."""
    settings: PredictSettings
    """As given."""


def design_map(
    scenes: Scenes,
    grid: GeoBox,
    model: LoadedModel | Sequence[LoadedModel],
    cube: CubeSettings = CubeSettings(),
    settings: PredictSettings = PredictSettings(),
    reading: Reading | None = None,
) -> Design:
    """Settle a map; parameters and errors are those of `lscube.map_region`.

    Without `reading`, dark pixels are measured (and the shift, where the cube's settings ask for it);
    nothing else is read.
    """
    models = _check_models([model] if isinstance(model, LoadedModel) else model, cube, grid)
    _check_optional(models, settings)
    engine, policy = arithmetic_of(settings)
    models = [replace(one, engine=engine, policy=policy) for one in models]
    layout = make_layout(grid, settings)
    reading = reading or prepare_reading(scenes, grid, cube)
    reference = models[0].card.reference if settings.radiometry == "reference" else None
    reading = bring_to_reference(reading, scenes, grid, cube, reference)
    plan = plan_cube(scenes, layout.lattice.padded(layout.cores), cube, reading)
    manifest = make_manifest(plan, layout, models, settings)
    return Design(
        plan, layout, Ensemble(tuple(models), settings.views, settings.without), manifest, settings
    )


def arithmetic_of(settings: PredictSettings) -> tuple[str, str]:
    """Engine and Keras policy of a map; only where they depend on the machine is that looked at."""
    paper = settings.mode == "paper"
    engine = "keras" if settings.engine == "auto" and paper else settings.engine
    precision = "float32" if settings.precision == "auto" and paper else settings.precision
    if engine == "keras" and precision == "float32":
        return engine, precision
    from lscube.learn.engines import choose_arithmetic

    return choose_arithmetic(engine, precision)


def _check_models(
    models: Sequence[LoadedModel], cube: CubeSettings, grid: GeoBox
) -> Sequence[LoadedModel]:
    """Refuse models that do not fit the cube, or each other."""
    if not models:
        raise ModelError("Expected a model, got none; give one from `lscube train`.")
    first = models[0].card
    for model in models:
        check_cube(model.card, cube.bands, resolution_of(grid))
        for name in ("branches", "pre_bands", "post_bands", "reference"):
            ours, theirs = getattr(model.card, name), getattr(first, name)
            if ours != theirs:
                raise ModelError(
                    f"Expected models that look at the same, but {name} is {theirs} in "
                    f"{models[0].folder.name} and {ours} in {model.folder.name}; map with each by itself."
                )
    return models


def _check_optional(models: Sequence[LoadedModel], settings: PredictSettings) -> None:
    """Refuse to leave out what a model cannot go without, and to leave out everything."""
    for model in models:
        card = model.card
        missed = [branch for branch in settings.without if branch not in card.optional_branches]
        if missed:
            raise ModelError(
                f"Expected a model that can go without {', '.join(missed)} (predict.without), but "
                f"{model.folder.name} can go without {', '.join(card.optional_branches) or 'nothing'}; use "
                "another model, or leave predict.without empty."
            )
        if not {"pre", "post"} & set(card.branches) - set(settings.without):
            raise ModelError(
                f"Expected predict.without to leave an image that {model.folder.name} looks at, got "
                f"({', '.join(settings.without)}); take one out."
            )
