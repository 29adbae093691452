"""Maps in an object store and in an Icechunk repository: the same map, one run at a time, kills."""

import hashlib
import os
import time
from pathlib import Path

import icechunk
import obstore
import pytest
import xarray as xr
from obstore.store import from_url

from lscube.errors import StoreError
from lscube.mapping import map_region, open_map
from lscube.mapping.places.lease import Timing, leased
from tests.map_job import CARD, QUICK, RIM, SETTINGS, StandIn, job, run
from tests.scenes import simple_event
from tests.servers.files import s3_bucket
from tests.test_map_runs import PROCESSES, content

BUCKET = "maps"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("whole") / "map.zarr"
    run(folder, store)
    return store


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """An object store, as the environment tells of it."""
    with s3_bucket(BUCKET, tmp_path_factory.mktemp("nothing")) as address:
        yield address


def objects(address: str) -> dict[str, str]:
    """Digest of each object below an address."""
    store = from_url(address)
    names = [entry["path"] for found in store.list() for entry in found]
    return {n: hashlib.sha256(bytes(store.get(n).bytes())).hexdigest() for n in names}


def run_with(environment: dict[str, str], *given) -> None:
    os.environ.update(environment)
    run(*given)


def start(*given):
    own = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    process = PROCESSES.Process(target=run_with, args=(own, *given))
    process.start()
    return process


def kill_after(process, log: Path, regions: int) -> None:
    while not log.exists() or len(log.read_text().split()) <= regions:
        assert process.is_alive()
        time.sleep(0.02)
    process.kill()
    process.join()


def test_an_object_store_holds_the_same_bytes(bucket, folder, whole, tmp_path, caplog):
    address = f"{bucket}/first.zarr"
    log = tmp_path / "log"
    process = start(folder, address, log, 0.05)
    kill_after(process, log, 3)
    done = int(log.read_text().split()[-1])
    with pytest.raises(StoreError, match="found an unfinished one"):
        open_map(address)
    # The lease of the killed run is taken over.
    run(folder, address, log)
    steps = [int(line) for line in log.read_text().split()]
    assert steps == sorted(steps)
    assert done >= 3
    theirs, ours = objects(address), content(whole)
    assert {n for n in theirs if theirs[n] != ours.get(n)} == {"ledger/zarr.json"}
    assert theirs.keys() == ours.keys()
    assert any("Took over" in record.message for record in caplog.records)
    xr.testing.assert_identical(open_map(address).compute(), open_map(whole).compute())
    # Finished: it is opened, not computed; and the lease is given back.
    before = objects(address)
    run(folder, address)
    assert objects(address) == before
    with pytest.raises(FileNotFoundError):
        from_url(bucket).head("first.zarr.lock")


def test_a_second_run_on_an_address_is_refused(bucket, folder, tmp_path):
    address = f"{bucket}/second.zarr"
    log = tmp_path / "log"
    process = start(folder, address, log, 0.3)
    try:
        while not log.exists():
            assert process.is_alive()
            time.sleep(0.02)
        with pytest.raises(StoreError, match=r"only run on .*second\.zarr, but .*process \d+.* is"):
            run(folder, address)
    finally:
        process.kill()
        process.join()


def test_a_lease_that_was_taken_stops_its_owner(bucket):
    with leased(f"{bucket}/third.zarr", QUICK) as lease:
        lease.check()
        from_url(bucket).put("third.zarr.lock", b"somebody else")
        time.sleep(3 * QUICK.beat)
        with pytest.raises(StoreError, match="Expected to hold the lease"):
            lease.check()
    # What belongs to somebody else is not given back.
    assert bytes(from_url(bucket).get("third.zarr.lock").bytes()) == b"somebody else"


def test_a_lease_that_cannot_be_renewed_stops_its_owner(bucket):
    with leased(f"{bucket}/fourth.zarr", Timing(beat=30, stale=0.2)) as lease:
        lease.check()
        time.sleep(0.3)
        with pytest.raises(StoreError, match="could not be renewed in time"):
            lease.check()


def test_a_store_that_refuses_is_named(bucket, folder):
    with pytest.raises(StoreError, match=r"Expected to reach .*s3://nobody/map\.zarr"):
        run(folder, "s3://nobody/map.zarr")
    with pytest.raises(StoreError, match="Expected the address of an object store"):
        run(folder, "s4://nobody/map.zarr")


@pytest.mark.parametrize("where", ["folder", "address"])
def test_a_repository_holds_the_same_map_with_its_commits(request, folder, whole, tmp_path, where):
    name = (
        str(tmp_path / "map.icechunk")
        if where == "folder"
        else f"{request.getfixturevalue('bucket')}/map.icechunk"
    )
    log = tmp_path / "log"
    process = start(folder, name, log, 0.05)
    kill_after(process, log, 9)
    with pytest.raises(StoreError, match="found an unfinished one"):
        open_map(name)
    before = len(log.read_text().split())
    run(folder, name, log)
    steps = [int(line) for line in log.read_text().split()]
    # What was committed, at least the first batch of eight, is not done again.
    assert 8 <= steps[before] <= steps[before - 1]
    xr.testing.assert_identical(open_map(name).compute(), open_map(whole).compute())
    messages = [commit.message for commit in history(name)]
    assert messages[-2] == "lscube: template"
    named = [
        entry for message in messages[:-2] for entry in message.split("regions ")[1].split(", ")
    ]
    assert len(named) == len(set(named)) == steps[-1]
    assert max(message.count("-") for message in messages[:-2]) <= 8
    run(folder, name)
    assert len(list(history(name))) == len(messages)


def history(name: str):
    if "://" in name:
        storage = icechunk.s3_storage(
            bucket=BUCKET,
            prefix="map.icechunk",
            from_env=True,
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            allow_http=True,
            force_path_style=True,
        )
    else:
        storage = icechunk.local_filesystem_storage(name)
    return icechunk.Repository.open(storage).ancestry(branch="main")


def test_another_runs_repository_is_refused(folder, tmp_path):
    name = tmp_path / "map.icechunk"
    run(folder, name)
    scenes, grid = job(folder, RIM)
    other = SETTINGS.model_copy(update={"margin": 0})
    with pytest.raises(StoreError, match=r"predict.margin there is 16, here 0"):
        map_region(scenes, grid, StandIn(CARD, folder), name, settings=other)


def test_nothing_stands_at_a_new_name(bucket, tmp_path):
    for name in (f"{bucket}/none.zarr", f"{bucket}/none.icechunk", tmp_path / "none.icechunk"):
        with pytest.raises(StoreError, match="found nothing"):
            open_map(name)
    assert not (tmp_path / "none.icechunk").exists()
    assert obstore.list(from_url(bucket), "none").collect() == []
