"""A report holds what is in the map, and nothing leads out of it."""

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely.geometry import Point, Polygon

from lscube.cli import main
from lscube.cube.masks import AreaFlag, Reason
from lscube.cube.pair import PairQuality
from lscube.errors import InputError, InventoryError, ModelError, StoreError
from lscube.mapping import open_map
from lscube.markup import as_json, bullets, facts, folded, paragraph, table, warning
from lscube.products import ReportContents, ReportSettings, explore, overview_grid, write_report
from lscube.products.inventory import make_inventory
from lscube.products.report import assets, fetch
from lscube.products.report.images import photographs, probability_image, reason_image
from lscube.products.report.landslides import GRAIN, collect
from lscube.products.report.overview import REASONS, UNKNOWN, crop, summarise
from lscube.products.run import run_id
from lscube.settings import InventorySettings
from tests import map_job
from tests.needs import LIBRARIES, needs
from tests.report_map import CARD, grid_of, made_images, made_inventory, made_map, square
from tests.scenes import EVENT_TIME, NORTH, WEST, inner_area, simple_event
from tests.test_cli import error_of

QUALITY = PairQuality(
    90.0, 80.0, 75.0, 1.0, -2.0, 0.2, 0.05, 9, 10.0, 5.0, 30, ("the light <differs>",)
)

SCORES = {
    **{"mcc": 0.5, "f1": 0.6, "precision": None, "recall": 0.7, "threshold": 0.5, "pixels": 1234},
    **{"held_out": False, "reference_is": "simulated inventory"},
}


def fresh(shape=(20, 30), value=0.25):
    return np.full(shape, value, np.float32)


# --- The overview ---


def test_pixels_are_counted_by_their_first_reason_inside_the_area():
    observed = np.zeros((20, 30), int)
    observed[0, :3] = Reason.CLOUD
    observed[1, :2] = (Reason.SNOW | Reason.CLOUD_SHADOW) << 8
    observed[19] = Reason.NO_DATA
    area = np.zeros((20, 30), np.uint8)
    area[19] = AreaFlag.OUTSIDE_AREA
    area[5, 5] = AreaFlag.NO_ELEVATION
    probability = np.where((observed == 0) & (area == 0), 0.25, np.nan)
    counts = summarise(made_map(probability, observed, area)).counts
    assert counts.pixels == 19 * 30
    assert counts.mapped == 19 * 30 - 3 - 2 - 1
    assert counts.both == 19 * 30 - 5
    before = dict(zip(REASONS, counts.before[1:], strict=True))
    after = dict(zip(REASONS, counts.after[1:], strict=True))
    assert {reason: n for reason, n in before.items() if n} == {Reason.CLOUD: 3}
    assert {reason: n for reason, n in after.items() if n} == {Reason.CLOUD_SHADOW: 2}
    assert counts.before[0] == counts.pixels - 3
    assert counts.no_elevation == 1
    assert counts.probability[5] == counts.mapped  # 0.25 is in the sixth of 20 classes
    assert [str(day)[:10] for day in counts.days] == ["2018-10-01"] * 2


def test_nothing_observed_after_has_no_days():
    dark = np.full((4, 4), Reason.CLOUD << 8)
    counts = summarise(made_map(fresh((4, 4), np.nan), dark)).counts
    assert counts.days is None
    assert counts.mapped == counts.both == 0


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    edge=st.integers(1, 45),
    tile=st.integers(1, 50),
    seed=st.integers(0, 9),
)
def test_the_overview_does_not_depend_on_how_the_map_is_read(shape, edge, tile, seed):
    draw = np.random.default_rng(seed)
    observed = draw.integers(0, 1 << 16, shape) * (draw.random(shape) < 0.3)
    area = (draw.random(shape) < 0.2).astype(np.uint8)
    probability = np.where((observed == 0) & (area == 0), draw.random(shape), np.nan)
    mapped = made_map(probability, observed, area)
    once, often = summarise(mapped, edge), summarise(mapped, edge, tile)
    assert max(once.probability.shape) <= edge
    for name in ("probability", "before", "after"):
        np.testing.assert_array_equal(getattr(once, name), getattr(often, name))
        np.testing.assert_array_equal(
            getattr(once.counts, name), getattr(often.counts, name), err_msg=name
        )
    assert once.counts.pixels == often.counts.pixels == int((area == 0).sum())
    assert once.counts.mapped == int(np.isfinite(probability).sum())
    assert once.counts.before.sum() == once.counts.after.sum() == once.counts.pixels


def test_a_block_shows_its_highest_probability():
    probability = fresh((7, 10), 0.1)
    probability[2, 3] = 0.93
    probability[4:, 8:] = np.nan
    overview = summarise(made_map(probability), edge=5)
    assert overview.step == 2
    assert overview.probability.shape == (4, 5)
    assert overview.probability[1, 1] == 93
    assert overview.probability[2, 4] == overview.probability[3, 4] == UNKNOWN
    assert overview.probability[0, 0] == 10


def test_a_map_is_cropped_to_its_area():
    inner = (WEST + 100, NORTH - 150, WEST + 220, NORTH - 40)
    part = crop(made_map(fresh(), bounds=inner)).odc.geobox.boundingbox
    for ours, theirs, outwards in zip(part, inner, (-1, -1, 1, 1), strict=True):
        assert 0 <= (ours - theirs) * outwards <= 20


def test_images_are_read_on_the_overviews_blocks():
    grid = overview_grid(made_map(fresh((21, 30))), edge=10)
    assert grid.shape == (7, 10)
    assert grid.affine == grid_of((7, 10), 30.0).affine


# --- Pictures ---


def decoded(address: str) -> Image.Image:
    kind, data = address.split(";base64,")
    assert kind in ("data:image/png", "data:image/webp")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_probability_is_clear_where_low_or_unknown():
    probability = np.array([[0.0, 0.03, 0.5, 1.0, np.nan]])
    pixels = np.asarray(
        decoded(probability_image(summarise(made_map(probability)))).convert("RGBA")
    )
    assert pixels.shape == (1, 5, 4)
    opacity = pixels[0, :, 3].tolist()
    assert opacity[0] == opacity[1] == opacity[4] == 0
    assert 0 < opacity[2] < opacity[3] == 255
    red, green = pixels[0, :, 0].astype(int), pixels[0, :, 1].astype(int)
    assert green[3] < green[2] < red[2]  # yellow to dark red


def test_reasons_have_the_colours_of_the_cubes_picture():
    overview = summarise(made_map(fresh((1, 2), np.nan), np.array([[0, Reason.MASKED_BY_USER]])))
    pixels = np.asarray(decoded(reason_image(overview.before)).convert("RGBA"))
    assert pixels[0, 0, 3] == 0
    assert pixels[0, 1].tolist()[:3] == [128, 0, 128]
    assert pixels[0, 1, 3] > 128
    assert not np.asarray(decoded(reason_image(overview.after)).convert("RGBA"))[..., 3].any()


def test_images_are_stretched_together():
    taken = photographs(made_images((8, 12)), edge=100, quality=90)
    before, after = (np.asarray(decoded(text)) for text in (taken.before, taken.after))
    assert before.shape == after.shape == (8, 12, 3)
    assert before.mean() < 20 < 235 < after.mean()
    assert [str(day) for day in taken.days] == ["2018-08-01"] * 2


def test_large_images_are_averaged_in_blocks():
    taken = photographs(made_images((9, 12)).drop_vars("pre_date"), edge=4, quality=90)
    assert decoded(taken.before).size == (4, 3)
    assert taken.grid == grid_of((3, 4), 30.0)
    assert taken.days is None


# --- Landslides ---


def shape_of(rings: list[list[list[int]]]) -> Polygon:
    """One polygon of the page, in pixels."""
    outer, *inner = [np.cumsum(np.reshape(ring, (-1, 2)), axis=0) / GRAIN for ring in rings]
    return Polygon(outer, inner)


def collected(frame, shape=(50, 60), edge=2048, most=5000):
    return collect(frame, summarise(made_map(fresh(shape)), edge), 10.0, most)


def test_shapes_come_back_in_pixels():
    ring = square(3, 4, 6).difference(square(5, 6, 2))
    found = collected(made_inventory(ring, square(20, 10)))
    (large,), (small,) = found.content["shapes"]
    in_pixels = Polygon(
        [(3, -4), (9, -4), (9, -10), (3, -10)], [[(5, -6), (7, -6), (7, -8), (5, -8)]]
    )
    assert shape_of(large).equals(in_pixels)
    assert shape_of(small).bounds == (20, -11, 21, -10)
    assert found.area == 3200 + 100


def test_the_largest_are_drawn_first_and_others_left_out():
    shapes = [square(2 * n, 2 * n, 1 + n % 3) for n in range(9)]
    found = collected(made_inventory(*shapes), most=4)
    assert (found.total, found.drawn) == (9, 4)
    assert found.content["ids"] == ["3", "6", "9", "2"]
    assert found.content["columns"][0]["values"] == [900, 900, 900, 400]
    assert found.drawn_area == 3100
    assert sum(found.sizes[1]) == 9


def test_size_classes_begin_at_powers_of_ten():
    found = collected(made_inventory(square(0, 0), square(3, 3), square(10, 10, 4)))
    begins, counts = found.sizes
    assert begins[0] == pytest.approx(100)
    assert begins[4] == pytest.approx(1000)
    assert (counts[0], counts[4], sum(counts)) == (2, 1, 3)  # 1600 m² are below 1778


def test_attributes_are_rounded_and_gaps_named():
    frame = made_inventory(
        square(1, 1, 2),
        square(9, 9),
        mean_probability=[0.98765, np.nan],
        calibrated=[True, False],
        post_date=["2018-10-01", None],
        highest_m=[np.nan, np.nan],
        remark=["not shown", ""],
    )
    columns = {column["name"]: column for column in collected(frame).content["columns"]}
    assert columns["mean_probability"]["values"] == [0.99, None]
    assert columns["calibrated"]["values"] == ["yes", "no"]
    assert columns["post_date"]["values"] == ["2018-10-01", None]
    assert not {"highest_m", "remark"} & set(columns)


def test_an_inventory_in_degrees_lies_where_it_does_in_metres():
    frame = made_inventory(square(3, 4, 6))
    ((there,),) = collected(frame.to_crs("EPSG:4326")).content["shapes"]
    assert shape_of(there).bounds == (3, -10, 9, -4)


def test_shapes_are_simplified_where_blocks_have_several_pixels():
    stairs = square(0, 0, 10)
    for step in range(10, 20):
        stairs = stairs.union(square(step, step - 1, 1))
    fine, coarse = (collected(made_inventory(stairs), edge=edge) for edge in (60, 6))
    lengths = [len(found.content["shapes"][0][0][0]) for found in (fine, coarse)]
    assert lengths[1] < lengths[0]


def test_bad_inventories_are_refused():
    with pytest.raises(InventoryError, match="with a CRS"):
        collected(made_inventory(square(1, 1)).set_crs(None, allow_override=True))
    with pytest.raises(InventoryError, match="polygons, got also Point"):
        collected(made_inventory(square(1, 1), Point(WEST, NORTH)))


# --- Markup ---


def test_all_text_is_escaped():
    bad = "<script>alert('x')</script> & \"more\""
    for made in (
        paragraph(bad), bullets([bad]), facts([(bad, bad)]), table(bad, (bad,), [(bad, bad)]),
        warning([bad]), folded(bad, ""),
    ):  # fmt: skip
        assert "<script" not in made
        assert "&lt;script" in made
    assert bullets([]) == warning([]) == ""


@needs(LIBRARIES)
def test_scripts_mean_the_same_in_ascii():
    for script, name in zip(assets.scripts(), (*assets.SCRIPTS, "own"), strict=True):
        assert script.isascii(), name
    assert "toFixed(5)}\\u00b0 " in script  # the degree sign of a place


def test_json_cannot_end_its_element():
    content = {"</script><!--": "\u2028<b>", "ü": [1.5, None]}
    text = as_json(content)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == content


# --- The page ---


class Page(HTMLParser):
    """Elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.script_texts, self.words = [], [], ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.script_texts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.script_texts[-1] = (self.script_texts[-1][0], self.script_texts[-1][1] + data)
        elif self._inside != "style":
            self.words += data

    def named(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def full_contents(mapped, **changes) -> ReportContents:
    frame = made_inventory(
        square(3, 4, 5), square(15, 8, 2), mean_probability=[0.9, 0.8], run_id=[run_id(mapped)] * 2
    )
    given = {
        **{"images": made_images((20, 30)), "inventory": frame, "scores": SCORES},
        **{"quality": QUALITY, "cards": (CARD,), "command": "lscube report --map /home/me/m.zarr"},
    }
    return ReportContents(**given | changes)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[str, Page]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    mapped = made_map(fresh(), event="<b>event</b>")
    made = write_report(path, mapped, full_contents(mapped))
    assert (made.landslides, made.drawn, made.notes) == (2, 2, ())
    text = path.read_text(encoding="utf-8")
    assert made.size == len(text.encode())
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    return text, Page(text)


@needs(LIBRARIES)
def test_the_page_forbids_what_it_does_not_need(page):
    text, parsed = page
    (policy,) = (m["content"] for m in parsed.named("meta") if "http-equiv" in m)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in rules["script-src"]
    run = [code for attrs, code in parsed.script_texts if attrs.get("type") != "application/json"]
    assert rules["script-src"].split() == [assets.hash_of(code) for code in run]
    assert len(run) == 3
    assert text.isascii()  # else an encoding could change a script, and so its hash


@needs(LIBRARIES)
def test_nothing_in_the_page_leads_out_of_it(page):
    text, parsed = page
    for _, attrs in parsed.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:,")), attrs
    style = "".join(re.findall(r"(?s)<style>(.*?)</style>", text))
    assert "url(" not in style
    assert "@import" not in style
    assert "sourceMappingURL" not in text
    content = json.loads(next(t for a, t in parsed.script_texts if a.get("id") == "content"))
    assert {layer["src"].split(",")[0] for layer in content["layers"].values()} == {
        "data:image/png;base64", "data:image/webp;base64",
    }  # fmt: skip


@needs(LIBRARIES)
def test_the_page_says_what_is_known_without_the_makers_folders(page):
    text, parsed = page
    mapped = made_map(fresh(), event="<b>event</b>")
    for said in (
        *("<b>event</b>", run_id(mapped), "trained-event", SHA256_START, "Leaflet", "uPlot"),
        *("SOME OF THEM WERE SEEN IN TRAINING", "simulated inventory", "The light <differs>."),
        *(
            "2 landslides, together 0.00 km²; up to 0.00 km² more may hide",
            "offset 0 (<said so>)",
            "2018-08-01",
            "2018-10-01",
        ),
        *("lscube report --map m.zarr", "mask lakes.gpkg", "Redistribution and use in source"),
    ):
        assert said in parsed.words, said
    assert "/home/" not in text
    assert not parsed.named("b")


SHA256_START = "sha256 " + "a" * 64


@needs(LIBRARIES)
def test_a_map_alone_makes_a_page_that_says_what_is_missing(tmp_path):
    write_report(tmp_path / "r.html", made_map(fresh()))
    words = Page((tmp_path / "r.html").read_text()).words
    for said in (
        "No inventory was given",
        "No scores were given",
        "images were not given",
        "no card",
    ):
        assert said in words


@needs(LIBRARIES)
def test_an_empty_inventory_is_a_result(tmp_path):
    contents = ReportContents(inventory=made_inventory().set_crs("EPSG:32654", allow_override=True))
    made = write_report(tmp_path / "r.html", made_map(fresh()), contents)
    assert made.landslides == 0
    assert "The inventory is empty" in Page((tmp_path / "r.html").read_text()).words


@needs(LIBRARIES)
def test_what_is_left_out_is_said(tmp_path):
    contents = ReportContents(inventory=made_inventory(square(1, 1, 2), square(9, 9)))
    made = write_report(
        tmp_path / "r.html", made_map(fresh()), contents, ReportSettings(edge=10, polygons=1)
    )
    assert (made.landslides, made.drawn) == (2, 1)
    blocks, outlines, largest, another = made.notes
    assert "blocks of 3 x 3 pixels" in blocks
    assert "simplified" in outlines
    assert "1 largest of 2 landslides, with 80% of their area" in largest
    assert another == "The inventory does not say which map it was drawn from."
    words = Page((tmp_path / "r.html").read_text()).words
    assert all(note in words for note in made.notes)


@needs(LIBRARIES)
def test_a_page_that_lists_no_landslide_does_not_ask_to_choose_one(tmp_path):
    mapped = made_map(fresh())
    made = write_report(
        tmp_path / "r.html", mapped, full_contents(mapped), ReportSettings(polygons=0)
    )
    assert made.notes == (
        "None of 2 landslides is drawn or listed; the inventory's file has them all.",
    )
    words = Page((tmp_path / "r.html").read_text()).words
    assert "None of 2 landslides is drawn or listed." in words
    assert "Choose one" not in words


# --- Totals, and what belongs to the map ---

RULES = "threshold 0.834, low 0.7, connectivity 8, min_area 400 m2, fill_holes 300 m2, simplify 0 m"


def summary_of(mapped, **changes):
    """As of `lscube inventory --summary`."""
    return {
        **{"landslides": 2, "area_m2": 19_270_400.0, "most_area_m2": 62_119_600.0},
        **{"run_id": run_id(mapped), "settings": {"threshold": 0.834, "low": 0.7, "connectivity": 8,
           "min_area": 400.0, "fill_holes": 300.0, "simplify": 0.0, "cell": 1000.0}},
    } | changes  # fmt: skip


def words_of(tmp_path, mapped, contents) -> str:
    write_report(tmp_path / "r.html", mapped, contents)
    return Page((tmp_path / "r.html").read_text()).words


def test_the_pages_areas_are_the_inventorys():
    """On the ellipsoid; beside the middle of the zone a pixel is not what its side squared is."""
    probability = np.full((300, 400), 0.2)
    probability[:, :100] = np.nan
    probability[50:60, 200:230] = 0.9
    area = np.zeros(probability.shape, np.uint8)
    area[:20] = AreaFlag.OUTSIDE_AREA
    inner = (WEST + 40, NORTH - 2960, WEST + 3950, NORTH - 130)
    mapped = made_map(np.where(area == 0, probability, np.nan), area=area, bounds=inner)
    mapped["area"][:, :4] = AreaFlag.OUTSIDE_AREA
    mapped["area"][:, 395:] = AreaFlag.OUTSIDE_AREA
    mapped["area"][296:] = AreaFlag.OUTSIDE_AREA
    of_inventory = make_inventory(mapped).summary
    counts = summarise(mapped, tile=70).counts
    assert counts.inside_m2 == of_inventory.inside_m2
    assert counts.mapped_m2 == of_inventory.observed_m2
    assert abs(counts.inside_m2 / (100 * counts.pixels) - 1) > 1e-4


@needs(LIBRARIES)
def test_with_a_summary_the_total_is_an_interval(tmp_path):
    mapped = made_map(fresh())
    contents = full_contents(mapped, summary=summary_of(mapped))
    words = words_of(tmp_path, mapped, contents)
    assert "What was not observed leaves open 19.27 to 62.12 km² of landslides" in words
    assert "may hide" not in words
    assert words.count(RULES) == 2
    alone = ReportContents(summary=summary_of(mapped))
    assert "19.27 to 62.12 km²" in words_of(tmp_path, mapped, alone)


@needs(LIBRARIES)
def test_a_real_summary_is_taken(tmp_path):
    probability = fresh()
    probability[3:6, 4:9] = 0.9
    probability[10:12] = np.nan
    mapped = made_map(probability)
    made = make_inventory(mapped, InventorySettings(threshold=0.6, min_area=200))
    contents = ReportContents(inventory=made.frame, summary=made.summary.as_dict())
    words = words_of(tmp_path, mapped, contents)
    assert "threshold 0.6, low 0.6, connectivity 8, min_area 200 m2" in words


@needs(LIBRARIES)
def test_the_page_says_what_the_landslides_were_drawn_at(tmp_path):
    mapped = made_map(fresh())
    frame = full_contents(mapped).inventory.assign(rules=[RULES, RULES])
    words = words_of(tmp_path, mapped, full_contents(mapped, inventory=frame))
    assert f"Landslides drawn at{RULES}" in words.replace("\n", "")
    assert "may hide" in words


@needs(LIBRARIES)
def test_an_inventory_of_an_unfinished_map_is_refused_unless_asked_for(tmp_path):
    mapped = made_map(fresh())
    frame = full_contents(mapped).inventory
    early = frame.assign(finished=[True, False])
    with pytest.raises(InventoryError, match="before the map's run had come to its end"):
        write_report(tmp_path / "r.html", mapped, full_contents(mapped, inventory=early))
    assert not list(tmp_path.iterdir())
    said = "The inventory was drawn before the map's run had come to its end"
    for drawn, there in ((early, True), (frame.assign(finished=True), False)):
        contents = full_contents(mapped, inventory=drawn, unfinished=True)
        assert (said in words_of(tmp_path, mapped, contents)) == there


@needs(LIBRARIES)
def test_the_page_is_small_whatever_its_images_show(tmp_path):
    """Noise is the worst: with the default of 2048 pixels it would be 16 times as much, below 20 MB."""
    draw = np.random.default_rng(3)
    shape = (512, 512)
    images = made_images(shape)
    for side in ("pre", "post"):
        images[side].values[:] = draw.random((3, *shape))
    frame = made_inventory(*(square(3 * (n % 160), 3 * (n // 160), 2) for n in range(2000)))
    contents = ReportContents(images=images, inventory=frame)
    made = write_report(
        tmp_path / "r.html", made_map(draw.random(shape)), contents, ReportSettings(edge=512)
    )
    assert made.drawn == 2000
    assert made.size < 20e6 / 16


REFUSED = {
    "another run's inventory": (
        {"inventory": made_inventory(square(1, 1), run_id=["0" * 12])},
        InventoryError, "of run 000000000000",
    ),
    "another run's summary": (
        {"summary": summary_of(made_map(fresh()), run_id="0" * 12)},
        InventoryError, "summary of this map's inventory .* of run 000000000000",
    ),
    "another inventory's summary": (
        {"summary": summary_of(made_map(fresh()), landslides=3), "inventory": made_inventory(square(1, 1))},
        InventoryError, r"summary of this inventory \(1 landslides\), got one of 3",
    ),
    "no summary": ({"summary": {"area_m2": 3}}, InventoryError, "got something else"),
    "no images": ({"images": made_map(fresh())}, InputError, "Expected images with `pre` and `post`"),
    "another model's card": ({"cards": ({"sha256": "b" * 64},)}, ModelError, "got bbbb"),
    "images in another CRS": (
        {"images": made_images((20, 30)).odc.assign_crs("EPSG:32655")}, InputError, "in the map's CRS",
    ),
}  # fmt: skip


@needs(LIBRARIES)
@pytest.mark.parametrize("case", REFUSED)
def test_what_belongs_to_another_map_is_refused(case, tmp_path):
    given, error, said = REFUSED[case]
    with pytest.raises(error, match=said):
        write_report(tmp_path / "r.html", made_map(fresh()), ReportContents(**given))
    assert not list(tmp_path.iterdir())


@needs(LIBRARIES)
def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Expected to write"):
        write_report(tmp_path / "file" / "r.html", made_map(fresh()))


@needs(LIBRARIES)
def test_a_notebook_shows_the_map_in_a_frame_that_reaches_nothing():
    shown = explore(made_map(fresh()), height=500)
    assert "script" not in repr(shown)
    (frame,) = Page(shown._repr_html_()).named("iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert "height:500px" in frame["style"]
    inner = Page(frame["srcdoc"])
    assert "Where it came from" not in inner.words
    assert any("http-equiv" in meta for meta in inner.named("meta"))


# --- The libraries ---


def test_libraries_are_pinned_with_their_hashes_and_name_no_registry():
    lock = json.loads((fetch.WEB / fetch.LOCK).read_text())["packages"]
    wanted = json.loads((fetch.WEB / "package.json").read_text())["dependencies"]
    packages = {name.removeprefix("node_modules/"): entry for name, entry in lock.items() if name}
    assert set(packages) == set(wanted) == set(fetch.FILES)
    for name, entry in packages.items():
        assert entry["version"] == wanted[name]
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
        assert "LICENSE" in fetch.FILES[name]


def test_without_the_libraries_one_sentence_says_how_to_get_them(tmp_path):
    assert not fetch.is_fetched(tmp_path)
    with pytest.raises(InputError, match=r"run `make assets`"):
        assets.check(tmp_path)


def test_without_npm_one_sentence_says_so(tmp_path):
    with pytest.raises(fetch.FetchError, match="Expected npm"):
        fetch.fetch(tmp_path / "libraries", npm="no-such-npm")
    assert not list(tmp_path.iterdir())


def test_what_npm_refuses_is_told(tmp_path):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code EINTEGRITY' >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(fetch.FetchError, match="EINTEGRITY"):
        fetch.fetch(tmp_path / "libraries", npm=str(npm))
    assert not (tmp_path / "libraries").exists()


def test_what_npm_brings_is_taken(tmp_path):
    npm = tmp_path / "npm"
    lines = [f"mkdir -p node_modules/{name}/dist" for name in fetch.FILES]
    lines += [
        f"echo {file} > node_modules/{name}/{file}"
        for name, files in fetch.FILES.items()
        for file in files
    ]
    npm.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    npm.chmod(0o755)
    fetch.fetch(tmp_path / "libraries", npm=str(npm))
    assert fetch.is_fetched(tmp_path / "libraries")
    assert (tmp_path / "libraries" / "leaflet" / "leaflet.js").read_text() == "dist/leaflet.js\n"
    fetch.fetch(tmp_path / "libraries", npm="no-such-npm")  # nothing is left to do


def test_the_libraries_are_fetched_before_anything_is_installed():
    """The build runs the file alone, with nothing but Python."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, fetch.__file__],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"numpy", "lscube", "xarray"} & set(done.stdout.split())


# --- The command ---


@pytest.fixture(scope="module")
def event(tmp_path_factory):
    """Scenes and a map of them, made with a stand-in for the network."""
    folder = tmp_path_factory.mktemp("event")
    simple_event(folder)
    map_job.run(folder, folder / "map.zarr")
    return folder


def job_of(folder) -> list[str]:
    area = ",".join(str(value) for value in inner_area(rim=200.0))
    return ["--source", str(folder / "items.json"), "--aoi", area, "--event-time", EVENT_TIME]


@needs(LIBRARIES)
def test_the_command_makes_a_page(event, tmp_path, capsys):
    out = tmp_path / "report.html"
    (tmp_path / "scores.json").write_text(json.dumps(SCORES))
    made_inventory(square(40, 50, 5)).to_file(tmp_path / "landslides.gpkg")
    options = ["--map", str(event / "map.zarr"), *job_of(event), "--out", str(out)]
    options += ["--scores", str(tmp_path / "scores.json")]
    mapped = open_map(event / "map.zarr")
    (tmp_path / "summary.json").write_text(json.dumps(summary_of(mapped, landslides=1)))
    options += ["--inventory", str(tmp_path / "landslides.gpkg"), "--unfinished"]
    options += ["--summary", str(tmp_path / "summary.json")]
    assert main(["report", *options]) == 0
    said = capsys.readouterr().out
    assert "1 landslide drawn" in said
    assert "does not say which map it was drawn from" in said
    parsed = Page(out.read_text())
    assert "--map map.zarr" in parsed.words
    assert "--unfinished --out report.html" in parsed.words
    assert "19.27 to 62.12 km²" in parsed.words
    assert str(event) not in out.read_text()
    assert "Season" in parsed.words  # the pair was measured
    assert "unfinished:" not in parsed.words
    content = json.loads(next(t for a, t in parsed.script_texts if a.get("id") == "content"))
    assert set(content["layers"]) >= {"before", "after"}


@needs(LIBRARIES)
def test_an_unfinished_map_is_refused_unless_asked_for(event, tmp_path, capsys):
    out, store = tmp_path / "report.html", tmp_path / "map.zarr"
    (event / "map.zarr").rename(tmp_path / "map.zarr.partial")
    options = ["report", "--map", str(store), "--out", str(out)]
    try:
        assert main(options) == 2
        assert "unfinished" in error_of(capsys)
        assert not out.exists()
        assert main([*options, "--unfinished"]) == 0
        assert "The map is unfinished" in Page(out.read_text()).words
    finally:
        (tmp_path / "map.zarr.partial").rename(event / "map.zarr")


OTHER = str(fetch.WEB / "package.json")

BAD = {
    "no map": (["--map", "nowhere.zarr"], "Expected a finished map"),
    "no inventory": (["--inventory", "nowhere.gpkg"], "Expected an inventory at"),
    "no scores": (["--scores", "nowhere.json"], "scores at nowhere.json, found no such file"),
    "other scores": (["--scores", OTHER], f"scores at {OTHER}, found something else"),
    "a folder of scores": (["--scores", "/"], "scores at /, but Is a directory"),
    "no summary": (["--summary", "nowhere.json"], "summary at nowhere.json, found no such file"),
    "another summary": (["--summary", OTHER], f"summary at {OTHER}, found something else"),
    "no model": (["--model", "nowhere"], "Expected a saved model"),
}


@needs(LIBRARIES)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence_and_nothing_is_left(
    case, event, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options, said = BAD[case]
    known = [] if "--map" in options else ["--map", str(event / "map.zarr")]
    assert main(["report", *known, *options, "--out", "report.html"]) == 2
    assert said in error_of(capsys)
    assert not list(tmp_path.iterdir())


def test_another_jobs_scenes_are_refused(event, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    text = simple_event(other).read_text()
    (other / "items.json").write_text(text.replace('"id": "after"', '"id": "later"'))
    options = ["--map", str(event / "map.zarr"), *job_of(other), "--out", str(tmp_path / "r.html")]
    assert main(["report", *options]) == 2
    assert "post scenes of the map (after), the job finds (later)" in error_of(capsys)
