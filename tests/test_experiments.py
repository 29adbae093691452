"""Experiments: which models there are, what they learn from, what is kept, and what is refused."""

import contextlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import tomllib
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import xarray as xr

from lscube.cli import main
from lscube.cube import read_cube
from lscube.errors import (
    IncompleteError,
    InventoryError,
    SettingsError,
    SourceError,
    StoreError,
    TrainingError,
)
from lscube.evaluate import score
from lscube.evaluate.results import read_results
from lscube.experiments import Execution, design_models, run_experiment
from lscube.experiments.areas import find_areas
from lscube.experiments.sides import check_sides, why_too_small
from lscube.grid import make_grid, read_area
from lscube.learn import TrainedEvent, held_out, load_model, make_labels, read_card
from lscube.learn.splits import make_sides
from lscube.mapping import open_map
from lscube.mapping.places.folder import only_run
from lscube.scores import IGNORE
from lscube.settings import (
    DesignSettings,
    SplitSettings,
    TrainSettings,
    load_experiment,
    make_experiment,
    make_job,
)
from lscube.simulate.twins import make_twin
from tests.networks import save_tiny

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "pipelines" / "configs" / "paper-simulated-small.toml"
ALL_PARTS = ("conventional", "combined", "generalisation", "jackknife", "progressive")

CONTENT = {
    "experiment": {
        "name": "tiny",
        "train": ["A", "B", "D"],
        "test": ["G"],
        "parts": list(ALL_PARTS),
        "resolutions": [10.0],
        "twins": "tiny",
        "block": 320.0,
    },
    "train": {"width": 0.05, "window": 32, "min_labelled": 0.2, "epochs": 1, "batch_size": 8},
    "predict": {"core": 96, "margin": 16, "engine": "keras", "precision": "float32"},
}


def changed(**design):
    return {**CONTENT, "experiment": {**CONTENT["experiment"], **design}}


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "untrained"
    save_tiny(folder)
    return folder


class Fit:
    """Stands in for training: notes what it was asked for, and saves an untrained network."""

    def __init__(self, network: Path, fails_on: str = "") -> None:
        self.network = network
        self.fails_on = fails_on
        self.asked: list[tuple[str, tuple[str, ...], Path | None, int]] = []
        self.splits: dict[str, dict[str, SplitSettings]] = {}

    def __call__(self, events, folder, settings, *, parent=None, say=print):
        names = tuple(event.id for event in events)
        self.splits[folder.name] = {event.id: event.split for event in events}
        if self.fails_on and names == (self.fails_on,):
            raise TrainingError(f"Expected a loss that is a number in {self.fails_on}, got nan.")
        self.asked.append((folder.name, names, parent, settings.epochs))
        shutil.copytree(self.network, folder)
        card = read_card(folder).model_copy(
            update={"events": tuple(TrainedEvent(id=name) for name in names)}
        )
        (folder / "card.json").write_text(card.model_dump_json(), encoding="utf-8")
        return load_model(folder)


class TestDesign:
    def test_the_papers_models(self):
        plans = design_models(load_experiment(PAPER).experiment)
        names = ["A", "B", "C", "D", "ALL", "BCD", "ACD", "ABD", "ABC"]
        assert [plan.name for plan in plans] == [f"M_10^{name}" for name in names]
        scored = {plan.name: dict(plan.scored) for plan in plans}
        unseen = dict.fromkeys("EFG", "whole area")
        assert scored["M_10^A"] == {"A": "test region", **unseen}
        assert scored["M_10^ALL"] == dict.fromkeys("ABCD", "test region") | unseen
        assert scored["M_10^ABD"] == {"C": "whole area", **unseen}

    def test_every_part_at_every_resolution(self):
        design = DesignSettings(name="x", train=("A", "B", "C"), test=("E",), parts=ALL_PARTS)
        plans = design_models(design)
        assert len({plan.name for plan in plans}) == len(plans) == 3 * (3 + 1 + 3 + 1)
        assert {plan.resolution for plan in plans} == {6.0, 10.0, 30.0}
        assert "M_6^A+B+C" in {plan.name for plan in plans}

    def test_without_generalisation_nothing_unseen_is_scored_but_by_the_jackknife(self):
        design = DesignSettings(
            name="x", train=("A", "B", "C"), test=("E",), parts=("conventional", "jackknife")
        )
        for plan in design_models(design):
            assert ("E" in dict(plan.scored)) == (plan.part == "jackknife")

    def test_long_names_stay_apart(self):
        design = DesignSettings(
            name="x",
            train=("gorkha", "iburi", "palu"),
            parts=("jackknife", "progressive"),
            resolutions=(10.0,),
        )
        assert [plan.name for plan in design_models(design)] == [
            "M_10^iburi.palu",
            "M_10^gorkha.palu",
            "M_10^gorkha.iburi",
            "M_10^gorkha+iburi+palu",
        ]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"train": ["A", "B", "E"], "test": ["E"]}, "each area can be named once.*not E"),
            ({"train": ["A", "B"]}, "jackknife needs at least three areas"),
            ({"train": []}, "experiment.train"),
            ({"resolutions": [0.1]}, "pixel sizes must be 1 to 1000 m"),
            ({"resolutions": [10, 10]}, "each pixel size can be given once"),
            ({"train": ["A", "B", "ALL"]}, "and is not ALL: not ALL"),
            ({"train": ["A", "B", "../x"]}, r"letters, digits, _ and -.*not \.\./x"),
            ({"train": ["A"], "parts": ["progressive"]}, "progressive needs at least two areas"),
            ({"parts": ["generalisation"]}, "parts needs one that trains models"),
            ({"parts": ["bootstrap"]}, "experiment.parts.0"),
            ({"colour": "red"}, "unknown setting 'experiment.colour'"),
        ],
    )
    def test_wrong_designs(self, change, words):
        with pytest.raises(SettingsError, match=words):
            make_experiment(changed(**change), ROOT)


class TestAreas:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("kaikura-2016", "got 'kaikura-2016'; did you mean 'B'"),
            ("a", r"of A, B, C, D, E, F, G, got 'a'; "),
            ("atlantis", r"add a section \[areas.NAME\]"),
        ],
    )
    def test_unknown_areas_name_the_nearest(self, twins, name, words):
        experiment = make_experiment(changed(train=["A", "D", name]), ROOT)
        with pytest.raises(SettingsError, match=words):
            find_areas(experiment, twins)

    def test_nothing_is_simulated_for_a_wrong_name(self, tmp_path):
        with contextlib.suppress(SettingsError):
            find_areas(make_experiment(changed(train=["A", "D", "Z"]), ROOT), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_test_event_is_not_trained_on(self, twins):
        experiment = make_experiment(changed(train=["A", "D", "E"]), ROOT)
        words = r"but E \(jiuzhaigou-2017\) is a test event in the registry; move it"
        with pytest.raises(SettingsError, match=words):
            find_areas(experiment, twins)

    def test_twins_bring_their_pairs_and_their_test_regions(self, twins):
        areas = find_areas(make_experiment(CONTENT, ROOT), twins)
        assert {name: area.role for name, area in areas.items()} == {
            **dict.fromkeys("ABD", "train"),
            "G": "test",
        }
        assert areas["A"].job.source.collections == ("fine-optical",)
        assert [job.source.collections for job in areas["A"].also] == [("sentinel-2-l2a",)]
        assert areas["B"].also == ()
        assert areas["D"].job.split.test is not None
        assert areas["G"].job.split.test is None
        assert areas["G"].trigger == "rainfall"

    def own(self, folder: Path, twins: Path, text: str = "") -> dict:
        made = make_twin("D", "tiny", twins)
        lines = f"""
            [event]
            id = "own-2018"
            time = "2018-09-05T18:07:00Z"
            [area]
            aoi = "{made.area}"
            [source]
            catalogs = "{made.items}"
            [labels]
            inventory = "{made.inventory}"
            [split]
            test = "{made.test}"
        """
        job = folder / "own.toml"
        job.write_text(text or lines, encoding="utf-8")
        return {
            **changed(train=["mine"], test=[], parts=["conventional"]),
            "areas": {"mine": {"job": "own.toml"}},
        }

    def test_two_areas_of_one_event_are_refused(self, tmp_path, twins):
        content = self.own(tmp_path, twins)
        shutil.copy(tmp_path / "own.toml", tmp_path / "again.toml")
        content["areas"]["again"] = {"job": "again.toml"}
        content["experiment"]["test"] = ["again"]
        with pytest.raises(SettingsError, match=r"mine and again both have event\.id 'own-2018'"):
            find_areas(make_experiment(content, tmp_path), twins)

    def test_a_further_pair_of_a_test_event_is_refused(self, tmp_path, twins):
        content = self.own(tmp_path, twins)
        text = (tmp_path / "own.toml").read_text(encoding="utf-8")
        (tmp_path / "more.toml").write_text(text.replace("own-2018", "cotabato-2019"))
        content["areas"]["mine"]["also"] = ["more.toml"]
        with pytest.raises(SettingsError, match=r"mine \(cotabato-2019\) is a test event"):
            find_areas(make_experiment(content, tmp_path), twins)

    def test_an_area_of_ones_own(self, tmp_path, twins):
        areas = find_areas(make_experiment(self.own(tmp_path, twins), tmp_path), twins)
        assert areas["mine"].job.event.id == "own-2018"
        assert areas["mine"].what == "own-2018"

    @pytest.mark.parametrize(
        ("section", "words"),
        [
            ("labels", "Expected labels in the job of area mine"),
            ("split", "Expected a test region"),
        ],
    )
    def test_what_an_area_of_ones_own_needs(self, tmp_path, twins, section, words):
        content = self.own(tmp_path, twins)
        job = tmp_path / "own.toml"
        text = re.sub(rf"\[{section}\]\n.*\n", "", job.read_text(encoding="utf-8"))
        content = self.own(tmp_path, twins, text)
        with pytest.raises(SettingsError, match=words):
            find_areas(make_experiment(content, tmp_path), twins)


def cube_of(inside: np.ndarray) -> xr.Dataset:
    """A cube of which only the area is known."""
    grid = make_grid(read_area((141.9, 42.7, 141.94, 42.73)), 10.0)
    rows, columns = inside.shape
    part = grid[:rows, :columns]
    area = np.where(inside, 0, 1).astype(np.uint8)
    fields = {"area": (("y", "x"), area), "observed": (("y", "x"), np.zeros_like(area, np.uint16))}
    coords = {name: part.coordinates[name].values for name in ("y", "x")}
    return xr.Dataset(fields, coords).odc.assign_crs(str(part.crs))


def patches(window: int) -> TrainSettings:
    return TrainSettings(window=window)


class TestSides:
    def job(self, **sections):
        return make_job(
            {
                "event": {"id": "e", "time": "2018-09-06"},
                "source": {"catalogs": "items.json"},
                **sections,
            },
            ROOT,
        )

    def test_an_area_narrower_than_a_patch_is_too_small(self):
        inside = np.zeros((100, 120), bool)
        inside[10:70, 5:115] = True
        assert why_too_small(cube_of(inside), self.job(), "test", patches(32)) == ""
        assert why_too_small(cube_of(inside), self.job(), "test", patches(64)) == (
            "the area of e is 0.60 km across, its patches of 10 m need 0.64 km"
        )

    def test_so_is_one_whose_test_region_is(self):
        split = {"by": "blocks", "test_share": 0.4, "block": 200.0}
        cube = cube_of(np.ones((200, 200), bool))
        assert why_too_small(cube, self.job(split=split), "test", patches(160)) == ""
        job = self.job(split={"test": [141.9, 42.7, 141.903, 42.73]})
        assert "the test region of e is 0.2" in why_too_small(cube, job, "train", patches(64))

    def test_so_is_one_whose_validation_strip_is(self):
        """A fifth of 200 pixels, where a patch of 128 needs half of itself labelled."""
        cube = cube_of(np.ones((200, 200), bool))
        job = self.job(split={"test": [141.9, 42.7, 141.9155, 42.73]})
        told = why_too_small(cube, job, "train", TrainSettings(window=64, min_labelled=0.9))
        assert told.startswith("the validation strip of e is 0.40 km across")
        assert why_too_small(cube, job, "train", TrainSettings(window=64)) == ""

    def test_a_region_without_landslides_is_refused(self, tmp_path, twins):
        experiment = make_experiment(changed(train=["A", "B", "D"]), ROOT)
        job = find_areas(experiment, twins)["D"].job
        import geopandas

        frame = geopandas.read_file(job.labels.inventory)
        west = frame[frame.centroid.x < frame.centroid.x.median()]
        west.to_file(tmp_path / "west.gpkg")
        labels = job.labels.model_copy(update={"inventory": tmp_path / "west.gpkg"})
        grid = make_grid(read_area(job.area.aoi), 10.0, job.area.epsg)
        blank = np.zeros(grid.shape, np.uint8)
        coords = {name: grid.coordinates[name].values for name in ("y", "x")}
        fields = {"area": (("y", "x"), blank), "observed": (("y", "x"), blank.astype(np.uint16))}
        cube = xr.Dataset(fields, coords).odc.assign_crs(str(grid.crs))
        check_sides(cube, job, experiment.train)
        spoilt = job.model_copy(update={"labels": labels})
        with pytest.raises(InventoryError, match="Expected landslides in the test region of iburi"):
            check_sides(cube, spoilt, experiment.train)


@pytest.fixture(scope="module")
def experiment():
    return make_experiment(CONTENT, ROOT)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, experiment, twins, untrained):
    """The whole experiment, with a stand-in for training."""
    out = tmp_path_factory.mktemp("experiment") / "out"
    fit = Fit(untrained)
    results = run_experiment(experiment, out, twins, Execution(command="as in the test", fit=fit))
    return out, results, fit


class TestRun:
    def test_every_model_learns_from_its_areas(self, ran):
        asked = {name: events for name, events, _, _ in ran[2].asked}
        a, also, b, d = (
            "chin-2015-twin",
            "chin-2015-twin, pair 2",
            "kaikoura-2016-twin",
            "iburi-2018-twin",
        )
        assert asked["M_10_A"] == (a,)
        assert asked["M_10_ALL"] == (a, also, b, d)
        assert asked["M_10_BD"] == (b, d)
        assert asked["M_10_AD"] == (a, also, d)
        assert asked["M_10_A+B+D-after-1"] == (a, also)
        assert asked["M_10_A+B+D-after-2"] == (a, also, b)
        assert asked["M_10_A+B+D"] == (a, also, b, d)

    def test_progressive_training_begins_from_the_weights_before(self, ran):
        parents = {name: parent for name, _, parent, _ in ran[2].asked}
        assert parents["M_10_A+B+D-after-1"] is None
        assert parents["M_10_A+B+D-after-2"].name == "M_10_A+B+D-after-1"
        assert parents["M_10_A+B+D"].name == "M_10_A+B+D-after-2"
        assert all(parents[name] is None for name in ("M_10_ALL", "M_10_A", "M_10_BD"))

    def test_all_pairs_of_an_area_share_test_and_validation(self, ran, experiment, twins):
        """Else one pair would be validated on ground that is trained on with the other."""
        splits = ran[2].splits["M_10_ALL"]
        assert splits["chin-2015-twin"] == splits["chin-2015-twin, pair 2"]
        for split in splits.values():
            assert split.validation is not None
            assert split.test is not None
        cube = read_cube(ran[0] / "cubes" / "A-10m.zarr")
        sides = [
            make_sides(np.full(cube["area"].shape, fill, np.uint8), cube.odc.geobox, split)
            for fill, split in zip((0, 1), (splits["chin-2015-twin"],) * 2, strict=True)
        ]
        assert (sides[0] == sides[1]).all()
        assert {int(side) for side in np.unique(sides[0])} == {0, 1, 2}

    def test_maps_are_of_the_scenes_that_were_found_at_first(self, ran):
        out, _, _ = ran
        frozen = json.loads((out / "cubes" / "G-10m.json").read_text(encoding="utf-8"))
        ids = {item["id"] for item in frozen["features"]}
        mapped = open_map(out / "maps" / "M_10_ALL" / "G.zarr")
        assert set(mapped.attrs["pre_items"]) | set(mapped.attrs["post_items"]) <= ids

    def test_results_hold_every_model_and_every_map(self, ran, experiment):
        _, results, _ = ran
        plans = design_models(experiment.experiment)
        assert [model.name for model in results.models] == [plan.name for plan in plans]
        assert {model.status for model in results.models} == {"done"}
        assert [(score.model, score.area, score.region) for score in results.scores] == [
            (plan.name, area, region) for plan in plans for area, region in plan.scored
        ]
        assert results.reference_is == "simulated inventory"
        assert results.command == "as in the test"
        assert [area.letter for area in results.areas] == ["A", "B", "D", "G"]
        assert len(results.areas[-1].sizes) == 1

    def test_scores_are_those_of_the_usable_pixels(self, ran, experiment, twins):
        """Counted again from the store and the inventory."""
        out, results, _ = ran
        job = find_areas(experiment, twins)["D"].job
        for name, folder in (("M_10^ALL", "M_10_ALL"), ("M_10^AB", "M_10_AB")):
            mapped = open_map(out / "maps" / folder / "D.zarr")
            labels = make_labels(job.labels, mapped.odc.geobox)
            if name == "M_10^ALL":
                labels = labels.where(held_out(mapped.odc.geobox, job.split), IGNORE)
            found = score(mapped["probability"], labels)
            (kept,) = [s for s in results.scores if s.model == name and s.area == "D"]
            assert (kept.tp, kept.fp, kept.fn, kept.tn) == (found.tp, found.fp, found.fn, found.tn)
            assert kept.mcc == found.mcc
            inside = (mapped["area"] & 1) == 0
            usable = (mapped["observed"] == 0) & inside & (labels != IGNORE)
            assert kept.tp + kept.fp + kept.fn + kept.tn == int(usable.sum())

    def test_the_combined_model_is_calibrated_on_what_the_others_left_out(self, ran):
        out, results, _ = ran
        card = read_card(out / "models" / "M_10_ALL")
        assert card.calibration.fitted_on == ("A", "B", "D")
        assert read_card(out / "models" / "M_10_A").calibration is None
        (model,) = [model for model in results.models if model.part == "combined"]
        assert model.calibration == card.calibration.describe()
        # Of areas that it learnt from it says nothing.
        for found in results.scores:
            known = (found.model, found.area) == ("M_10^ALL", "G")
            assert (found.calibrated is not None) == known

    def test_page_and_figures_are_written(self, ran):
        out, results, _ = ran
        assert read_results(out / "results.json") == results
        page = (out / "results.md").read_text(encoding="utf-8")
        for name in re.findall(r"\((figures/[^)]+)\)", page):
            assert (out / name).is_file(), name
        assert "imulated" in page
        assert (out / "figures" / "map-M_10_ALL-G.png").is_file()
        assert main(["experiment", "report", str(out)]) == 0
        assert (out / "results.md").read_text(encoding="utf-8") == page

    def test_run_again_it_trains_and_maps_nothing(self, ran, experiment, twins, untrained):
        out, results, _ = ran
        fit = Fit(untrained)
        times = {
            path: path.stat().st_mtime_ns
            for kind in ("models", "maps", "cubes", "scores")
            for path in (out / kind).rglob("*")
            if path.is_file()
        }
        again = run_experiment(experiment, out, twins, Execution(command="as in the test", fit=fit))
        assert fit.asked == []
        assert {path: path.stat().st_mtime_ns for path in times} == times
        assert again.scores == results.scores
        assert again.models == results.models
        assert again.seconds >= results.seconds

    def test_what_is_missing_is_made_again(self, ran, experiment, twins, untrained, tmp_path):
        out, results, _ = ran
        copy = tmp_path / "copy"
        shutil.copytree(out, copy)
        shutil.rmtree(copy / "models" / "M_10_BD")
        (copy / "scores" / "M_10_B" / "G.json").unlink()
        kept = (copy / "scores" / "M_10_A" / "G.json").stat().st_mtime_ns
        fit = Fit(untrained)
        again = run_experiment(experiment, copy, twins, Execution(fit=fit))
        assert [name for name, *_ in fit.asked] == ["M_10_BD"]
        assert (copy / "scores" / "M_10_A" / "G.json").stat().st_mtime_ns == kept
        for before, after in zip(results.scores, again.scores, strict=True):
            assert replace(before, seconds=0) == replace(after, seconds=0)

    def test_a_model_that_was_made_anew_is_scored_anew(
        self, ran, experiment, twins, untrained, tmp_path
    ):
        copy = tmp_path / "copy"
        shutil.copytree(ran[0], copy)
        shutil.rmtree(copy / "models" / "M_10_B")
        other = tmp_path / "other"
        save_tiny(other, seed=1)
        run_experiment(experiment, copy, twins, Execution(fit=Fit(other)))
        sha256 = read_card(copy / "models" / "M_10_B").sha256
        assert sha256 != read_card(untrained).sha256
        for area in "BG":
            kept = json.loads((copy / "scores" / "M_10_B" / f"{area}.json").read_text())
            assert kept["model"] == sha256
            assert open_map(copy / "maps" / "M_10_B" / f"{area}.zarr").attrs

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"train": {**CONTENT["train"], "width": 0.1}}, "train.width was 0.05 and is 0.1 now"),
            (changed(threshold=0.4), "experiment.threshold was 0.5 and is 0.4 now"),
            (changed(test=["F"]), r"experiment.test was \['G'\] and is \['F'\] now"),
        ],
    )
    def test_another_configurations_folder_is_refused(self, ran, twins, untrained, change, words):
        other = make_experiment({**CONTENT, **change}, ROOT)
        with pytest.raises(StoreError, match=words):
            run_experiment(other, ran[0], twins, Execution(fit=Fit(untrained)))

    def test_a_folder_of_something_else_is_refused(self, experiment, twins, untrained, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(StoreError, match="Expected an empty folder or an experiment's"):
            run_experiment(experiment, tmp_path, twins, Execution(fit=Fit(untrained)))
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_damaged_counts_are_named(self, ran, experiment, twins, untrained, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(ran[0], copy)
        (copy / "scores" / "M_10_B" / "G.json").write_text("{", encoding="utf-8")
        with pytest.raises(StoreError, match=r"G\.json of an experiment.*remove it"):
            run_experiment(experiment, copy, twins, Execution(fit=Fit(untrained)))


def test_a_model_that_fails_does_not_keep_the_others_from_being_made(twins, untrained, tmp_path):
    content = changed(train=["B", "D"], test=[], parts=["conventional", "combined"])
    fit = Fit(untrained, fails_on="kaikoura-2016-twin")
    experiment = make_experiment(content, ROOT)
    with pytest.raises(
        IncompleteError, match=r"but M_10\^B failed \(Expected a loss.*same command"
    ):
        run_experiment(experiment, tmp_path / "out", twins, Execution(fit=fit))
    results = read_results(tmp_path / "out" / "results.json")
    assert {model.name: model.status for model in results.models} == {
        "M_10^B": "failed",
        "M_10^D": "done",
        "M_10^ALL": "done",
    }
    # Mended, the one is made and the others are kept.
    mended = Fit(untrained)
    run_experiment(experiment, tmp_path / "out", twins, Execution(fit=mended))
    assert [name for name, *_ in mended.asked] == ["M_10_B"]


def test_areas_that_hold_no_patch_at_a_resolution_are_said_to_be_too_small(
    twins, untrained, tmp_path
):
    content = changed(train=["B", "D"], test=[], parts=["combined"], resolutions=[10.0, 60.0])
    results = run_experiment(
        make_experiment(content, ROOT), tmp_path / "out", twins, Execution(fit=Fit(untrained))
    )
    small = results.models[1]
    assert (small.name, small.status) == ("M_60^ALL", "too small")
    assert "km across, its patches of 60 m need 1.92 km" in small.note
    assert {score.model for score in results.scores} == {"M_10^ALL"}
    assert "too small" in (tmp_path / "out" / "results.md").read_text(encoding="utf-8")


def test_a_scene_that_cannot_be_read_stops_it_before_training(twins, untrained, tmp_path):
    own = tmp_path / "twins"
    made = make_twin("D", "tiny", own)
    (made.items.parent / "post-1" / "red.tif").write_bytes(b"damaged")
    content = changed(train=["D"], test=[], parts=["conventional"])
    fit = Fit(untrained)
    with pytest.raises(SourceError, match=r"Expected all scenes of iburi-2018-twin, but post-1"):
        run_experiment(make_experiment(content, ROOT), tmp_path / "out", own, Execution(fit=fit))
    assert fit.asked == []
    assert not list((tmp_path / "out" / "cubes").iterdir())


def run_and_die(content: dict, out: Path, twins: Path, network: Path, steps: int) -> None:
    """Run an experiment in a process that is killed when it says its so many-th word."""
    said = []

    def say(words: str) -> None:
        said.append(words)
        if len(said) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    execution = Execution(say=say, fit=Fit(network))
    run_experiment(make_experiment(content, ROOT), out, twins, execution)


def test_killed_anywhere_it_goes_on_to_the_same_result(twins, untrained, tmp_path):
    content = changed(train=["B", "D"], test=[], parts=["conventional"])
    whole = run_experiment(
        make_experiment(content, ROOT), tmp_path / "whole", twins, Execution(fit=Fit(untrained))
    )
    out = tmp_path / "killed"
    spawn = multiprocessing.get_context("spawn")
    # Reading the second area; mapping with the first model; putting the results together.
    for steps in (2, 2, 3):
        process = spawn.Process(target=run_and_die, args=(content, out, twins, untrained, steps))
        process.start()
        process.join(timeout=120)
        assert process.exitcode == -signal.SIGKILL
    said: list[str] = []
    fit = Fit(untrained)
    execution = Execution(say=said.append, fit=fit)
    again = run_experiment(make_experiment(content, ROOT), out, twins, execution)
    assert not [words for words in said if words.startswith("Reading")]
    assert [replace(score, seconds=0) for score in again.scores] == [
        replace(score, seconds=0) for score in whole.scores
    ]
    assert [replace(model, seconds=0) for model in again.models] == [
        replace(model, seconds=0) for model in whole.models
    ]


def test_a_folder_in_use_is_refused(twins, untrained, tmp_path):
    experiment = make_experiment(changed(train=["D"], test=[], parts=["conventional"]), ROOT)
    with (
        only_run(tmp_path / "out", "it"),
        pytest.raises(StoreError, match="process on this machine"),
    ):
        run_experiment(experiment, tmp_path / "out", twins, Execution(fit=Fit(untrained)))


def test_more_models_than_workers_do_not_wait_for_each_other(twins, untrained, tmp_path):
    """Dask would send a task's own arrays to the cluster, and its slot to the next model."""
    import distributed

    experiment = make_experiment(
        changed(train=["B", "D"], test=[], parts=["conventional", "combined"]), ROOT
    )
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        execution = Execution(client=client, fit=Fit(untrained))
        results = run_experiment(experiment, tmp_path / "out", twins, execution)
    assert [model.status for model in results.models] == ["done"] * 3
    assert results.hardware.startswith("1 workers, 1 threads; begun on ")


def test_the_documentations_configuration_is_one():
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    experiment = make_experiment(tomllib.loads(block), ROOT)
    assert experiment.areas["gorkha"].also == (ROOT / "gorkha-other-images.toml",)
    names = [plan.name for plan in design_models(experiment.experiment)]
    assert names[:4] == ["M_10^gorkha", "M_10^iburi", "M_10^A", "M_10^ALL"]


class TestCommand:
    def test_plan_lists_the_models(self, capsys):
        assert main(["experiment", "plan", str(PAPER)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 9
        assert lines[4].startswith("M_10^ALL         combined")

    def test_bad_input_is_one_sentence(self, capsys, tmp_path):
        assert main(["experiment", "run", "none.toml", "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert main(["experiment", "report", str(tmp_path)]) == 2
        assert "run `lscube experiment run` first" in capsys.readouterr().err

    def test_twins_go_to_the_users_cache(self, tmp_path):
        given = mock.patch.dict("os.environ", {"XDG_CACHE_HOME": str(tmp_path)})
        from lscube.cli.experiment import _cache

        with given:
            assert _cache() == tmp_path / "lscube" / "twins"


def test_a_tiny_version_is_really_trained_on_a_cluster(twins, tmp_path, capsys):
    """Two workers, each of which trains one model at a time: all parts but the progressive one."""
    import distributed

    content = """
        [experiment]
        name = "tiny"
        train = ["B", "D"]
        test = ["G"]
        parts = ["combined", "generalisation", "jackknife"]
        resolutions = [10.0]
        twins = "tiny"
        block = 320.0
        [train]
        width = 0.05
        window = 32
        min_labelled = 0.2
        epochs = 1
        batch_size = 8
        [predict]
        core = 96
        margin = 16
    """
    config = tmp_path / "tiny.toml"
    config.write_text(content, encoding="utf-8")
    out = tmp_path / "out"
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        preload="tests.networks",
    ) as cluster:
        words = ["--scheduler", cluster.scheduler_address, "--twins", str(twins)]
        assert main(["experiment", "run", str(config), "--out", str(out), *words]) == 0
    assert "3 of 3 models" in capsys.readouterr().out
    results = read_results(out / "results.json")
    assert {model.name for model in results.models} == {"M_10^ALL", "M_10^B", "M_10^D"}
    assert {model.epochs for model in results.models} == {1}
    assert all(model.seconds > 0 for model in results.models)
    card = read_card(out / "models" / "M_10_ALL")
    assert [event.id for event in card.events] == ["kaikoura-2016-twin", "iburi-2018-twin"]
    assert card.calibration is not None
    assert json.loads((out / "spent.json").read_text(encoding="utf-8"))
