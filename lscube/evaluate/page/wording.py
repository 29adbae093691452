"""Numbers as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lscube.evaluate.results import MapScores, SizeClass

NONE = "–"
"""Stands where there is no number."""


def number(value: float | None, digits: int = 3) -> str:
    """A score; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no "-0.000"


def signed(value: float | None) -> str:
    """A difference of scores; a dash where there is none, no sign where it is nothing."""
    text = number(value)
    return f"+{text}" if value is not None and round(value, 3) > 0 else text


def with_interval(score: MapScores, name: str) -> str:
    """A score and, where there is one, its interval in brackets."""
    value: float | None = getattr(score, name)
    interval = score.intervals.get(name)
    bounds = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return number(value) + bounds


def share(part: int, whole: int) -> str:
    """A share in percent; a dash where it divides by nothing."""
    return f"{part / whole:.0%}".replace("%", " %") if whole else NONE


def duration(seconds: float | None) -> str:
    """Hours and minutes, "3:07 h"; seconds below a minute."""
    if seconds is None:
        return NONE
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}:{minutes:02d} h"


def size_class(sizes: SizeClass) -> str:
    """The limits of a size class."""
    if sizes.largest is None:
        return f"from {sizes.smallest:,.0f} m²"
    if sizes.smallest <= 0:
        return f"below {sizes.largest:,.0f} m²"
    return f"{sizes.smallest:,.0f} to {sizes.largest:,.0f} m²"


def listed(words: Iterable[str]) -> str:
    """Join words: "A", "A and B", "A, B and C"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def counted(count: int, noun: str) -> str:
    """A count and its noun: "1 area", "2 areas"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
