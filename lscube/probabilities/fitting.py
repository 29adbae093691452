"""Calibrations fitted to counted pixels, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from lscube.errors import InventoryError
from lscube.probabilities.calibration import MOST, Calibration, Numbers
from lscube.probabilities.groups import group
from lscube.scores import Points, Tally

_LEAST = 1e-12
"""Probability that counts in a likelihood where a calibration gives less."""
_TEMPERATURES = (0.05, 20.0)
_TOLERANCE, _FLOOR = 0.05, 1e-4
"""How far the kept knots' curve may be from the isotonic regression: a share of it, and this much more."""


def fit_temperature(tally: Tally, fitted_on: Sequence[str] = ()) -> Calibration:
    """Fit temperature scaling: the temperature with the highest likelihood, 0.05 to 20.

    Parameters
    ----------
    tally
        Pixels that the network was not trained on.
    fitted_on
        Names of their areas.

    Raises
    ------
    InventoryError
        There are not both landslide and other pixels.
    """
    return _described(_temperature, [tally], fitted_on)


def fit_isotonic(tally: Tally, fitted_on: Sequence[str] = ()) -> Calibration:
    """Fit isotonic regression, kept as the few knots whose curve is within a twentieth of it.

    Where all pixels from some probability on are landslides, or up to some none is, their share is
    taken as Laplace's (n + 1)/(n + 2) or 1/(n + 2): n pixels make nothing certain.

    Parameters
    ----------
    tally
        Pixels that the network was not trained on.
    fitted_on
        Names of their areas.

    Raises
    ------
    InventoryError
        There are not both landslide and other pixels.
    """
    return _described(_isotonic, [tally], fitted_on)


def fit_calibration(tallies: Mapping[str, Tally]) -> Calibration:
    """Fit the kind of calibration that does better on areas it was not fitted on.

    Each area is left out once, and both kinds are fitted on the others; isotonic regression is taken
    if the mean log-likelihood of the areas left out is higher with it. Every area weighs the same, in
    the fit and in the choice: the next event is another area, not more pixels of the largest one.
    With fewer than two areas that have both landslide and other pixels, temperature scaling is taken:
    its one number cannot learn an area by heart.

    Parameters
    ----------
    tallies
        Area's name to its pixels, held out from training; areas without pixels are passed over.

    Raises
    ------
    InventoryError
        There are not both landslide and other pixels.
    """
    used = {name: tally for name, tally in tallies.items() if (tally.landslide + tally.other).any()}
    areas, names = list(used.values()), list(used)
    if not _several(areas):
        return _described(_temperature, areas, names)
    likely, likely_isotonic = (
        np.mean([_likelihood(_pool([own]), made) for own, made in _left_out(fit, areas)])
        for fit in (_temperature, _isotonic)
    )
    return _described(_isotonic if likely_isotonic > likely else _temperature, areas, names)


_Fit = Callable[[Points], Calibration]


def _described(fit: _Fit, areas: Sequence[Tally], names: Sequence[str]) -> Calibration:
    """Fit on areas, and say on what and how well."""
    landslide, other = (
        sum(int(counts.sum()) for counts in kinds)
        for kinds in ([area.landslide for area in areas], [area.other for area in areas])
    )
    if not (landslide and other):
        raise InventoryError(
            f"Expected landslide and other pixels to calibrate with, got {landslide} and {other}; "
            "hold out a larger area."
        )
    made = fit(_pool(areas))
    judged = _left_out(fit, areas) if _several(areas) else ((area, made) for area in areas)
    return made.model_copy(
        update={
            "fitted_on": tuple(names),
            "pixels": landslide + other,
            "error_before": float(np.mean([group(area).error for area in areas])),
            "error_after": float(np.mean([group(a, calibration=c).error for a, c in judged])),
        }
    )


def _pool(areas: Sequence[Tally]) -> Points:
    """Put areas together so that each weighs the same; the weights have a mean of 1 per pixel."""
    points = [area.points() for area in areas]
    pixels = np.array([area.landslide.sum() + area.other.sum() for area in points])
    probability, places = np.unique(
        np.concatenate([area.probability for area in points]), return_inverse=True
    )
    weights = np.repeat(pixels.mean() / pixels, [area.probability.size for area in points])
    landslide, other = (
        np.bincount(places, weights=weights * np.concatenate(counts)).astype(np.float64)
        for counts in ([area.landslide for area in points], [area.other for area in points])
    )
    return Points(probability, landslide, other)


def _several(areas: Sequence[Tally]) -> bool:
    """Whether any area can be left out, and the others still have both kinds of pixels."""
    return sum(bool(area.landslide.any() and area.other.any()) for area in areas) > 1


def _left_out(fit: _Fit, areas: Sequence[Tally]) -> Iterator[tuple[Tally, Calibration]]:
    """Each area, and a calibration fitted on the others."""
    for index, area in enumerate(areas):
        yield area, fit(_pool([*areas[:index], *areas[index + 1 :]]))


def _likelihood(points: Points, calibration: Calibration) -> float:
    """Mean log-likelihood of a pixel."""
    said = np.clip(calibration.curve(points.probability), _LEAST, MOST)
    total = np.sum(points.landslide * np.log(said) + points.other * np.log1p(-said))
    return float(total / (points.landslide.sum() + points.other.sum()))


def _temperature(points: Points) -> Calibration:
    from scipy.optimize import minimize_scalar

    # The likelihood is concave in 1/temperature: on this line, too, it has one maximum.
    found = minimize_scalar(
        lambda power: -_likelihood(points, _tempered(math.exp(power))),
        bounds=[math.log(limit) for limit in _TEMPERATURES],
        method="bounded",
        options={"xatol": 1e-6},
    )
    return _tempered(_short(math.exp(found.x)))


def _tempered(temperature: float) -> Calibration:
    return Calibration(
        kind="temperature", temperature=temperature, pixels=0, error_before=0, error_after=0
    )


def _isotonic(points: Points) -> Calibration:
    from scipy.optimize import isotonic_regression

    pixels = points.landslide + points.other
    shares: Numbers = isotonic_regression(points.landslide / pixels, weights=pixels).x
    inner = shares[(shares > 0) & (shares < 1)]
    least = inner.min(initial=1 / (pixels[shares == 0].sum() + 2))
    most = inner.max(initial=1 - 1 / (pixels[shares == 1].sum() + 2))
    shares = np.clip(shares, least, most)
    kept = _bends(points.probability, shares)
    return Calibration(
        kind="isotonic",
        knots=tuple(_short(value) for value in points.probability[kept]),
        values=tuple(_short(value) for value in shares[kept]),
        pixels=0,
        error_before=0,
        error_after=0,
    )


def _bends(x: Numbers, y: Numbers) -> list[int]:
    """Points between which straight lines follow all others (Ramer, Douglas and Peucker), by index."""
    kept, open_ = {0, len(x) - 1}, [(0, len(x) - 1)]
    while open_:
        first, last = open_.pop()
        inside = slice(first, last + 1)
        off = np.abs(np.interp(x[inside], x[[first, last]], y[[first, last]]) - y[inside])
        off = off / (_TOLERANCE * y[inside] + _FLOOR)
        worst = first + int(off.argmax())
        if off.max() > 1:
            kept.add(worst)
            open_ += [(first, worst), (worst, last)]
    return sorted(kept)


def _short(value: float) -> float:
    """Six digits are enough, and can be read."""
    return float(f"{value:.6g}")
