"""`lscube inventory`, from a map that was made of scenes."""

import json
import shutil

import geopandas
import pytest
import xarray as xr

from lscube.cli import main
from lscube.learn.card import CARD as CARD_FILE
from lscube.mapping import Running, map_region, open_map
from lscube.mapping.opening import open_unfinished
from tests.map_job import CARD, SETTINGS, StandIn, job
from tests.scenes import EVENT_TIME, inner_area, simple_event


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes, a map of them and the card of the stand-in that made it."""
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    scenes, grid = job(folder)
    map_region(scenes, grid, StandIn(CARD, folder), folder / "map.zarr", settings=SETTINGS)
    (folder / "model").mkdir()
    (folder / "model" / CARD_FILE).write_text(
        CARD.model_copy(update={"threshold": 0.9}).model_dump_json()
    )
    return folder


@pytest.fixture
def given(folder):
    """The job, as options."""
    area = ",".join(str(value) for value in inner_area())
    return ["--source", str(folder / "items.json"), "--aoi", area, "--event-time", EVENT_TIME]


def inventory(folder, out, *words) -> int:
    return main(
        ["inventory", "--map", str(folder / "map.zarr"), "--out", str(out), *map(str, words)]
    )


def test_a_file_a_summary_and_a_density_grid(folder, tmp_path, capsys):
    out = tmp_path / "landslides.gpkg"
    words = ["--min-area", 500, "--density-grid", 500, tmp_path / "density.tif"]
    assert inventory(folder, out, *words, "--summary", tmp_path / "summary.json") == 0
    said = capsys.readouterr().out
    frame = geopandas.read_file(out)
    assert f"Wrote {out}: {len(frame):,} landslides" in said
    assert "threshold 0.5" in said
    assert len(frame) > 2
    assert frame["area_m2"].min() >= 500
    assert frame["mean_slope_deg"].isna().all()
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["landslides"] == len(frame)
    assert content["settings"]["min_area"] == 500
    assert (tmp_path / "density.tif").exists()


def test_with_the_job_slopes_elevations_and_days_are_filled_in(folder, given, tmp_path):
    """The surface rises by a third to the east: arctan(1/3)."""
    out = tmp_path / "landslides.fgb"
    assert inventory(folder, out, *given) == 0
    frame = geopandas.read_file(out)
    assert frame["mean_slope_deg"].median() == pytest.approx(18.43, abs=0.2)
    assert (frame["lowest_m"] < frame["highest_m"]).any()
    assert set(frame["pre_date"]) == {"2018-08-01"}
    assert set(frame["post_date"]) == {"2018-10-01"}


def test_with_several_days_before_they_are_read_by_pixel(folder, given, tmp_path):
    from lscube import jobs
    from lscube.deliveries.inventory import _days_before
    from lscube.settings import make_job

    area = [float(value) for value in inner_area()]
    content = {"event": {"time": EVENT_TIME}, "area": {"aoi": area},
               "source": {"catalogs": str(folder / "items.json")}}  # fmt: skip
    made = make_job(content, folder)
    scenes = jobs.scenes_of(made)
    cube = jobs.cube_of(made, scenes)
    other = scenes.pre[0].clone()
    other.datetime = other.datetime.replace(day=7)
    two = type(scenes)(**{**vars(scenes), "pre": (*scenes.pre, other)})
    for found in (_days_before(cube, scenes), _days_before(cube, two)):
        days = found.compute()
        assert days.dtype.kind == "M"
        assert (days.dropna("x", how="all").dropna("y", how="all") == days.max()).any()
        assert str(days.max().values)[:10] == "2018-08-01"


def test_the_models_threshold_is_used_and_another_model_refused(folder, tmp_path, capsys):
    out = tmp_path / "landslides.gpkg"
    assert inventory(folder, out, "--model", folder / "model") == 0
    assert "threshold 0.9" in capsys.readouterr().out
    few = geopandas.read_file(out)
    assert few["max_probability"].min() >= 0.9
    assert (
        inventory(folder, out, "--model", folder / "model", "--threshold", 0.95, "--low", 0.5) == 0
    )
    assert "threshold 0.95" in capsys.readouterr().out
    shutil.copytree(folder / "model", tmp_path / "other")
    card = CARD.model_copy(update={"sha256": "0123456789abcdef"})
    (tmp_path / "other" / CARD_FILE).write_text(card.model_dump_json())
    assert inventory(folder, out, "--model", tmp_path / "other") == 2
    assert "the models that made the map (stand-in), got 0123456789ab" in capsys.readouterr().err


def test_a_job_with_other_scenes_is_refused(folder, given, tmp_path, capsys):
    content = json.loads((folder / "items.json").read_text())
    for item in content["features"]:
        for asset in item["assets"].values():
            asset["href"] = str(folder / asset["href"])
        if item["id"] == "before":
            item["id"] = "earlier"
    (tmp_path / "items.json").write_text(json.dumps(content))
    given[1] = str(tmp_path / "items.json")
    assert inventory(folder, tmp_path / "x.gpkg", *given) == 2
    said = capsys.readouterr().err
    assert "Expected the pre scenes of the map (before), the job finds (earlier)" in said
    assert not (tmp_path / "x.gpkg").exists()


def test_nothing_found_is_said_and_is_no_failure(folder, tmp_path, capsys):
    out = tmp_path / "landslides.geojson"
    assert inventory(folder, out, "--min-area", 1e9) == 0
    assert "no landslide was found, so it has no rows" in capsys.readouterr().out
    assert json.loads(out.read_text())["features"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--low", 0.7], "must not exceed the threshold"),
        (["--density-grid", 5, "density.tif"], "10 m at least"),
        (["--shakemap", "none.json"], "Expected contours at none.json"),
    ],
)
def test_what_does_not_fit_is_said(folder, tmp_path, capsys, words, said):
    assert inventory(folder, tmp_path / "x.gpkg", *words) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_no_map_and_no_such_format(folder, tmp_path, capsys):
    assert main(["inventory", "--map", str(tmp_path / "no"), "--out", "x.gpkg"]) == 2
    assert "found nothing" in capsys.readouterr().err
    assert inventory(folder, tmp_path / "x.shp") == 2
    assert "ends in .gpkg" in capsys.readouterr().err


def test_an_unfinished_map_is_refused_unless_asked_for(folder, tmp_path, capsys):
    """What was not written yet is inside the area, and not observed."""
    scenes, grid = job(folder)

    def stop(progress):
        if progress.done >= 4:
            raise KeyboardInterrupt

    store, out = tmp_path / "half.zarr", tmp_path / "landslides.gpkg"
    with pytest.raises(KeyboardInterrupt):
        map_region(scenes, grid, StandIn(CARD, folder), store, settings=SETTINGS,
                   running=Running(watch=stop, in_flight=1))  # fmt: skip
    words = ["inventory", "--map", str(store), "--out", str(out)]
    assert main(words) == 2
    assert "found an unfinished one" in capsys.readouterr().err
    assert main([*words, "--unfinished", "--summary", str(tmp_path / "half.json")]) == 0
    assert "of the area was observed" in capsys.readouterr().out
    half = json.loads((tmp_path / "half.json").read_text())
    assert inventory(folder, out, "--summary", tmp_path / "whole.json") == 0
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert half["inside_m2"] == whole["inside_m2"]
    assert 0.05 < half["observed_share"] < whole["observed_share"] == 1
    assert half["area_m2"] < whole["area_m2"] < half["most_area_m2"]
    finished = folder / "map.zarr"
    xr.testing.assert_identical(open_unfinished(finished), open_map(finished))


def test_an_unfinished_map_is_refused_by_whatever_name(folder, tmp_path, capsys):
    begun = tmp_path / "map.zarr.partial"
    shutil.copytree(folder / "map.zarr", begun)
    for name in (begun, tmp_path / "map.zarr"):
        command = ["inventory", "--map", str(name), "--out", str(tmp_path / "x.gpkg")]
        assert main(command) == 2
        assert "found an unfinished one; run the command" in capsys.readouterr().err
        assert main([*command, "--unfinished"]) == 0
        assert "the map is unfinished" in capsys.readouterr().out
        assert not geopandas.read_file(tmp_path / "x.gpkg")["finished"].any()


def test_a_landslide_says_by_what_rules_it_was_drawn(folder, tmp_path, capsys):
    out = tmp_path / "x.gpkg"
    assert inventory(folder, out, "--min-area", 500, "--low", 0.4) == 0
    assert "0.5 is not the model's own threshold: give --model" in capsys.readouterr().out
    frame = geopandas.read_file(out)
    assert frame["finished"].all()
    assert set(frame["rules"]) == {
        "threshold 0.5, low 0.4, connectivity 8, min_area 500 m2, fill_holes 0 m2, simplify 0 m"
    }


def test_what_would_be_ignored_or_could_not_be_written_is_refused_first(folder, tmp_path, capsys):
    out = tmp_path / "x.gpkg"
    for words, said in (
        (["--inventory", "mine.gpkg"], "leave --inventory out"),
        (["--event-time", "banana"], "source of the scenes is missing"),
        (["--summary", tmp_path], "found a folder; choose another name"),
        (["--low", 0.9], "low (0.9) must not exceed the threshold (0.5)"),
    ):
        assert inventory(folder, out, *words) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "d.gpkg").mkdir()
    assert inventory(folder, tmp_path / "d.gpkg") == 2
    assert not out.exists()
