"""`lscube scan`: configuration, dry run, status, watching until a signal, metrics."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lscube.cli import main
from lscube.errors import PARTIAL, StoreError
from lscube.mapping import Machines, MapPlan
from lscube.scan.estimating import estimate
from lscube.scan.home import DryHome
from lscube.scan.outside import opened
from lscube.scan.running import METRICS, scan_once, watch
from lscube.scan.state import MemoryState, SqliteState
from lscube.scan.status import status_lines
from lscube.settings.scan import load_scan
from tests.publishing import load_stand_in
from tests.scanning import Catalogue, Clock, Feed, area, hazard, record_of, world_of, write_event

ROOT = Path(__file__).parents[1]

CONFIG = """
folder = "scan"

[triggers]
usgs = false
gdacs = false
own = "events.csv"

[map]
models = ["model"]

[source]
catalogs = "items.json"

[[allow.models]]
folder = "model"
sha256 = "{sha256}"
"""

HEAD = "id,time,longitude,latitude,kind,radius_km\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_event(tmp_path_factory.mktemp("event"))


@pytest.fixture
def config(folder, tmp_path) -> Path:
    """A scan of an own list without events."""
    for name in ("model", "items.json"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "events.csv").write_text(HEAD)
    path = tmp_path / "scan.toml"
    sha256 = load_stand_in(folder / "model").card.sha256
    path.write_text(CONFIG.format(sha256=sha256))
    return path


def scan(config: Path, *options: str) -> int:
    return main(["scan", "--config", str(config), *options])


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_nothing_to_do_is_well(config, capsys):
    assert scan(config, "--status") == 0
    assert "No scan has run" in capsys.readouterr().out
    assert scan(config) == 0
    assert "0 events looked at, 0 versions mapped" in capsys.readouterr().out
    assert scan(config, "--status") == 0
    assert "No event is known yet." in capsys.readouterr().out


def test_what_cannot_be_done_now_is_exit_code_3(config, capsys):
    (config.parent / "events.csv").write_text(f"{HEAD}broken,yesterday,0,0,flood,1\n")
    assert scan(config) == PARTIAL
    assert "Could not be done now: own: Expected events in" in capsys.readouterr().err
    # Whoever asks later, or reads the metrics, is told too, until it works again.
    assert "lscube_scan_pass_failures 1" in (config.parent / "scan" / METRICS).read_text()
    assert scan(config, "--status") == 0
    assert "trigger own failed the last time: Expected events in" in capsys.readouterr().out
    (config.parent / "events.csv").write_text(HEAD)
    assert scan(config) == 0
    capsys.readouterr()
    assert scan(config, "--status") == 0
    assert "trigger" not in capsys.readouterr().out


def test_a_memory_that_cannot_be_used_may_be_there_the_next_time(config, capsys):
    """Another program, a later lscube or a full disk is no wrong configuration."""
    (config.parent / "scan").mkdir()
    (config.parent / "scan" / "scan.sqlite").write_bytes(b"no database, for the moment" * 100)
    for options in ((), ("--dry-run",), ("--watch",), ("--status",)):
        assert scan(config, *options) == PARTIAL
        said = capsys.readouterr().err
        assert "Error: Expected to use the scan's memory" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('folder = "scan"', 'folder = "nowhere://bucket/scan"', "address of an object store"),
        ('own = "events.csv"', "", "switch on one of triggers.usgs"),
        ('folder = "scan"', "", "setting 'folder' is missing"),
        ("[map]", "[map]\nmodel = 1", "unknown setting 'map.model'"),
        ('sha256 = "', 'sha256 = "0', "allow.models.0.sha256"),
        ("[map]", '[alerts]\nwebhook = "https://h.example"\n[map]', "LSCUBE_WEBHOOK_SECRET"),
        ('folder = "model"', 'folder = "scan"', r"Expected a model in one of the places"),
        ("[map]", "[map", "Expected TOML in"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_and_exit_code_2(
    config, capsys, monkeypatch, old, new, message
):
    monkeypatch.delenv("LSCUBE_WEBHOOK_SECRET", raising=False)
    change(config, old, new)
    assert scan(config) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert scan(config, "--watch", "--dry-run") == 2


def test_the_documented_configurations_are_read():
    found = sorted((ROOT / "pipelines" / "configs").glob("scan-*.toml"))
    assert found
    for path in found:
        assert load_scan(path).map.models


def test_every_setting_is_described(capsys):
    assert main(["scan", "--settings"]) == 0
    said = capsys.readouterr().out
    assert "[[rules]]\nname" in said
    for line in ("[watch]", "gain               # Share of the area", "[predict]", "[limits]"):
        assert line in said
    assert "# None" not in said


PLAN = MapPlan(
    square_kilometres=12.0,
    regions=6,
    chunks=6,
    windows=20,
    tasks=99,
    read_bytes=3e6,
    worker_bytes=1e9,
    device="CPU",
    network_seconds=60.0,
    other_seconds=60.0,
    wall_seconds=120.0,
    cost=0.25,
)


def test_a_dry_run_tells_what_it_would_do_and_cost_and_leaves_nothing(folder, tmp_path):
    catalogue = Catalogue(folder, "dry")
    catalogue.arrive("after-1")
    real = world_of(folder, tmp_path / "scan", catalogue, Feed(), Clock())
    before = {path.name: path.read_bytes() for path in (tmp_path / "scan").iterdir()}
    dry = replace(
        real,
        state=MemoryState(real.state),
        home=DryHome(real.home, tmp_path / "scratch"),
        post=None,
    )
    said, asked = [], []

    def plan(job, models, machines, outside) -> MapPlan:
        asked.append((job.event.id, machines.price))
        return PLAN

    outcome = scan_once(dry, estimate(Machines(price=0.04), said.append, plan))
    assert (outcome.versions, outcome.failures) == (0, ())
    assert asked == [("usgs-us1", 0.04)]
    (line,) = said
    assert line.startswith(
        "usgs-us1: version 1 would be mapped from 1 scenes before and 1 after it"
    )
    assert "12 km2, 3 MB to read, 2.0 minutes, cost 0.25" in line
    assert "waits for version 1 to be mapped" in "\n".join(
        status_lines(dry.state.records().values())
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "scan").iterdir()} == before
    # And once there is a version, from where it stands.
    assert scan_once(real).versions == 1
    catalogue.arrive("after-2")
    again = replace(dry, state=MemoryState(real.state))
    scan_once(again, estimate(Machines(), said.append, plan))
    assert said[1].startswith(
        "usgs-us1: version 2 would be mapped from 1 scenes before and 2 after it"
    )
    assert said[1].endswith("; less, where regions are taken over")
    assert len(record_of(real).versions) == 1
    real.state.close()


def test_a_dry_run_leaves_a_version_in_the_making_alone(folder, tmp_path):
    class StopError(Exception):
        pass

    def stop(step: str) -> None:
        if step == "region usgs-us1 0001":
            raise StopError

    catalogue = Catalogue(folder, "in-the-making")
    catalogue.arrive("after-1")
    real = world_of(folder, tmp_path / "scan", catalogue, Feed(), Clock(), at=stop)
    with pytest.raises(StopError):
        scan_once(real)
    begun = sorted(path for path in (tmp_path / "scan").rglob("*") if path.is_file())
    home, said, steps = DryHome(real.home, tmp_path / "scratch"), [], []
    dry = replace(real, state=MemoryState(real.state), home=home, at=steps.append)
    scan_once(dry, estimate(Machines(), said.append, lambda *given: PLAN))
    assert said[0].startswith("usgs-us1: version 1 would be mapped")
    assert not any(step.startswith("region") for step in steps)
    assert begun == sorted(path for path in (tmp_path / "scan").rglob("*") if path.is_file())
    assert record_of(real).making is not None
    with pytest.raises(StoreError, match="Expected a finished map"):
        home.map("usgs-us1", "0001")
    real.state.close()


def test_the_world_of_a_dry_run_writes_nothing(config):
    with opened(load_scan(config), time.sleep, dry=True) as world:
        scan_once(world)
        assert world.post is None
    assert not (config.parent / "scan").exists()


def test_watching_goes_on_until_it_is_told_to_stop(folder, tmp_path):
    catalogue, clock, pauses, outcomes = Catalogue(folder, "watched"), Clock(), [], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            catalogue.arrive("after-1")

    world = world_of(
        folder, tmp_path, catalogue, Feed(), clock, sleep=sleep, watch={"every": 5}
    )  # fmt: skip
    watch(world, lambda: len(pauses) == 3, outcomes.append)
    assert pauses == [300.0] * 3
    assert [outcome.versions for outcome in outcomes] == [0, 1, 0]
    world.state.close()


class Broken:
    """A memory that cannot be used at times."""

    def __init__(self, state, **broken) -> None:
        self._state, self.broken = state, broken

    def __getattr__(self, name):
        def broken(*given):
            if self.broken[name](*given):
                raise StoreError("Expected to use the scan's memory, but it is full; free space.")
            return getattr(self._state, name)(*given)

        return broken if name in self.broken else getattr(self._state, name)


def test_watching_goes_on_after_a_pass_that_failed(folder, tmp_path):
    passes, outcomes = [], []
    state = Broken(SqliteState(tmp_path), hazards=lambda: len(passes) == 1)
    catalogue = Catalogue(folder, "goes-on")
    world = world_of(folder, tmp_path, catalogue, Feed(), Clock(), state=state, sleep=passes.append)
    assert watch(world, lambda: len(passes) == 3, outcomes.append).failures == ()
    failed = ("Expected to use the scan's memory, but it is full; free space.",)
    assert [outcome.failures for outcome in outcomes] == [(), failed, ()]
    # What is wrong from the beginning is said at once.
    state.broken["hazards"] = lambda: True
    with pytest.raises(StoreError):
        watch(world, lambda: False, outcomes.append)
    world.state.close()


def test_what_cannot_be_remembered_of_one_event_stops_no_other(folder, tmp_path):
    state = Broken(SqliteState(tmp_path), write=lambda record, mark: record.id == "usgs-us1")
    feed = Feed([hazard(), hazard(id="usgs-us2", longitude=10.0)])
    catalogue = Catalogue(folder, "one")
    catalogue.arrive("after-1")
    world = world_of(folder, tmp_path, catalogue, feed, Clock(), state=state)
    outcome = scan_once(world)
    assert (outcome.versions, len(outcome.failures)) == (1, 1)
    assert outcome.failures[0].startswith("usgs-us1: Expected to use the scan's memory")
    world.state.close()


def test_an_error_of_the_disk_is_a_failure_of_its_event(folder, tmp_path):
    def area_of(told):
        if told.id == "usgs-us1":
            raise OSError(28, "No space left on device")
        return area()

    feed = Feed([hazard(), hazard(id="usgs-us2", longitude=10.0)])
    catalogue = Catalogue(folder, "disk")
    catalogue.arrive("after-1")
    world = world_of(folder, tmp_path, catalogue, feed, Clock(), area_of=area_of)
    outcome = scan_once(world)
    assert outcome.versions == 1
    assert outcome.failures == ("usgs-us1: [Errno 28] No space left on device",)
    assert record_of(world).trouble.attempts == 1
    world.state.close()


def test_a_feed_that_cannot_be_written_is_a_failure_of_the_pass(folder, tmp_path):
    (tmp_path / "feed.xml").mkdir()
    world = world_of(folder, tmp_path, Catalogue(folder, "feed"), Feed(), Clock())
    outcome = scan_once(world)
    assert [event.event for event in outcome.events] == ["usgs-us1"]
    assert "feed.xml" in outcome.failures[0]
    world.state.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_watch(config, number):
    command = [sys.executable, "-m", "lscube", "scan", "--config", str(config), "--watch"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout.readline() == "0 events looked at, 0 versions mapped\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Stopping after this pass" in said


def test_a_second_signal_ends_it_at_once_but_in_good_order():
    """What is open is closed: by an exception, not by the system. In a process of its own."""
    code = (
        "import signal, threading\n"
        "from lscube.cli.scan import _stop\n"
        "stop = threading.Event()\n"
        "_stop(stop, signal.SIGTERM)\n"
        "assert stop.is_set()\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "finally:\n"
        "    print('closed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (143, "closed\n")


def test_where_it_runs_can_be_said_as_for_other_commands(config, capsys):
    assert scan(config, "--workers", "2") == 2
    assert "workers is of no use with where = 'threads'" in capsys.readouterr().err
    # Without anything to map no cluster is asked for.
    assert scan(config, "--cluster", "tcp://127.0.0.1:9") == 0


def test_metrics_follow_from_what_is_remembered(folder, tmp_path):
    catalogue = Catalogue(folder, "metrics")
    catalogue.arrive("after-1", "after-2")
    feed = Feed([hazard(), hazard(id="usgs-us2", longitude=10.0)], broken=True)
    world = world_of(folder, tmp_path, catalogue, feed, Clock())
    assert scan_once(world).versions == 2
    lines = (tmp_path / "metrics.prom").read_text().splitlines()
    assert {
        'lscube_scan_events{phase="ended"} 2',
        'lscube_scan_events{phase="declined"} 0',
        "lscube_scan_versions_total 2",
        "lscube_scan_regions_computed_total 12",
        "lscube_scan_alerts_waiting 0",
        "lscube_scan_pass_failures 1",
        "# TYPE lscube_scan_versions_total counter",
    } <= set(lines)
    values = [line for line in lines if not line.startswith("#")]
    assert len({line.split("{")[0].split(" ")[0] for line in values}) == sum(
        line.startswith("# TYPE") for line in lines
    )
    world.state.close()


def test_log_lines_name_the_pass_and_the_event(folder, tmp_path, caplog):
    world = world_of(folder, tmp_path, Catalogue(folder, "logged"), Feed(), Clock())
    scan_once(world)
    said = [record for record in caplog.records if hasattr(record, "event_id")]
    assert {record.event_id for record in said} == {"usgs-us1"}
    assert len({record.scan_id for record in said}) == 1
    assert all(record.getMessage().startswith("usgs-us1: ") for record in said)
    world.state.close()


def test_a_record_of_a_scan_in_use_is_shown(folder, config, capsys):
    """While a scan holds an event, its status can be asked for."""
    state = SqliteState(config.parent / "scan")
    world = world_of(folder, config.parent / "scan", Catalogue(folder, "shown"), Feed(), Clock())
    scan_once(world)
    with state.held("usgs-us1"):
        assert scan(config, "--status") == 0
    said = capsys.readouterr().out
    assert "followed usgs-us1  M 6.6 - Test Island" in said
    assert "waits for a scene after the event" in said
    state.close()
    world.state.close()
