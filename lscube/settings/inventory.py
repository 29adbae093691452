"""What counts as a landslide in an inventory that is drawn from a map."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lscube.settings.base import Settings


class InventorySettings(Settings):
    """How the polygons of an inventory are drawn from landslide probabilities."""

    threshold: float = Field(0.5, gt=0, le=1)
    """Probability of the network that a landslide reaches in one pixel at least."""
    low: float | None = Field(None, gt=0, le=1)
    """Probability from which pixels belong to it (hysteresis); default: the threshold."""
    connectivity: Literal[4, 8] = 8
    """8: pixels that touch by an edge or a corner are one landslide, as in the scores; 4: by an edge."""
    min_area: float = Field(0.0, ge=0)
    """Square metres below which a landslide is left out, holes filled as below."""
    fill_holes: float = Field(0.0, ge=0)
    """Square metres up to which holes are filled; what was mapped within becomes part of the landslide."""
    simplify: float = Field(0.0, ge=0)
    """Tolerance of simpler outlines in metres, which keep off each other; attributes are of the full ones."""
    cell: float = Field(1000.0, gt=0)
    """Edge of the density grid's cells in metres."""

    @property
    def lowest(self) -> float:
        """Probability from which a pixel can belong to a landslide."""
        return self.threshold if self.low is None else self.low

    @property
    def rules(self) -> str:
        """What counted, in words."""
        return (
            f"threshold {self.threshold:g}, low {self.lowest:g}, connectivity {self.connectivity}, "
            f"min_area {self.min_area:g} m2, fill_holes {self.fill_holes:g} m2, simplify {self.simplify:g} m"
        )

    @model_validator(mode="after")
    def _ordered(self) -> InventorySettings:
        if self.lowest > self.threshold:
            raise ValueError(
                f"low ({self.low:g}) must not exceed the threshold ({self.threshold:g})"
            )
        return self
