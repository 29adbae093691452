"""A map of over 10,000 x 10,000 pixels: killed at random moments and resumed, and uninterrupted.

The scenes are one simulated event, mirrored over and over (`tests.benchmarks.mirrored`).

python -m tests.benchmarks.large FOLDER --model MODEL
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401 - registers the .rio accessor
import xarray as xr
from zarr.storage import LocalStore

from lscube.mapping.ledger import Ledger
from lscube.simulate import SimulationSettings
from tests.benchmarks.mirrored import write_mirrored

PIXELS, KILLS = 10240, 5
SETTINGS = SimulationSettings()


def start(folder: Path, model: Path, store: Path) -> subprocess.Popen[bytes]:
    """Begin `lscube predict` in a process group of its own; what it says goes to a file."""
    scenes = folder / "scenes"
    words = [sys.executable, "-m", "lscube", "predict", "--event", "large"]
    words += ["--source", str(scenes / "items.json"), "--aoi", str(scenes / "area.geojson")]
    words += ["--event-time", f"{SETTINGS.event_time:%Y-%m-%dT%H:%M:%SZ}", "--model", str(model)]
    words += ["--out", str(store), "--set", "predict.region_shards=1"]
    with store.with_suffix(".log").open("w") as file:
        return subprocess.Popen(words, stdout=file, stderr=file, start_new_session=True)


def end(process: subprocess.Popen[bytes], store: Path, expected: int = 0) -> str:
    """Wait for a run, which must end with a code; returns what it said."""
    code, said = process.wait(), store.with_suffix(".log").read_text()
    if code != expected:
        sys.exit(f"lscube predict ended with {code}, not {expected}: {said}")
    return said


Written = dict[tuple[int, int], int]
"""When each region that is done was written, by row and column, in nanoseconds."""


def begun(said: str) -> tuple[int, int]:
    """Regions that were done when a run began to map, and all of them; zeros where it never did."""
    found = re.search(r"Mapping: (\d+) of (\d+) regions", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def written(store: Path) -> Written:
    """What is done; here a region is one shard, so one file."""
    ledger = Ledger.open(LocalStore(store, read_only=True), read_only=True)
    keys = ledger.read() if ledger else {}
    return {(y, x): (store / f"probability/c/{y}/{x}").stat().st_mtime_ns for y, x in keys}


def interrupted(folder: Path, model: Path, store: Path, draw: random.Random, pause: float) -> None:
    """Map with kills at random moments; that a region is done twice is an error.

    A kill comes when up to five more regions are done, and up to `pause` seconds later.
    """
    partial = store.with_name(f"{store.name}.partial")
    done: Written = {}
    for number in range(KILLS + 1):
        last, begin = number == KILLS, time.monotonic()
        process = start(folder, model, store)
        if not last:
            enough, late = len(done) + draw.randrange(6), draw.uniform(0.0, pause)
            while process.poll() is None and len(written(partial)) < enough:
                time.sleep(0.5)
            time.sleep(late)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        first, regions = begun(end(process, store, 0 if last else -signal.SIGKILL))
        now = written(store if last else partial)
        how = f"{'ended' if last else 'killed'} after {time.monotonic() - begin:.1f} s"
        print(f"{how}: began with {first} of {regions}, {len(now)} regions done", flush=True)
        if (regions and first < len(done)) or not done.items() <= now.items():
            sys.exit(f"Some of the {len(done)} regions that were done were computed again.")
        done = now


def content(store: Path) -> dict[str, bytes]:
    """Digest of each file of a store."""
    files = [path for path in store.rglob("*") if path.is_file()]
    return {str(path.relative_to(store)): sha256(path.read_bytes()).digest() for path in files}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    folder, whole, killed = given.folder, *(given.folder / f"{n}.zarr" for n in ("whole", "killed"))
    print("seed", given.seed)
    if not (folder / "scenes" / "items.json").exists():
        write_mirrored(folder / "scenes", SETTINGS, PIXELS)
    begin = time.monotonic()
    _, regions = begun(end(start(folder, given.model, whole), whole))
    seconds = time.monotonic() - begin
    print(f"uninterrupted: {seconds:.0f} s, {regions} regions", flush=True)
    draw, pause = random.Random(given.seed), seconds / regions
    interrupted(folder, given.model, killed, draw, pause)
    mapped = xr.open_zarr(killed, consolidated=False, decode_coords="all")
    known = mapped["probability"].notnull()
    area = known.size * abs(np.prod(mapped.rio.resolution())) / 1e6
    print(f"{known.shape} pixels, {area:.0f} km2, {float(known.mean()):.0%} of it with a value")
    print(f"CRS {mapped.rio.crs}, bounds {mapped.rio.bounds()}, {area / seconds:.2f} km2/s")
    first, second = content(whole), content(killed)
    size = sum(path.stat().st_size for path in killed.rglob("*") if path.is_file())
    print(f"{len(first)} files, {size / 2**20:.0f} MiB; {KILLS} kills, equal: {first == second}")
    return 0 if first == second else 1


if __name__ == "__main__":
    sys.exit(main())
