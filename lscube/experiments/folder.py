"""The folder of an experiment: what it holds, and whose it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lscube.errors import StoreError
from lscube.experiments.areas import Area
from lscube.experiments.design import ModelPlan
from lscube.files import appearing, cannot_write
from lscube.manifest import Manifest, differences, short
from lscube.settings import Experiment, Job

_MANIFEST = "experiment.json"


@dataclass(frozen=True)
class Folder:
    """Where an experiment's files are."""

    root: Path
    """The folder itself."""

    def cube(self, area: str, resolution: float, pair: int = 0) -> Path:
        """Cube of a pair of images of an area."""
        more = f"-{pair + 1}" if pair else ""
        return self.root / "cubes" / f"{area}-{resolution:g}m{more}.zarr"

    def model(self, plan: ModelPlan) -> Path:
        """A saved model."""
        return self.root / "models" / plan.folder

    def facts(self, plan: ModelPlan) -> Path:
        """What is known of a model's training."""
        return self.root / "models" / f"{plan.folder}.json"

    def map(self, plan: ModelPlan, area: str) -> Path:
        """A model's map of an area."""
        return self.root / "maps" / plan.folder / f"{area}.zarr"

    def score(self, plan: ModelPlan, area: str) -> Path:
        """Its counts."""
        return self.root / "scores" / plan.folder / f"{area}.json"

    @property
    def spent(self) -> Path:
        """Seconds that each run took."""
        return self.root / "spent.json"

    @property
    def results(self) -> Path:
        """Results as numbers."""
        return self.root / "results.json"


def open_folder(root: Path, experiment: Experiment, areas: dict[str, Area]) -> Folder:
    """Make an experiment's folder, or take up one that was interrupted.

    Raises
    ------
    StoreError
        The folder holds something else, belongs to another configuration (what differs is named),
        or cannot be written.
    """
    ours = _manifest(experiment, areas)
    path = root / _MANIFEST
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(root.iterdir()):
                raise StoreError(
                    f"Expected an empty folder or an experiment's in {root}, found other files; choose "
                    "another folder."
                )
            write_json(path, ours)
    except OSError as error:
        raise cannot_write(root, error) from None
    _check(root, ours, read_json(path))
    return Folder(root)


def _manifest(experiment: Experiment, areas: dict[str, Area]) -> Manifest:
    """All that determines the results; how scores are drawn and what is shown does not."""
    jobs = {name: [_plain(job) for job in (area.job, *area.also)] for name, area in areas.items()}
    # Parts and resolutions can be added to an experiment; its models stay what they are.
    design = experiment.experiment.model_dump(
        mode="json", exclude={"parts", "resolutions", "registry", "name"}
    )
    train = experiment.train.model_dump(mode="json", exclude={"memory", "area"})
    content = {"experiment": design, "train": train, "areas": jobs}
    plain: Manifest = json.loads(json.dumps(content))
    return plain


def _plain(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json", exclude={"train", "evaluate"})


def _check(root: Path, ours: Manifest, theirs: Manifest) -> None:
    found = list(differences(ours, theirs))
    if found:
        told = "; ".join(
            f"{name} was {short(other)} and is {short(mine)} now" for name, mine, other in found[:5]
        )
        raise StoreError(
            f"Expected the experiment in {root} to be of this configuration, but {told}; choose another "
            "folder, or restore the configuration."
        )


def read_json(path: Path) -> Any:
    """Content of a JSON file of the experiment.

    Raises
    ------
    StoreError
        It is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"Expected {path} of an experiment, but it cannot be read ({error}); remove it, and what it "
            "tells of is made again."
        ) from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a half-written file never stands under its name."""
    with appearing(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
