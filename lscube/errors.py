"""The exceptions that lscube raises on purpose.

Each message is one sentence that says what was expected, what came and what to do::

    LscubeError
    ├── InputError          something given to lscube is wrong (command line: exit code 2)
    │   ├── SettingsError   a setting is unknown, missing or out of range
    │   ├── AreaError       the area of interest is missing, empty or outside the scenes
    │   ├── SceneError      no scene, or an item lacks an asset, a band or a date
    │   ├── SourceError     a catalogue, a feed or a file of pixels cannot be read
    │   │   └── RefusedError  an address, or the size of what came, is not allowed
    │   ├── InventoryError  an inventory is missing or does not fit the cube
    │   ├── ModelError      a saved model is missing, damaged or expects another cube
    │   ├── StoreError      a store exists already, is unfinished or cannot be written
    │   │   ├── InUseError    another run is at work on it
    │   │   └── OtherRunError  it belongs to another run
    │   └── ClusterError    a Dask cluster is not as it must be, or refuses
    │       └── NoClusterError  it does not answer, is gone, or no worker came: it may later (exit code 1)
    ├── TrainingError       training cannot go on (for example a loss that is not a number)
    ├── IncompleteError     a product lacks parts that failed; the others are kept (exit code 3)
    └── MissingExtraError   an optional dependency is not installed
"""


class LscubeError(Exception):
    """The root of all exceptions that lscube raises on purpose."""


class InputError(LscubeError):
    """Something given to lscube is wrong."""


class SettingsError(InputError):
    """A setting is unknown, missing or out of range."""


class AreaError(InputError):
    """The area of interest is missing, empty or outside the scenes."""


class SceneError(InputError):
    """No scene is found, or an item lacks an asset, a band or a date."""


class SourceError(InputError):
    """A catalogue, a feed or a file of pixels cannot be read."""


class RefusedError(SourceError):
    """An address, or the size of what came from outside, is not allowed."""


class InventoryError(InputError):
    """An inventory is missing or does not fit the cube."""


class ModelError(InputError):
    """A saved model is missing, damaged or expects another cube."""


class StoreError(InputError):
    """A store exists already, is unfinished or cannot be written."""


class InUseError(StoreError):
    """Another run is at work on it."""


class OtherRunError(StoreError):
    """A store belongs to another run."""


class TrainingError(LscubeError):
    """Training cannot go on."""


class ClusterError(InputError):
    """A Dask cluster is not as it must be, or refuses."""


class NoClusterError(ClusterError):
    """A Dask cluster does not answer, is gone, or no worker came; the same command may succeed later."""


class IncompleteError(LscubeError):
    """A product lacks parts that failed; the others are kept."""

    def __init__(self, message: str, failed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.failed = failed


class MissingExtraError(LscubeError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra '{extra}': pip install 'lscube[{extra}]' (in a clone: '.[{extra}]')."
        )


FAILURE, BAD_INPUT, PARTIAL = 1, 2, 3
"""Exit codes of commands and pipelines; partial: a product was made, but not from all it should be of."""


def exit_code(error: LscubeError) -> int:
    """Exit code that an error ends a program with."""
    if isinstance(error, IncompleteError):
        return PARTIAL
    if isinstance(error, NoClusterError):
        return FAILURE  # what starts jobs again does so for this one
    return BAD_INPUT if isinstance(error, InputError | MissingExtraError) else FAILURE
