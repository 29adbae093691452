"""Runs that are killed, refused, resumed: with real processes."""

import hashlib
import multiprocessing
import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from lscube.errors import IncompleteError, StoreError
from lscube.mapping import Running, map_region, open_map
from tests.map_job import CARD, RIM, SETTINGS, StandIn, job, run
from tests.scenes import simple_event

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.map_job"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


def content(store: Path) -> dict[str, str]:
    """Digest of each file of a store."""
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A map made without interruption, and how many of its regions were computed."""
    store = tmp_path_factory.mktemp("whole") / "map.zarr"
    log = store.with_name("log")
    run(folder, store, log)
    return content(store), len(log.read_text().split()) - 1


def start(*given):
    process = PROCESSES.Process(target=run, args=given)
    process.start()
    return process


def test_killed_at_any_moment_it_ends_with_the_same_bytes(folder, whole, tmp_path):
    expected, regions = whole
    assert regions >= 12
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    kills, number = 0, 0
    while kills < 12:
        number += 1
        store, log = tmp_path / f"{number}.zarr", tmp_path / f"{number}.log"
        while not store.exists():
            before = len(log.read_text().split()) if log.exists() else 0
            process = start(folder, store, log, 0.03)
            # The last run of each store is left to end.
            process.join(draw.uniform(0.1, 1.5) if kills < 12 else None)
            if process.exitcode is None:
                process.kill()
                kills += 1
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            steps = [int(line) for line in log.read_text().split()] if log.exists() else []
            # A region that was finished stays finished, and none is finished twice.
            assert steps == sorted(steps)
            assert len(set(steps[before:])) == len(steps[before:])
        assert content(store) == expected
        assert not store.with_name(f"{number}.zarr.partial").exists()


def test_a_second_run_is_refused_and_after_a_kill_the_next_one_is_not(folder, whole, tmp_path):
    store, log = tmp_path / "map.zarr", tmp_path / "log"
    process = start(folder, store, log, 0.2)
    try:
        while not log.exists():
            time.sleep(0.02)
        with pytest.raises(StoreError, match=r"Expected to be the only run on .*map\.zarr"):
            run(folder, store)
    finally:
        process.kill()
        process.join()
    run(folder, store)
    assert content(store) == whole[0]


def test_a_region_that_always_fails_is_reported_and_the_others_finish(folder, tmp_path):
    scenes, grid = job(folder, RIM)
    done = []
    running = Running(attempts=2, watch=lambda progress: done.append(progress))
    store = tmp_path / "map.zarr"
    # The surface rises to the east: of the windows, the first column begins below 200 m.
    broken = StandIn(CARD, folder, broken=200.0)
    with pytest.raises(
        IncompleteError, match=r"failed 2 times .*a window that always fails"
    ) as caught:
        map_region(scenes, grid, broken, store, settings=SETTINGS, running=running)
    last = done[-1]
    assert 0 < len(caught.value.failed) == last.regions - last.done < last.regions
    assert not store.exists()
    with pytest.raises(StoreError, match="found an unfinished one"):
        open_map(store)
    # Mended and started again: only what failed is computed.
    first = len(done)
    map_region(scenes, grid, StandIn(CARD, folder), store, settings=SETTINGS, running=running)
    assert done[first].done == last.done
    assert len(done) - first - 1 == len(caught.value.failed)


def starve(folder: Path, store: Path, message: Path) -> None:
    """Map where no file may grow beyond a few bytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
    try:
        run(folder, store)
    except StoreError as error:
        os.write(os.open(message, os.O_WRONLY), str(error).encode()[:600])


def test_a_full_disk_ends_with_one_sentence_and_can_be_resumed(folder, whole, tmp_path):
    store, message = tmp_path / "map.zarr", tmp_path / "message"
    message.touch()
    log = tmp_path / "log"
    process = start(folder, store, log, 0.05)
    while not log.exists() or len(log.read_text().split()) < 3:
        time.sleep(0.02)
    process.kill()
    process.join()
    starved = PROCESSES.Process(target=starve, args=(folder, store, message))
    starved.start()
    starved.join()
    assert starved.exitcode == 0
    # As much of the message as may be written here.
    assert message.read_text() == f"Expected to reach the map {store}, but"[:40]
    assert not store.exists()
    run(folder, store)
    assert content(store) == whole[0]
