"""Which events are mapped: the rules of a scan, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lscube.scan.hazard import Hazard
from lscube.settings.scan_rules import DEFAULT_RULES, Colour, RuleSettings

_ORDER: tuple[Colour, ...] = ("green", "yellow", "orange", "red")


@dataclass(frozen=True)
class Decision:
    """Whether an event is mapped."""

    wanted: bool
    """Whether it is."""
    rule: str | None
    """Name of the rule that wants it."""
    reason: str
    """Why, or why not, in one sentence."""


def wanted(hazard: Hazard, rules: Sequence[RuleSettings] = DEFAULT_RULES) -> Decision:
    """Decide whether an event is mapped.

    All that a rule asks for must hold, and the first such rule wins. What a source does not say does not
    hold: without a landslide alert none is high enough; when it comes, decide anew.

    Parameters
    ----------
    hazard
        The event.
    rules
        Of the scan, in their order.
    """
    if hazard.deleted:
        return Decision(False, None, f"{hazard.id} was taken back by its source.")
    missed = []
    for rule in rules:
        conditions = list(_conditions(hazard, rule))
        failed = [said for holds, said in conditions if not holds]
        if not failed:
            held = "; ".join(said for _, said in conditions) or "it asks for nothing"
            return Decision(True, rule.name, f"Rule '{rule.name}' holds: {held}.")
        missed.append(f"'{rule.name}' ({failed[0]})")
    return Decision(False, None, f"No rule holds: {', '.join(missed) or 'there is none'}.")


def _conditions(hazard: Hazard, rule: RuleSettings) -> Iterator[tuple[bool, str]]:
    """Each thing that a rule asks for: whether it holds, and what the event says to it."""
    if rule.sources:
        yield hazard.source in rule.sources, f"source {hazard.source}"
    if rule.kinds:
        yield hazard.kind in rule.kinds, f"kind {hazard.kind}"
    for name in ("alert", "pager", "landslide_hazard", "landslide_population"):
        least, found = getattr(rule, name), getattr(hazard, name)
        if least is not None:
            holds = found is not None and _ORDER.index(found) >= _ORDER.index(least)
            yield holds, f"{name.replace('_', ' ')} {found or 'unknown'}, at least {least} asked"
    for name in ("magnitude", "mmi"):
        smallest, size = getattr(rule, name), getattr(hazard, name)
        if smallest is not None:
            said = "unknown" if size is None else f"{size:g}"
            holds = size is not None and size >= smallest
            yield holds, f"{name} {said}, at least {smallest:g} asked"
    if rule.max_depth is not None:
        depth = hazard.depth
        said = "unknown" if depth is None else f"{depth:g} km"
        holds = depth is not None and depth <= rule.max_depth
        yield holds, f"depth {said}, at most {rule.max_depth:g} km asked"
    if rule.bounds is not None:
        inside = _within(hazard, rule.bounds)
        yield inside, f"centre {'within' if inside else 'outside'} the region"


def _within(hazard: Hazard, bounds: tuple[float, float, float, float]) -> bool:
    west, south, east, north = bounds
    x = hazard.longitude
    across = west <= x <= east if west <= east else x >= west or x <= east
    return across and south <= hazard.latitude <= north
