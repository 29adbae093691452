"""Scans that are killed at every step, at random, and run twice at once: with real processes."""

import json
import multiprocessing
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from lscube.scan.record import EventRecord
from lscube.scan.state import SqliteState
from tests.scan_job import run
from tests.scanning import Catalogue, write_event
from tests.test_map_runs import content

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.scan_job"])

ARRIVALS = ("after-1", "after-2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_event(tmp_path_factory.mktemp("event"))


def start(*given):
    process = PROCESSES.Process(target=run, args=given)
    process.start()
    return process


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def remembered(scan: Path) -> EventRecord:
    state = SqliteState(scan)
    record = state.read("usgs-us1").record
    state.close()
    assert record is not None
    return record


def products(scan: Path) -> dict[str, str]:
    """Digest of each file, of JSON its content; not of the memory and of what says when a pass ended."""
    found = {
        name: digest
        for name, digest in content(scan).items()
        if not name.startswith("scan.sqlite") and not name.endswith("metrics.prom")
    }
    # A file system lists a map's variables in any order, and so does a published item.
    texts = {
        name: json.loads((scan / name).read_text()) for name in found if name.endswith(".json")
    }
    return found | {name: json.dumps(text, sort_keys=True) for name, text in texts.items()}


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory):
    """Record and products of a scan that nothing happened to."""
    scan = tmp_path_factory.mktemp("undisturbed")
    catalogue = Catalogue(folder, "undisturbed")
    for scene in ARRIVALS:
        catalogue.arrive(scene)
        process = start(folder, scan, "undisturbed", scan.with_suffix(".log"))
        process.join()
        assert process.exitcode == 0
    record = remembered(scan)
    assert [len(version.scenes) for version in record.versions] == [1, 2]
    assert (record.phase, [alert.delivered for alert in record.alerts]) == ("ended", [True, True])
    return record, products(scan)


def check(scan: Path, log: Path, undisturbed) -> None:
    record, files = undisturbed
    assert remembered(scan) == record
    assert products(scan) == files
    # Each message arrived; the same one again only if the scan died before it remembered.
    assert set(lines(log.with_suffix(".posted"))) == {alert.id for alert in record.alerts}
    assert json.loads((scan / "events/usgs-us1/latest.json").read_text())["version"] == 2
    assert (scan / "events/usgs-us1/latest").resolve().name == "0002"


def test_killed_once_at_each_step_it_ends_the_same(folder, undisturbed, tmp_path):
    scan, log = tmp_path / "scan", tmp_path / "steps.log"
    catalogue = Catalogue(folder, "each-step")
    for scene in ARRIVALS:
        catalogue.arrive(scene)
        while (process := start(folder, scan, "each-step", log, True)).join() or process.exitcode:
            assert process.exitcode == -signal.SIGKILL
    died = lines(log.with_suffix(".died"))
    kinds = {step.partition(" ")[0] for step in died}
    assert kinds == {
        *("asked", "write", "wrote", "region", "drew", "published", "pointed", "posted"),
    }
    assert len(died) > 20
    check(scan, log, undisturbed)
    # No step was done again once it was remembered, though the scan died right after it.
    steps = Counter(line.partition(" ")[2] for line in lines(log))
    assert {steps[f"wrote usgs-us1 {step}"] for step in ("found", "decided", "area")} == {1}
    # It died after posting, and before it was remembered: so messages came twice more.
    assert set(Counter(lines(log.with_suffix(".posted"))).values()) <= {2, 3}


def test_killed_at_random_it_ends_the_same(folder, undisturbed, tmp_path):
    scan, log = tmp_path / "scan", tmp_path / "steps.log"
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    catalogue = Catalogue(folder, "random")
    kills = 0
    for scene in ARRIVALS:
        catalogue.arrive(scene)
        done = False
        while not done:
            process = start(folder, scan, "random", log)
            process.join(draw.uniform(0.2, 3.0) if kills < 8 else None)
            if process.exitcode is None:
                process.kill()
                kills += 1
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            done = process.exitcode == 0
    assert kills > 0
    check(scan, log, undisturbed)


def test_two_scans_at_once_do_the_work_once(folder, undisturbed, tmp_path):
    scan, log = tmp_path / "scan", tmp_path / "steps.log"
    catalogue = Catalogue(folder, "twice")
    for scene in ARRIVALS:
        catalogue.arrive(scene)
        both = [start(folder, scan, "twice", log) for _ in range(2)]
        for process in both:
            process.join()
            assert process.exitcode == 0
    check(scan, log, undisturbed)
    outcomes = [[int(n) for n in line.split()] for line in lines(log.with_suffix(".outcome"))]
    # Each version is one scan's; the other one found the event held, or all done already.
    assert sum(versions for versions, _, _ in outcomes) == 2
    assert all(failures == 0 for _, _, failures in outcomes)
    assert Counter(lines(log.with_suffix(".posted"))) == {"usgs-us1-v1": 1, "usgs-us1-v2": 1}
    mapped = [line.split() for line in lines(log) if " region " in line]
    assert len({(version, pid) for pid, _, _, version in mapped}) == 2
