"""From a recorded earthquake to a map and its second version, by `lscube scan` alone, on real servers."""

import json
from xml.etree import ElementTree

from lscube.mapping import open_map
from lscube.scan.alerts.feed import ATOM
from lscube.scan.state import SqliteState
from tests.needs import LIBRARIES, POSTGIS, POSTGRES, needs
from tests.replay import play, staged


@needs(POSTGRES, POSTGIS, LIBRARIES)
def test_an_event_of_the_past_is_mapped_as_its_scenes_arrive(tmp_path, capsys):
    with staged(tmp_path) as stage:
        assert play(stage, print) == [0, 0, 0]
    said = capsys.readouterr().out
    assert "waits for a scene after the event" in said
    assert said.count("1 events looked at, 1 versions mapped") == 2
    state = SqliteState(tmp_path / "scan")
    record = state.read("usgs-us2000h8ty").record
    state.close()
    assert (record.phase, record.reason) == ("ended", "all of its area is clear")
    assert record.area_why[0] == "Contours of shaking: peak ground acceleration of 10 % of g."
    first, second = record.versions
    assert (first.scenes, second.scenes) == (("post-1",), ("post-1", "post-2"))
    assert first.computed == first.regions > second.computed > 0
    assert first.summary["observed_share"] < second.summary["observed_share"]
    latest = tmp_path / "scan" / "events" / record.id / "latest"
    assert (
        json.loads((latest / "published" / "collection.json").read_text())["type"] == "Collection"
    )
    one, two = (
        open_map(latest.parent / "versions" / name / "map.zarr").compute()
        for name in ("0001", "0002")
    )
    # What was seen clear stays as it was first seen; what was not is from the second scene.
    seen = one["post_date"].notnull()
    assert one["post_date"].where(seen).identical(two["post_date"].where(seen))
    later = two["post_date"].where(~seen)
    assert set(later.dt.strftime("%m-%d").values[later.notnull().values]) == {"09-24"}
    entries = (
        ElementTree.parse(tmp_path / "scan" / "feed.xml").getroot().findall(f"{{{ATOM}}}entry")
    )
    assert len(entries) == 2
