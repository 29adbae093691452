"""The folder of an experiment: what it holds, and whose it is."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lscube.errors import StoreError
from lscube.experiments.areas import Area
from lscube.experiments.design import ModelPlan
from lscube.files import PARTIAL, cannot_write, write_json
from lscube.manifest import Manifest, differences, short
from lscube.paths import split_layer
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

    def scenes(self, area: str, resolution: float, pair: int = 0) -> Path:
        """Items of a pair of images, as they were found."""
        return self.cube(area, resolution, pair).with_suffix(".json")

    def validation(self, area: str, resolution: float) -> Path:
        """Validation region of an area, the same for all its pairs of images."""
        return self.root / "cubes" / f"{area}-{resolution:g}m-validation.geojson"

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


def is_begun(root: Path) -> bool:
    """Whether an experiment's manifest stands in a folder."""
    return (root / _MANIFEST).exists()


def check_place(root: Path) -> None:
    """Refuse, before anything is simulated or read, a place that holds something else or cannot be written.

    Raises
    ------
    StoreError
        It does.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        others = [path for path in root.iterdir() if path.suffix != PARTIAL]
        tempfile.TemporaryDirectory(dir=root).cleanup()
    except OSError as error:
        raise cannot_write(root, error) from None
    if others and not is_begun(root):
        raise StoreError(
            f"Expected an empty folder or an experiment's in {root}, found other files; choose another "
            "folder."
        )


def open_folder(root: Path, experiment: Experiment, areas: dict[str, Area]) -> Folder:
    """Make an experiment's folder, or take up one that was interrupted.

    Raises
    ------
    StoreError
        The folder holds something else, belongs to another configuration (what differs is named),
        or cannot be written.
    """
    check_place(root)
    ours, path = _manifest(experiment, areas), root / _MANIFEST
    if not path.exists():
        write_json(path, ours)
    _check(root, ours, read_json(path))
    return Folder(root)


def _manifest(experiment: Experiment, areas: dict[str, Area]) -> Manifest:
    """All that determines the results; how scores are drawn and what is shown does not."""
    # Parts and resolutions can be added to an experiment; its models stay what they are.
    design = experiment.experiment.model_dump(exclude={"parts", "resolutions", "registry", "name"})
    train = experiment.train.model_dump(exclude={"memory", "area"})
    jobs = {
        name: {f"pair {n}": _job(job) for n, job in enumerate((area.job, *area.also), 1)}
        for name, area in areas.items()
    }
    content = {"experiment": design, "train": train, "areas": jobs}
    plain: Manifest = json.loads(json.dumps(_plain(content)))
    return plain


def _job(job: Job) -> dict[str, Any]:
    return {
        **job.model_dump(exclude={"train", "evaluate", "cluster"}),
        "train_area": job.train.area,
    }


def _plain(value: Any) -> Any:
    """A value for JSON; a file is its name and its content, wherever it lies."""
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Path):
        file, _ = split_layer(value)
        content = file.read_bytes() if file.is_file() else b""
        return f"{value.name} ({hashlib.sha256(content).hexdigest()[:16]})"
    return value


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
        raise damaged(path, str(error)) from None


def damaged(path: Path, reason: str) -> StoreError:
    """Say that a file of the experiment cannot be used."""
    advice = (
        "choose another folder."
        if path.name == _MANIFEST
        else "remove it, and what it tells of is made again."
    )
    return StoreError(f"Expected {path} of an experiment, but it is damaged ({reason}); {advice}")
