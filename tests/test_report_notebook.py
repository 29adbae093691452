"""What a notebook shows: quick looks, and objects as tables."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from shapely.geometry import box, mapping

import lscube
from lscube.catalog import Scenes
from lscube.cube.masks import AreaFlag, Reason
from lscube.cube.pair import PairQuality
from lscube.errors import InputError
from lscube.evaluate.picture import COLOURS
from lscube.events import make_event
from lscube.learn import LoadedModel
from lscube.mapping import MapPlan
from lscube.products import ReportContents
from lscube.scores import IGNORE
from tests.map_job import CARD
from tests.needs import LIBRARIES, needs
from tests.report_map import made_images, made_inventory, made_map, square
from tests.scenes import NORTH, WEST

SHAPE = (40, 60)


def pictures(figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_images_lie_beside_each_other_in_kilometres():
    figure = lscube.plot.rgb(made_images(SHAPE))
    assert titles(figure) == ["before", "after"]
    assert [picture.shape for picture in pictures(figure)] == [(*SHAPE, 3)] * 2
    west, east, south, north = figure.axes[0].images[0].get_extent()
    assert (1000 * west, 1000 * north) == pytest.approx((WEST, NORTH))
    assert (1000 * (east - west), 1000 * (north - south)) == pytest.approx((600, 400))


def test_probability_is_drawn_as_it_is():
    probability = np.linspace(0, 1, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    probability[0, 0] = np.nan
    figure = lscube.plot.probability(made_map(probability))
    drawn = np.ma.filled(pictures(figure)[0].astype(float), np.nan)
    np.testing.assert_allclose(drawn, probability.astype(np.float32))
    assert figure.axes[0].images[0].get_clim() == (0, 1)


def test_large_maps_are_thinned_out():
    figure = lscube.plot.probability(made_map(np.full((10, 3000), 0.5)))
    assert pictures(figure)[0].shape == (4, 1000)


def test_windows_beyond_the_area_are_not_drawn():
    mapped = made_map(np.full(SHAPE, 0.5))
    outside = np.ones(SHAPE, np.uint8) * AreaFlag.OUTSIDE_AREA
    outside[10:30, 20:45] = 0
    mapped["area"] = (("y", "x"), outside)
    figure = lscube.plot.probability(mapped)
    assert pictures(figure)[0].shape == (20, 25)
    west, _, _, north = figure.axes[0].images[0].get_extent()
    assert (1000 * west, 1000 * north) == pytest.approx((WEST + 200, NORTH - 100))
    assert pictures(lscube.plot.observed(mapped))[0].shape[:2] == (20, 25)


def test_reasons_are_drawn_for_each_side():
    observed = np.zeros(SHAPE, int)
    observed[:10] = Reason.CLOUD
    observed[:20] |= Reason.SNOW << 8
    figure = lscube.plot.observed(made_map(np.zeros(SHAPE), observed))
    assert titles(figure) == ["before: 75.0% usable", "after: 50.0% usable"]
    before, after = pictures(figure)
    np.testing.assert_allclose(before[0, 0], to_rgb("tab:red"))
    np.testing.assert_allclose(after[0, 0], to_rgb("deepskyblue"))
    assert (before[10:] == 1).all()
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "cloud shadow" in words


def test_right_and_wrong_have_their_colours():
    cube = made_images(SHAPE)
    probability = np.zeros(SHAPE, np.float32)
    probability[:, :20] = 0.9
    labels = np.zeros(SHAPE, np.uint8)
    labels[:20] = 1
    labels[30:] = IGNORE
    planes = [
        xr.DataArray(plane, coords={name: cube[name] for name in ("y", "x")}, dims=("y", "x"))
        for plane in (probability, labels)
    ]
    (image,) = pictures(lscube.plot.confusion(cube, *planes, threshold=0.5))
    np.testing.assert_allclose(image[5, 5], COLOURS["true positive"], rtol=1e-6)
    np.testing.assert_allclose(image[25, 5], COLOURS["false positive"], rtol=1e-6)
    np.testing.assert_allclose(image[5, 30], COLOURS["false negative"], rtol=1e-6)
    assert len(set(image[35, 5].tolist())) == 1


WRONG = {
    "rgb of a map": (lambda: lscube.plot.rgb(MAP), "Expected a cube .* with pre and post, got probability"),
    "rgb of a path": (lambda: lscube.plot.rgb("cube.zarr"), "got str"),
    "probability of a cube": (lambda: lscube.plot.probability(CUBE), "Expected a map .*, got pre, post"),
    "observed of images": (lambda: lscube.plot.observed(CUBE), "Expected a cube or a map"),
    "confusion of a map": (lambda: lscube.plot.confusion(MAP, PLANE, PLANE), "with post, got prob"),
    "confusion with a map": (
        lambda: lscube.plot.confusion(CUBE, MAP, PLANE), "probability as an array .*, got Dataset",
    ),
    "confusion elsewhere": (
        lambda: lscube.plot.confusion(CUBE, PLANE, PLANE.isel(x=slice(1, None))), "labels on the cube's grid",
    ),
    "a map of a cube": (lambda: lscube.explore(CUBE), "Expected a map, with its manifest"),
    "a map as its own images": (lambda: lscube.explore(MAP, images=MAP), "images with `pre` and `post`"),
    "a map with no inventory": (lambda: lscube.explore(MAP, inventory="none.gpkg"), "inventory at none.gpkg"),
}  # fmt: skip
CUBE, MAP = made_images(SHAPE), made_map(np.zeros(SHAPE))
PLANE = MAP["probability"]


@pytest.mark.parametrize("case", WRONG)
def test_the_wrong_dataset_gets_one_sentence(case):
    draw, said = WRONG[case]
    with pytest.raises(InputError, match=said):
        draw()


@needs(LIBRARIES)
def test_a_live_map_takes_images_and_landslides_as_they_are_or_as_a_file(tmp_path):
    frame = made_inventory(square(3, 4, 5))
    frame.to_file(tmp_path / "landslides.gpkg")
    shown = lscube.explore(MAP, images=CUBE, inventory=frame).page
    assert "Image before" in shown
    assert '"ids": ["1"]' in shown or '"ids":["1"]' in shown
    for path in (tmp_path / "landslides.gpkg", str(tmp_path / "landslides.gpkg")):
        assert lscube.explore(MAP, images=CUBE, inventory=path).page == shown
    contents = ReportContents(images=CUBE)
    assert lscube.explore(MAP, contents, inventory=frame).page == shown


def test_a_figure_shows_itself_without_a_backend():
    code = (
        "import sys, numpy as np, lscube\n"
        "from tests.report_map import made_map\n"
        "png = lscube.plot.probability(made_map(np.full((9, 9), 0.5)))._repr_png_()\n"
        "assert png.startswith(b'\\x89PNG')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def item(name: str, when: str, **properties) -> pystac.Item:
    place = box(0, 0, 1, 1)
    time = datetime.fromisoformat(when).replace(tzinfo=UTC)
    return pystac.Item(name, mapping(place), list(place.bounds), time, properties)


def test_scenes_are_a_table():
    event = make_event("quake", "2018-09-05T18:07:00Z")
    scenes = Scenes(
        event,
        box(0, 0, 1, 1),
        (item("a<b", "2018-08-01T01:30:00", **{"eo:cloud_cover": 3.4}),),
        (item("later", "2018-10-01T01:30:00"),),
        (item("dsm", "2016-01-01T00:00:00"),),
        notes=("one was <skipped>",),
    )
    text = scenes._repr_html_()
    assert "quake, 2018-09-05 18:07 UTC" in text
    assert text.count("<tr>") == 4
    for said in ("a&lt;b", "2018-08-01 01:30", "3 %", "one was &lt;skipped&gt;", "surface model"):
        assert said in text


def test_a_plan_a_pair_and_a_model_are_tables():
    plan = MapPlan(1234.5, 7, 8, 9, 10, 11_000_000, 3e9, "CPU", 120.0, 60.0, 3700.0, 1.5)
    assert "1,234.5 km² in 7 regions" in plan._repr_html_()
    assert "1:01:40" in plan._repr_html_()
    assert "<thead>" not in plan._repr_html_()
    pair = PairQuality(
        90.0, 80.0, 75.0, None, None, None, None, 0, None, None, None, ("too <dark>",)
    )
    assert "too &lt;dark&gt;" in pair._repr_html_()
    model = LoadedModel(CARD, None)
    assert model._repr_html_() == CARD._repr_html_()
    assert "stand-in" in CARD._repr_html_()
    assert "pre, post, topography" in CARD._repr_html_()
