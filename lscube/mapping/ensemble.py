"""Several models, and several views of each window, as one prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lscube.learn import LoadedModel
from lscube.settings import Branch, Views

Floats = npt.NDArray[np.float32]

_TURNS = {"one": (0,), "flips": (0, 2), "all": (0, 1, 2, 3)}
"""Quarter turns of each mode of views; all but "one" also take each turn's mirror image."""


@dataclass(frozen=True)
class Ensemble:
    """Mean probability of models and views; with several models also how far they differ."""

    models: tuple[LoadedModel, ...]
    """They look at the same channels."""
    views: Views = "one"
    """How each window is turned and flipped, elevation included: the light stays where it is."""
    without: tuple[Branch, ...] = ()
    """Branches that a pixel may lack and still be mapped."""

    @property
    def needed(self) -> tuple[Branch, ...]:
        """Branches that a pixel must have been seen by."""
        return tuple(b for b in self.models[0].card.branches if b not in self.without)

    @property
    def planes(self) -> int:
        """Planes of a prediction: the mean, and with several models the spread."""
        return 1 if len(self.models) == 1 else 2

    def __call__(self, windows: Floats) -> Floats:
        """Predict windows.

        Parameters
        ----------
        windows
            (n, channel, y, x), as `LoadedModel.predict` takes them; square.

        Returns
        -------
        array, float32 (n, plane, y, x)
            Mean of all models and views; then, with several models, the standard deviation of the
            models' means.
        """
        own = np.stack(
            [_mean_of_views(model.predict, windows, self.views) for model in self.models]
        )
        planes = [own.mean(axis=0), own.std(axis=0)][: self.planes]
        return np.stack(planes, axis=1).astype(np.float32)


def _mean_of_views(predict: Callable[[Floats], Floats], windows: Floats, views: Views) -> Floats:
    if views == "one":
        return predict(windows)
    found = []
    for turn in _TURNS[views]:
        for mirrored in (False, True):
            seen = np.rot90(windows, turn, (2, 3))
            seen = seen[..., ::-1] if mirrored else seen
            result = predict(np.ascontiguousarray(seen))
            result = result[..., ::-1] if mirrored else result
            found.append(np.rot90(result, -turn, (1, 2)))
    mean: Floats = np.mean(found, axis=0)
    return mean
