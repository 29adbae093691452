"""`lscube map`: from files of one's own, or from a catalogue, to a folder that a person opens."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from lscube.catalog.rasters import OwnFiles, scenes_of_files
from lscube.cli import main
from lscube.errors import AreaError, LscubeError, SceneError, SourceError
from lscube.events import make_event
from lscube.mapping import open_map
from tests import needs
from tests.networks import brightening
from tests.scenes import EPSG, NORTH, WEST, inner_area, simple_event

needs.module("keras")

SHAPE = (96, 128)
SCAR = (slice(30, 50), slice(60, 90))
WINDOW = ["predict.core=96", "predict.margin=16", "predict.chunk_cores=1", "predict.engine=keras"]


def write(path, planes, descriptions=(), west=WEST, crs=f"EPSG:{EPSG}", **profile):
    planes = np.asarray(planes)
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = Affine(10.0, 0, west, 0, -10.0, NORTH) if crs else Affine.identity()
    shape = {"count": len(planes), "height": planes.shape[1], "width": planes.shape[2]}
    given = {"driver": "GTiff", "dtype": planes.dtype, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", **given, **shape, **profile) as file:
        file.write(planes)
        file.descriptions = tuple(descriptions) or (None,) * len(planes)
    return path


def planes_of(side):
    """Red, green and blue in digital numbers; after the event a scar is 0.15 brighter."""
    rng = np.random.default_rng(3)
    planes = rng.integers(400, 600, (3, *SHAPE)) + np.array([0, 100, 200])[:, None, None]
    if side == "after":
        planes[:, *SCAR] += 1500
    return planes.astype(np.uint16)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An image before, one after, and hills."""
    folder = tmp_path_factory.mktemp("files")
    hills = np.linspace(100, 400, SHAPE[1], dtype=np.float32) * np.ones(
        (1, SHAPE[0], 1), np.float32
    )
    return {
        "before": write(folder / "before.tif", planes_of("before")),
        "after": write(folder / "after.tif", planes_of("after")),
        "dsm": write(folder / "hills.tif", hills),
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "brightening"
    return brightening(folder, ("topography",), threshold=0.4).folder


def given(files, model, out, *more):
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    settings = [part for one in WINDOW for part in ("--set", one)]
    return ["map", *options, "--model", str(model), "--out", str(out), *settings, *more]


@pytest.fixture(scope="module")
def result(files, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("result") / "out"
    assert main(given(files, model, out)) == 0
    return out


def probability(path):
    with rasterio.open(path) as file:
        return file.read(1), file.profile


def test_three_files_become_a_folder_that_a_person_opens(result):
    names = {"area.geojson", "job.toml", "landslides.gpkg", "landslides.json", "map.zarr"}
    names |= {"probability.tif", "scenes.json"}
    assert names <= {path.name for path in result.iterdir()}
    found, profile = probability(result / "probability.tif")
    assert profile["dtype"] == "float32"
    assert np.isnan(profile["nodata"])
    truth = np.zeros(SHAPE, bool)
    truth[SCAR] = True
    # The area is where both images are: the files' own pixels, in their own zone.
    assert found.shape == SHAPE
    assert ((found >= 0.5) == truth).all()
    summary = json.loads((result / "landslides.json").read_text())
    assert summary["landslides"] == 1
    assert summary["area_m2"] == pytest.approx(truth.sum() * 100, rel=0.01)


@pytest.mark.needs(needs.LIBRARIES)
def test_the_folder_has_a_page(result):
    assert (result / "report.html").stat().st_size > 100_000


def test_the_same_command_goes_on_and_makes_nothing_twice(files, model, result, tmp_path, capsys):
    out = shutil.copytree(result, tmp_path / "out")
    text = (out / "job.toml").read_text()
    assert str(result) not in text
    (out / "landslides.gpkg").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.is_file()}
    assert main(given(files, model, out)) == 0
    said = capsys.readouterr()
    assert "Making landslides.gpkg" in said.err
    assert "Making probability.tif" not in said.err
    after = {name: (out / name).stat().st_mtime_ns for name in before}
    assert after["probability.tif"] == before["probability.tif"]
    assert (out / "job.toml").read_text() == text
    assert "Landslides: 1 of 0.06 km2" in said.out
    assert "before.tif does not say what its bands are" in said.out


def test_what_was_decided_makes_the_same_map_elsewhere(model, result, tmp_path):
    out = tmp_path / "again"
    assert (
        main(["map", "--job", str(result / "job.toml"), "--model", str(model), "--out", str(out)])
        == 0
    )
    found = probability(out / "probability.tif")[0]
    np.testing.assert_array_equal(found, probability(result / "probability.tif")[0])


def test_another_jobs_folder_is_refused_untouched(files, model, result, tmp_path, capsys):
    out = shutil.copytree(result, tmp_path / "out")
    content = (out / "scenes.json").read_bytes()
    assert (
        main(given({**files, "before": files["after"], "after": files["before"]}, model, out)) == 2
    )
    assert "made of others" in capsys.readouterr().err
    assert main(given(files, model, out, "--set", "cube.dilation=10")) == 2
    assert "cube.dilation there is 60.0, here 10.0" in capsys.readouterr().err
    assert (out / "scenes.json").read_bytes() == content


LAYOUTS = {
    "a file for each band": lambda folder, side: [
        write(folder / side / f"{name}.tif", planes_of(side)[i : i + 1])
        for i, name in enumerate(("B04", "B03", "B02"))
    ],
    "other order, described": lambda folder, side: [
        write(folder / f"{side}.tif", planes_of(side)[::-1], ("Blue", "Green", "Red"))
    ],
    "with near infrared": lambda folder, side: [
        write(
            folder / f"{side}.tif",
            np.concatenate([planes_of(side), planes_of("before")[:1]]),
            ("red", "green", "blue", "nir"),
        )
    ],
    "two halves": lambda folder, side: [
        write(folder / f"{side}-west.tif", planes_of(side)[..., :64]),
        write(folder / f"{side}-east.tif", planes_of(side)[..., 64:], west=WEST + 640),
    ],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_images_in_other_files_give_the_same_map(layout, files, model, result, tmp_path):
    sides = {side: LAYOUTS[layout](tmp_path / "in", side) for side in ("before", "after")}
    options = [
        part for side, paths in sides.items() for p in paths for part in (f"--{side}", str(p))
    ]
    out = tmp_path / "out"
    assert main([*given({"dsm": files["dsm"]}, model, out), *options]) == 0
    found = probability(out / "probability.tif")[0]
    np.testing.assert_array_equal(found, probability(result / "probability.tif")[0])


def test_bands_can_be_named(files, tmp_path):
    swapped = write(tmp_path / "image.tif", planes_of("after")[::-1])
    own = OwnFiles((files["before"],), (swapped,), bands=("blue", "green", "red"))
    found = scenes_of_files(own, make_event("e", "2020-05-01"))
    bands = [asset.extra_fields["eo:bands"] for asset in found.items[1].assets.values()]
    assert [band["name"] for band in bands[0]] == ["blue", "green", "red"]
    assert not found.notes


def test_without_a_surface_model_a_model_that_can_go_without_maps(files, model, result, tmp_path):
    images = {name: files[name] for name in ("before", "after")}
    assert main(given(images, model, tmp_path / "out")) == 0
    found = probability(tmp_path / "out" / "probability.tif")[0]
    np.testing.assert_array_equal(found, probability(result / "probability.tif")[0])


def test_an_area_cuts(files, model, tmp_path):
    west, south, east, north = inner_area(rim=300.0)
    area = tmp_path / "area.geojson"
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    area.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert main(given(files, model, tmp_path / "out", "--aoi", str(area))) == 0
    found, _ = probability(tmp_path / "out" / "probability.tif")
    assert found.shape[0] < SHAPE[0]
    assert not (tmp_path / "out" / "area.geojson").exists()


def flat(folder, columns=SHAPE[1]):
    return write(folder / "flat.tif", np.full((1, SHAPE[0], columns), 100, np.float32))


REFUSED = {
    "another place": (
        lambda folder, files: OwnFiles(
            (files["before"],), (write(folder / "far.tif", planes_of("after"), west=WEST + 9e4),)
        ),
        AreaError,
        r"images of one place.*141\.\d+.*142\.\d+",
    ),
    "one image twice": (
        lambda folder, files: OwnFiles((files["before"],), (shutil.copy(files["before"], folder),)),
        SceneError,
        "holds the same bytes",
    ),
    "no georeference": (
        lambda folder, files: OwnFiles(
            (files["before"],), (write(folder / "plain.tif", planes_of("after"), crs=None),)
        ),
        SourceError,
        "no coordinate system",
    ),
    "half a surface model": (
        lambda folder, files: OwnFiles((files["before"],), (files["after"],), (flat(folder, 64),)),
        SceneError,
        "whole area, got one of 50%",
    ),
    "unknown bands": (
        lambda folder, files: OwnFiles(
            (files["before"],), (write(folder / "two.tif", planes_of("after")[:2]),)
        ),
        SceneError,
        r"what the 2 band\(s\)",
    ),
    "a name too few": (
        lambda folder, files: OwnFiles(
            (files["before"],), (files["after"],), bands=("red", "green")
        ),
        SceneError,
        "each of the 3 bands",
    ),
    "no raster": (
        lambda folder, files: OwnFiles((files["before"],), (Path(__file__),)),
        SourceError,
        "GDAL reads",
    ),
    "no file": (
        lambda folder, files: OwnFiles((files["before"],), (folder / "none.tif",)),
        SourceError,
        "No such file",
    ),
}


@pytest.mark.filterwarnings("ignore:The given matrix is equal")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_mapped_is_refused_in_a_sentence(name, files, tmp_path):
    make, error, match = REFUSED[name]
    own = make(tmp_path, files)
    with pytest.raises(error, match=match) as raised:
        scenes_of_files(own, make_event("e", "2020-05-01"))
    assert isinstance(raised.value, LscubeError)
    assert "\n" not in str(raised.value)


def test_nothing_is_made_of_what_is_refused(files, model, tmp_path, capsys):
    assert main(given({"before": files["before"]}, model, tmp_path / "out")) == 2
    assert "got --before alone" in capsys.readouterr().err
    twice = {**files, "after": files["before"]}
    assert main(given(twice, model, tmp_path / "out")) == 2
    assert not (tmp_path / "out").exists()


def test_a_catalogues_event_is_mapped_and_scored(model, tmp_path, capsys):
    items = simple_event(tmp_path / "event")
    west, south, east, north = inner_area()
    middle = (west + east) / 2
    ring = [[west, south], [middle, south], [middle, north], [west, north], [west, south]]
    inventory = tmp_path / "inventory.geojson"
    inventory.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    out = tmp_path / "out"
    options = ["--source", str(items), "--aoi", f"{west},{south},{east},{north}"]
    options += ["--event-time", "2018-09-05T18:07:00Z", "--inventory", str(inventory), "--publish"]
    assert main(given({}, model, out, *options)) == 0
    assert "Against the inventory: MCC" in capsys.readouterr().out
    assert json.loads((out / "scores.json").read_text())["threshold"] == 0.4
    assert (out / "published" / "collection.json").exists()
    assert (out / "quicklook.png").exists()
    # A threshold that is set counts; where the model is not known, a half does.
    given_map = ["evaluate", "--job", str(out / "job.toml"), "--map", str(out / "map.zarr")]
    given_map += ["--inventory", str(inventory), "--out", str(tmp_path / "scores.json")]
    more = ([], ["--model", str(model)], ["--model", str(model), "--set", "evaluate.threshold=0.6"])
    for options, expected in zip(more, (0.5, 0.4, 0.6), strict=True):
        assert main([*given_map, *options]) == 0
        assert json.loads((tmp_path / "scores.json").read_text())["threshold"] == expected
    assert "chosen on the pixels they are scored on" in capsys.readouterr().out
    assert main([*given_map, "--model", "light"]) == 2
    assert "Expected the model that made the map" in capsys.readouterr().err
    # The folder holds the scenes: the catalogue may be gone.
    items.rename(tmp_path / "gone.json")
    again = [*given({}, model, out), "--job", str(out / "job.toml")]
    assert main([part for part in again if part not in WINDOW and part != "--set"]) == 0
    assert open_map(out / "map.zarr").attrs
