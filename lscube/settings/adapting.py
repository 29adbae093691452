"""Section on adapting a model to an event."""

from __future__ import annotations

from pydantic import Field, model_validator

from lscube.settings.base import Settings


class AdaptSettings(Settings):
    """[adapt]: which pixels of a map are sure, and what has to hold for them to teach."""

    landslide_from: float = Field(0.8, gt=0, le=1)
    """Probability from which a pixel of the map is surely a landslide."""
    other_to: float = Field(0.02, ge=0, lt=1)
    """Probability up to which a pixel of the map surely is none."""
    min_pixels: int = Field(1000, ge=1)
    """Sure pixels of each kind that there must be; 1000 of 10 m are 10 ha."""
    min_squares: int = Field(12, ge=2)
    """Squares of 256 x 256 pixels with sure landslides that there must be."""
    min_agreement: float = Field(0.6, ge=0, le=1)
    """MCC with which what half of the squares teaches has to recognise the other half's sure pixels."""
    max_growth: float = Field(3.0, ge=1)
    """How many times the map's landslide area may lie at an adapted probability of one half or more."""
    growth: float = Field(1.0, gt=0)
    """Landslide area of the adapted map relative to the map's: what the threshold in the card is set by. Sure
    pixels tell where landslides are, not how many there are; 1 makes no event worse that has none."""
    weight: float = Field(0.75, gt=0, lt=1)
    """Share of what the event's own pixels teach in the probability; the network's is the rest."""
    max_squares: int = Field(256, ge=4)
    """Squares that are read at most, half of them with sure landslides."""
    seed: int = Field(0, ge=0)
    """Of the choice of squares and pixels, and of the classifiers' first weights."""

    @model_validator(mode="after")
    def _apart(self) -> AdaptSettings:
        if self.other_to >= self.landslide_from:
            raise ValueError(
                f"other_to ({self.other_to:g}) must be below landslide_from ({self.landslide_from:g})"
            )
        return self
