import dataclasses
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lscube.evaluate.figures import FIGURES, draw_confusion, draw_figures
from lscube.evaluate.figures.common import model_label
from lscube.evaluate.figures.confusion import VIEW, densest_view, labelled_part, majority
from lscube.evaluate.figures.frequency import frequency_density, general_density
from lscube.evaluate.figures.jackknife import jackknife_differences
from lscube.evaluate.figures.lookup import main_combined, score_of
from lscube.evaluate.figures.reliability import combined_scores
from lscube.evaluate.figures.spider import corners, unseen_styles, why_missing
from lscube.evaluate.results import (
    AreaFacts,
    Curve,
    ExperimentResults,
    MapScores,
    ModelFacts,
    Reliability,
    SizeClass,
)
from lscube.scores import IGNORE

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
OBSERVED, PIXELS = (0.004, 0.02, 0.2, 0.7), (90_000, 800, 40, 300)


def an_area(letter, role="train", sizes=(100.0, 400.0, 900.0)):
    return AreaFacts(
        letter, f"event-{letter}", f"Event {letter}", "earthquake", role, 120.0, tuple(sizes)
    )


def a_model(name, part, trained_on, resolution=10.0, **others):
    given = {"status": "done", "epochs": 30, "seconds": 4000.0, "threshold": 0.4, **others}
    return ModelFacts(name, part, resolution, tuple(trained_on), **given)


def a_score(model, area, mcc, precision=0.8, recall=0.6, **others):
    """A map's scores; F1 follows from precision and recall, the curve has its top at 0.4.

    A to D are trained on, as in the paper.
    """
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else None
    curve = tuple(mcc - abs(threshold - 0.4) * 0.8 for threshold in THRESHOLDS)
    given = {
        "region": "test region" if area in "ABCD" else "whole area",
        "threshold": 0.4,
        "tp": 60,
        "fp": 15,
        "fn": 40,
        "tn": 9885,
        "intervals": {},
        "curve": Curve(THRESHOLDS, curve, *3 * (tuple(None for _ in THRESHOLDS),)),
        "reliability": Reliability((0.001, 0.05, 0.4, 0.9), OBSERVED, PIXELS, 0.0123),
        "calibrated": Reliability((0.003, 0.02, 0.2, 0.75), OBSERVED, PIXELS, 0.0041),
        "sizes": (
            SizeClass(0, 1e3, 50, 5, 20, 10),
            SizeClass(1e3, 1e4, 20, 15, 18, 16),
            SizeClass(1e4, None, 0, 0, 0, 0),
        ),
        "seconds": 12.0,
        **others,
    }
    return MapScores(
        model=model, area=area, mcc=mcc, f1=f1, precision=precision, recall=recall, **given
    )


def an_experiment(scores=(), models=(), areas=(), **others):
    given = {
        "name": "small",
        "reference_is": "simulated inventory",
        "created": "2026-01-02T03:04:05Z",
        "command": "lscube experiment run small.toml",
        "hardware": "2 cores",
        "seconds": 11_220.0,
        "versions": {"keras": "3.15"},
        **others,
    }
    return ExperimentResults(
        areas=tuple(areas), models=tuple(models), scores=tuple(scores), **given
    )


MCC = {"A": 0.71, "B": 0.52, "C": 0.66, "E": 0.41, "F": 0.55, "G": 0.30}


def the_paper_in_small():
    """Three training areas and three unseen ones at two resolutions; B is too small at 30 m."""
    generator = np.random.default_rng(4)
    areas = [
        an_area(letter, role, np.sort(10 ** generator.normal(3, 0.5, count)))
        for letter, role, count in (
            ("A", "train", 900), ("B", "train", 300), ("C", "train", 120), ("E", "test", 250),
            ("F", "test", 80), ("G", "test", 1),
        )
    ]  # fmt: skip
    models = [
        a_model(f"M_{resolution}^{letter}", "conventional", letter, float(resolution))
        for resolution in (10, 30)
        for letter in "ABC"
    ]
    small = models.index(a_model("M_30^B", "conventional", "B", 30.0))
    models[small] = ModelFacts("M_30^B", "conventional", 30.0, ("B",), "too small", "no patch fits")
    models += [a_model(f"M_{r}^ALL", "combined", "ABC", float(r)) for r in (10, 30)]
    models += [a_model(f"M_10^{name}", "jackknife", name) for name in ("BC", "AC", "AB")]
    models.append(a_model("M_10^A+B+C", "progressive", "ABC"))
    scores = []
    for number, model in enumerate(each for each in models if each.status == "done"):
        for area in areas:
            seen = area.letter in model.trained_on
            if area.role == "test" or seen or model.part == "jackknife":
                region = "test region" if seen else "whole area"
                gain = 0.02 * len(model.trained_on) - 0.07 * math.sin(5 * number + ord(area.letter))
                mcc = MCC[area.letter] + gain - (model.resolution > 10) * 0.1
                extra = {"mcc": (mcc - 0.02, mcc + 0.02), "recall": (0.5, 0.6)}
                scores.append(
                    a_score(model.name, area.letter, mcc, min(mcc + 0.25, 1), mcc - 0.1,
                            region=region, intervals=extra)
                )  # fmt: skip
    nothing = scores.index(next(s for s in scores if (s.model, s.area) == ("M_30^ALL", "G")))
    scores[nothing] = a_score("M_30^ALL", "G", 0.0, None, 0.0, calibrated=None)
    return an_experiment(scores, models, areas)


def test_a_model_that_does_everything_right_fills_the_diamond():
    assert corners(1, 1, 1, 1).tolist() == [[0, 1], [1, 0], [0, -1], [-1, 0]]


def test_each_score_has_its_own_corner():
    up, right, down, left = corners(mcc=0.5, f1=0.6, precision=0.9, recall=0.4)
    assert up.tolist() == [0, 0.5]
    assert right.tolist() == [0.4, 0]
    assert down.tolist() == [0, -0.6]
    assert left.tolist() == [-0.9, 0]


def test_what_is_undefined_or_below_chance_lies_in_the_middle():
    assert not corners(-0.3, None, None, 0.0).any()


def test_models_on_unseen_areas_can_be_told_apart():
    areas = [an_area(str(number)) for number in range(35)]
    styles = unseen_styles(an_experiment(areas=areas)).values()
    assert len({(style["color"], str(style["linestyle"])) for style in styles}) == 35


def test_an_empty_spider_says_why():
    small = a_model("M_30^C", "conventional", "C", status="too small")
    assert why_missing(small, None) == "too small"
    made = a_model("M_10^ALL", "combined", "ABC")
    assert why_missing(made, None) == "not scored"
    assert why_missing(made, a_score("M_10^ALL", "E", 0.0, None, 0.0)) == "nothing mapped"
    assert why_missing(None, None) == "not planned"


def test_names_as_the_paper_sets_them():
    assert model_label("M_10^ALL") == r"$M_{\text{10}}^{\text{ALL}}$"
    assert model_label("M_6^A costs $5") == r"$M_{\text{6}}^{\text{A}}$ costs \$5"


def test_a_training_area_is_scored_on_its_test_region_and_another_on_all_of_it():
    both = [a_score("M", "A", mcc, region=region)
            for region, mcc in (("whole area", 0.9), ("test region", 0.4))]  # fmt: skip
    results = an_experiment(both)
    assert score_of(results, "M", an_area("A", "train")).mcc == 0.4
    assert score_of(results, "M", an_area("A", "test")).mcc == 0.9
    assert score_of(results, "M", an_area("B")) is None
    assert score_of(an_experiment(both[:1]), "M", an_area("A", "train")) is None


def test_the_finest_combined_model_that_was_made_is_looked_at():
    models = [
        a_model("M_6^ALL", "combined", "AB", 6.0, status="failed"),
        a_model("M_30^ALL", "combined", "AB", 30.0),
        a_model("M_10^ALL", "combined", "AB", 10.0),
    ]
    assert main_combined(an_experiment(models=models)).name == "M_10^ALL"
    assert main_combined(an_experiment()) is None


def test_jackknife_differences_are_those_to_the_combined_model_of_the_same_resolution():
    areas = [an_area("A"), an_area("B"), an_area("E", "test"), an_area("F", "test")]
    models = [
        a_model("M_6^ALL", "combined", "AB", 6.0),
        a_model("M_10^ALL", "combined", "AB"),
        a_model("M_10^A", "jackknife", "A"),
    ]
    scores = [a_score("M_6^ALL", "E", 0.9), a_score("M_10^ALL", "E", 0.5)]
    scores += [a_score("M_10^A", "E", 0.3), a_score("M_10^A", "F", 0.3)]
    on_e, on_f = jackknife_differences(an_experiment(scores, models, areas))
    assert (on_e.area, on_e.left_out, on_e.model) == ("E", "B", "M_10^A")
    assert on_e.mcc == pytest.approx(-0.2)
    assert on_f.mcc is None  # the combined model was not scored there


def test_a_jackknife_model_that_lacks_nothing_is_left_out():
    areas = [an_area("A"), an_area("B"), an_area("E", "test")]
    models = [a_model("M_30^ALL", "combined", "A"), a_model("M_30^A", "jackknife", "A")]
    assert jackknife_differences(an_experiment((), models, areas)) == ()  # B was too small anyway


@given(st.lists(st.floats(1, 1e7), min_size=1, max_size=50))
def test_a_density_integrates_to_one_and_its_bins_hold_all_landslides(sizes):
    density = frequency_density(sizes)
    assert (density.values * np.diff(density.edges)).sum() == pytest.approx(1)
    assert density.edges[0] <= min(sizes) * (1 + 1e-9)
    assert density.edges[-1] >= max(sizes) * (1 - 1e-9)


def test_a_density_worked_out_by_hand():
    # Five bins in a decade: 10 to 15.8 holds one landslide, 63.1 to 100 three.
    density = frequency_density([12, 70, 80, 90])
    width = np.diff(10 ** (np.arange(5, 11) / 5))
    assert density.values == pytest.approx(np.array([0.25, 0, 0, 0, 0.75]) / width)


def test_a_density_needs_areas_above_nothing():
    for sizes in ([], [0.0, 10.0]):
        with pytest.raises(ValueError, match="above 0"):
            frequency_density(sizes)


def test_the_general_distribution_integrates_to_one_and_has_its_top_at_400_square_metres():
    below, above = quad(general_density, 0, 1e3)[0], quad(general_density, 1e3, np.inf)[0]
    assert below + above == pytest.approx(1, abs=1e-3)
    sizes = np.arange(10.0, 3000.0)
    assert sizes[np.argmax(general_density(sizes))] == pytest.approx(400, abs=10)


def test_reliability_is_that_of_the_combined_model_where_it_was_scored():
    results = the_paper_in_small()
    found = combined_scores(results, results.areas)
    assert [area.letter for area, _ in found] == list("ABCEFG")
    assert {score.model for _, score in found} == {"M_10^ALL"}


def plane(values):
    values = np.asarray(values)
    y, x = (10.0 * np.arange(size) for size in values.shape)
    return xr.DataArray(values, {"y": y[::-1], "x": x}, ("y", "x"))


def test_the_labelled_part_has_a_border_inside_the_grid():
    labels = np.full((60, 60), IGNORE, np.uint8)
    labels[5:20, 30:40] = 0
    part = labelled_part(plane(labels))
    assert plane(labels).isel(part).shape == (28, 26)
    assert part["y"].start == 0
    assert plane(labels).isel(labelled_part(plane(labels * 0 + IGNORE))).shape == (60, 60)


def test_a_small_map_is_shown_pixel_by_pixel():
    probability = plane(np.array([[0.9, 0.2, np.nan], [0.5, 0.4, 0.7]], np.float32))
    labels = plane(np.array([[1, 1, 1], [0, 0, IGNORE]], np.uint8))
    found, true = majority(probability, labels, 0.5)
    np.testing.assert_array_equal(found, [[1, 0, np.nan], [1, 0, np.nan]])
    np.testing.assert_array_equal(true, [[1, 1, IGNORE], [0, 0, IGNORE]])


def test_a_large_map_is_shown_by_majority_of_usable_pixels(monkeypatch):
    monkeypatch.setattr("lscube.evaluate.figures.confusion.MOST_PIXELS", 2)
    probability = plane(np.array([[0.9, 0.1, 0.9, np.nan], [0.9, 0.1, 0.1, 0.1]] * 2, np.float32))
    labels = plane(np.array([[1, 1, 0, 0], [1, 0, 0, IGNORE]] * 2, np.uint8))
    found, true = majority(probability, labels, 0.5)
    np.testing.assert_array_equal(found, [[1, 1], [1, 1]])  # two of four; one of two
    np.testing.assert_array_equal(true, [[1, 0], [1, 0]])
    assert float(found["x"][0]) == 5.0


def test_the_view_is_where_the_inventory_has_most_landslides():
    labels = np.zeros((1000, 700), np.uint8)
    labels[10:20, 10:20] = 1
    labels[900:940, 500:540] = 1
    view = densest_view(plane(labels))
    assert labels[view["y"], view["x"]].shape == (VIEW, VIEW)
    assert labels[view["y"], view["x"]].sum() == 1600
    low = densest_view(plane(labels[:100]))
    assert labels[:100][low["y"], low["x"]].shape == (100, VIEW)


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_all_figures_of_an_experiment_are_drawn(tmp_path):
    names = draw_figures(tmp_path, the_paper_in_small())
    assert names == tuple(figure.name for figure in FIGURES)
    assert all(is_png(tmp_path / name) for name in names)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_what_has_no_content_is_not_drawn_and_an_older_figure_goes(tmp_path):
    (tmp_path / "jackknife.png").write_bytes(b"older")
    results = the_paper_in_small()
    models = tuple(model for model in results.models if model.part == "conventional")
    names = draw_figures(tmp_path, dataclasses.replace(results, models=models, scores=()))
    assert names == ("frequency.png",)
    assert not (tmp_path / "jackknife.png").exists()
    assert draw_figures(tmp_path, an_experiment()) == ()


def test_a_confusion_map_is_drawn(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 10:30] = 1
    labels[:, 50:] = IGNORE
    probability = plane(np.clip(labels * 0.6 + generator.uniform(0, 0.5, labels.shape), 0, 1))
    bands = xr.concat([plane(generator.uniform(0, 0.3, labels.shape))] * 3, "band")
    image = xr.Dataset({"pre": bands, "post": bands + 0.1 * (labels == 1)})
    for number, reference in enumerate((labels, labels * 0)):
        path = tmp_path / f"confusion{number}.png"
        draw_confusion(path, image, probability, plane(reference), 0.5, "M_10^ALL, $ and all")
        assert is_png(path)
