"""What a scan counts, as a Prometheus text file (format 0.0.4) for node-exporter's textfile collector.

All but the pass's own numbers follow from what the scan remembers, so nothing is lost or counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from lscube.files import appearing
from lscube.scan.record import EventRecord, Phase


@dataclass(frozen=True)
class PassNumbers:
    """Of one pass."""

    ended: float
    """Seconds since 1970-01-01."""
    seconds: float
    """How long it took."""
    failures: int
    """Events and triggers for which something could not be done."""


def write_metrics(path: Path, records: Iterable[EventRecord], numbers: PassNumbers) -> None:
    """Write the file; it appears complete or not at all.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    with appearing(path) as partial:
        partial.write_text("\n".join(_lines(list(records), numbers)) + "\n", encoding="utf-8")


def _lines(records: list[EventRecord], numbers: PassNumbers) -> Iterable[str]:
    phases = Counter(record.phase for record in records)
    versions = [version for record in records for version in record.versions]
    waiting = sum(not alert.delivered for record in records for alert in record.alerts)
    yield from _metric(
        "events", "gauge", "Events by phase.", {phase: phases[phase] for phase in get_args(Phase)}
    )
    for name, kind, what, value in (
        ("versions_total", "counter", "Versions that were made.", len(versions)),
        (
            *("regions_computed_total", "counter", "Regions that were computed in them."),
            sum(version.computed for version in versions),
        ),
        (
            *("regions_total", "counter", "Regions of them."),
            sum(version.regions for version in versions),
        ),
        ("alerts_waiting", "gauge", "Messages that were not delivered yet.", waiting),
        (
            *("troubles", "gauge", "Events for which something is to be tried again."),
            sum(record.trouble is not None for record in records),
        ),
        ("pass_failures", "gauge", "Events and triggers that failed in the last pass.", numbers.failures),
        ("pass_seconds", "gauge", "How long the last pass took.", round(numbers.seconds, 3)),
        ("pass_end_seconds", "gauge", "When the last pass ended, since 1970.", round(numbers.ended)),
    ):  # fmt: skip
        yield from _metric(name, kind, what, {"": value})


def _metric(name: str, kind: str, what: str, values: Mapping[str, float]) -> Iterable[str]:
    full = f"lscube_scan_{name}"
    yield f"# HELP {full} {what}"
    yield f"# TYPE {full} {kind}"
    for label, value in values.items():
        yield f'{full}{{phase="{label}"}} {value}' if label else f"{full} {value}"
