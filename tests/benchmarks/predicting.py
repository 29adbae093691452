"""Rows on prediction: how fast, how near the hardware's limit, and what the modes and widths cost.

Networks are trained on a simulated event first (`tests.benchmarks.networks`), once.
"""

from __future__ import annotations

import os
from functools import cache

from lscube.learn.hardware import processor_flags
from tests.benchmarks.measure import Row, at_least, at_most
from tests.benchmarks.reading import run

PROGRAM = "tests.benchmarks.predictors"
ROUNDS = 3
LIGHT = "0.4"
"""Width of the light network."""
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


@cache
def speeds() -> dict[str, list[list[float]]]:
    """What each way prints, one list per round; all ways take turns within a round."""
    ways = {"notebook": ("notebook", "1"), "fast": ("fast", "1"), "light": ("fast", LIGHT)}
    measured: dict[str, list[list[float]]] = {way: [] for way in ways}
    for round_ in range(ROUNDS):
        names = list(ways)
        turn = round_ % len(names)
        for way in names[turn:] + names[:turn]:
            measured[way].append(run(PROGRAM, *ways[way]))
    for way, values in measured.items():
        print(f"  {way}: {' '.join(f'{value[0]:.3f}' for value in values)} km2/s", flush=True)
    return measured


@cache
def modes(width: str) -> list[float]:
    """Differences between the modes, and their MCC, at a width."""
    found = run(PROGRAM, "modes", width)
    print(
        f"  width {width}: MCC {found[2]:.4f} fast, {found[3]:.4f} paper; flips against a margin of 256: "
        f"{found[4]:.2%} fast, {found[5]:.2%} paper",
        flush=True,
    )
    return found


def _ratio(name: str, ours: str, peer: str, limit: float) -> Row:
    pairs = zip(speeds()[ours], speeds()[peer], strict=True)
    return at_least(name, "x", limit, [a[0] / b[0] for a, b in pairs])


def predict_fast_vs_notebook() -> Row:
    """km2 per second from scenes to store, by those of the published notebook's way from memory."""
    low = processor_flags() & BFLOAT16
    return _ratio("predict_fast_vs_notebook", "fast", "notebook", 6.0 if low else 3.5)


def predict_network_share() -> Row:
    """Share of a map's time that the network alone takes for as many windows."""
    return at_least("predict_network_share", "", 0.85, [one[1] for one in speeds()["fast"]])


def km2_per_core_hour() -> Row:
    """At width 1, from scenes to store; told, not limited."""
    cores = len(os.sched_getaffinity(0))
    values = [one[0] * 3600 / cores for one in speeds()["fast"]]
    return at_least("km2_per_core_hour", "km2", 0, values)


def predict_mode_difference() -> Row:
    """Mean absolute difference between the modes where either is at least 0.1."""
    return at_most("predict_mode_difference", "", 0.04, modes("1")[:1])


def predict_mode_flips() -> Row:
    """Share of those pixels on different sides of 0.5."""
    return at_most("predict_mode_flips", "", 0.015, modes("1")[1:2])


def predict_mode_mcc() -> Row:
    """Difference of MCC against the simulated inventory, in the part that was not trained on."""
    return at_most("predict_mode_mcc", "", 0.01, [abs(modes("1")[2] - modes("1")[3])])


def light_vs_fast() -> Row:
    """km2 per second of a narrow network by those of width 1."""
    return _ratio("light_vs_fast", "light", "fast", 3.0)


def light_mcc_loss() -> Row:
    """MCC of width 1 less that of the narrow network, trained on the same patches."""
    return at_most("light_mcc_loss", "", 0.01, [modes("1")[2] - modes(LIGHT)[2]])


@cache
def _planned() -> list[list[float]]:
    return [run(PROGRAM, "planned", width) for width in ("1", LIGHT)]


def plan_seconds_error() -> Row:
    """`lscube plan` beside the run: relative error of the time."""
    return at_most("plan_seconds_error", "", 0.25, [one[0] for one in _planned()])


def plan_memory_error() -> Row:
    """`lscube plan` beside the run: relative error of the peak memory."""
    return at_most("plan_memory_error", "", 0.25, [one[1] for one in _planned()])
