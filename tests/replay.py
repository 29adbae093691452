"""A past event played again: recorded earthquake, simulated scenes that arrive one by one, a real scan.

`python -m tests.replay FOLDER` does it by hand: the USGS's record of the 2018 Iburi earthquake (without the
shared data, one made in its structure), contours made in the recorded structure, a STAC API (PostgreSQL
with PostGIS where it is installed, else a small stand-in), files over HTTP, and `lscube scan` alone in
between. The network is untrained: what it finds says nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import rasterio

from lscube.cli import main as lscube
from lscube.learn import load_model
from lscube.simulate import Overpass, SimulationSettings, simulate_event
from tests.feeds import collection, contours, usgs_detail
from tests.needs import SHARED
from tests.networks import save_tiny
from tests.servers.__main__ import items_at
from tests.servers.catalog import add_items, stac_api
from tests.servers.database import NotInstalledError, postgres, require_postgis
from tests.servers.files import range_server
from tests.stac_api import serve

RECORDED = SHARED / "fixtures" / "usgs" / "iburi_us2000h8ty_detail.json"
EVENT = datetime(2018, 9, 5, 18, 7, 59, tzinfo=UTC)
PLACE = (141.9294, 42.6861)
SCENES = SimulationSettings(
    shape=(256, 256),
    origin=(574_850.0, 4_727_660.0),
    event_time=EVENT,
    overpasses=(
        Overpass("pre-1", -14, 0.0),
        Overpass("post-1", 9, 0.0),
        Overpass("post-2", 19, 0.0),
    ),
)
"""Around the epicentre."""

CONFIG = """
folder = "scan"

[triggers]
usgs = "{files}/feed/list.geojson"
gdacs = false

[area]
slope = 2
cell = 100
closing = 300
min_km2 = 0.05

[map]
models = ["model"]

[source]
catalogs = "{api}"

[predict]
core = 32
margin = 16
chunk_cores = 1
shard_chunks = 1
region_shards = 1
engine = "keras"
precision = "float32"

[watch]
days = 36500        # the event is long past
clear_share = 0.2

[allow]
hosts = ["{files_host}", "{api_host}"]

[[allow.models]]
folder = "model"
sha256 = "{sha256}"
"""


@dataclass(frozen=True)
class Stage:
    """Where the play is set."""

    config: Path
    """Of the scan."""
    arrive: Callable[[str], None]
    """Adds a scene to the STAC API."""
    recorded: bool
    """Whether the earthquake is the recorded one."""

    def scan(self, *options: str) -> int:
        """Run `lscube scan`; gives its exit code."""
        return lscube(["scan", "--config", str(self.config), *options])


@contextmanager
def staged(folder: Path, real: bool = True) -> Iterator[Stage]:
    """Set the stage in a folder, with a real STAC API or a small stand-in.

    Raises
    ------
    NotInstalledError
        PostgreSQL or PostGIS is not on this machine.
    """
    simulate_event(folder / "scenes", SCENES)
    _cover_east(folder / "scenes" / "post-1" / "scl.tif")
    save_tiny(folder / "model")
    with ExitStack() as stack:
        files = stack.enter_context(range_server(folder / "scenes"))
        _write_feed(folder / "scenes" / "feed", f"{files}/feed")
        items = {item["id"]: item for item in items_at(folder / "scenes", files)}
        first = [items["pre-1"], items["dsm"]]
        if real:
            dsn = stack.enter_context(postgres())
            api = stack.enter_context(stac_api(dsn, first))

            def arrive(name: str) -> None:
                add_items(dsn, [items[name]])
        else:
            api = stack.enter_context(serve(first))

            def arrive(name: str) -> None:
                first.append(items[name])

        config = folder / "scan.toml"
        said = {"files_host": urlsplit(files).netloc, "api_host": urlsplit(api).netloc}
        sha256 = load_model(folder / "model").card.sha256
        config.write_text(CONFIG.format(files=files, api=api, sha256=sha256, **said))
        yield Stage(config, arrive, RECORDED.exists())


def _cover_east(classification: Path) -> None:
    """Lay clouds over the eastern third of a scene."""
    with rasterio.open(classification) as file:
        classes, profile = file.read(), file.profile
    classes[..., 2 * classes.shape[-1] // 3 :] = 9
    with rasterio.open(classification, "w", **{**profile, "driver": "GTiff"}) as file:
        file.write(classes)


def _write_feed(folder: Path, address: str) -> None:
    """The list, the detail, and contours made for the play, all at one address."""
    detail = json.loads(RECORDED.read_text()) if RECORDED.exists() else _made_detail()
    text = json.dumps(detail)
    for product in detail["properties"]["products"]["shakemap"]:
        for name, content in product["contents"].items():
            if name.endswith("cont_pga.json"):
                text = text.replace(content["url"], f"{address}/cont_pga.json")
    entry = {**detail, "properties": {**detail["properties"], "detail": f"{address}/detail.json"}}
    del entry["properties"]["products"]
    folder.mkdir()
    (folder / "detail.json").write_text(text)
    (folder / "list.geojson").write_bytes(collection(entry))
    rings = {5.0: 0.03, 10.0: 0.009, 20.0: 0.006}
    (folder / "cont_pga.json").write_bytes(contours(rings, centre=PLACE))


def _made_detail() -> dict[str, Any]:
    """An event in the recorded structure, at the recorded time and place."""
    detail = usgs_detail("us2000h8ty")
    millis = int(EVENT.timestamp() * 1000)
    detail["properties"] |= {"time": millis, "updated": millis + 3_600_000}
    detail["geometry"]["coordinates"] = [*PLACE, 35.0]
    return detail


def play(stage: Stage, say: Callable[[str], object]) -> list[int]:
    """Scan, let a scene arrive, scan, ... ; gives the exit codes."""
    codes = []
    for scene in ("", "post-1", "post-2"):
        if scene:
            say(f"\n--- {scene} arrives")
            stage.arrive(scene)
        say("--- lscube scan")
        codes.append(stage.scan())
        say("--- lscube scan --status")
        stage.scan("--status")
    return codes


def main(folder: Path) -> int:
    """Play by hand; gives the exit status."""
    real = True
    try:
        require_postgis()
    except NotInstalledError as error:
        print(f"{error}: a small stand-in serves the scenes.")
        real = False
    with staged(folder, real) as stage:
        codes = play(stage, print)
    print(f"\nLook at {folder}/scan/events")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "replay")))
