"""The working folder of a training: its plan, its stores and its state, until the model is saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lscube.errors import StoreError
from lscube.files import PARTIAL, appearing, cannot_write
from lscube.manifest import Manifest, differences, short

_PLAN = "plan.json"


@dataclass(frozen=True)
class Work:
    """A working folder; it stands beside the model that it is to become, and is removed then."""

    folder: Path
    """`<model>.training`."""

    @property
    def state(self) -> Path:
        """The state after the last whole epoch."""
        return self.folder / "state.npz"

    @property
    def logs(self) -> Path:
        """What TensorBoard reads."""
        return self.folder / "tensorboard"

    def store(self, number: int) -> Path:
        """Training Zarr of an event."""
        return self.folder / f"event-{number}.zarr"


def open_work(model: Path, plan: Manifest) -> Work:
    """Make the working folder of a model, or take up the one that an interrupted training left.

    Parameters
    ----------
    model
        Folder that the model is to get.
    plan
        All that determines the training's result.

    Raises
    ------
    StoreError
        What stands there belongs to another training, or it cannot be written.
    """
    folder = model.with_name(model.name + ".training")
    plan = json.loads(json.dumps(plan))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / _PLAN
        if known.exists():
            _check(folder, plan, json.loads(known.read_text(encoding="utf-8")))
        elif any(path.suffix != PARTIAL for path in folder.iterdir()):
            raise StoreError(
                f"Expected an interrupted training in {folder}, found other files; remove it or choose "
                "another name for the model."
            )
        else:
            with appearing(known) as partial:
                partial.write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error) from None
    return Work(folder)


def _check(folder: Path, ours: Manifest, theirs: Manifest) -> None:
    for name, mine, other in differences(ours, theirs):
        raise StoreError(
            f"Expected the training that was interrupted in {folder} to be this one, but {name} was "
            f"{short(other)} and is {short(mine)} now; repeat what it was to go on, or remove the folder "
            "to begin anew."
        )
