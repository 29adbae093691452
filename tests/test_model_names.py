"""Models that come with lscube, by name, wherever a model is given: commands, settings, scripts, workers."""

import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import click
import numpy as np
import pytest
from pydantic import TypeAdapter

import lscube
import lscube.settings.scan
from lscube import jobs
from lscube.cli import lscube as commands
from lscube.cli import main as run_command
from lscube.errors import ModelError
from lscube.learn import LoadedModel, read_card
from lscube.learn.bundle import add_calibration, network_file
from lscube.mapping.opening import manifest_of, open_map
from lscube.products.reproduce import read_run
from lscube.scan.guard import check_model
from lscube.settings import Settings, describe
from lscube.settings.job import resolve_paths
from lscube.settings.models import SHIPPED, shipped_folder
from lscube.settings.scan import describe_scan, make_scan
from lscube.settings.scan_rules import AllowedModel
from tests.publishing import write_event
from tests.test_pipelines import pipeline

CARD = read_card(shipped_folder("light"))
WINDOWS = [f"--set=predict.{name}" for name in ("core=32", "margin=16", "precision=float32")]


class Stop(Exception):
    """A command came as far as its model."""


def halfway(self, windows):
    """Probabilities without a network."""
    assert network_file(self.folder).is_file()
    return np.full((len(windows), *windows.shape[2:]), 0.9, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes, a map of them by `light`, and the map published."""
    folder = tmp_path_factory.mktemp("event")
    write_event(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(LoadedModel, "predict", halfway)
        predict(folder, folder / "map.zarr")
        words = ["publish", "--map", "map.zarr", *job(folder), "--model", "light"]
        assert run_command([*words, "--out", "published"]) == 0
    return folder


def job(folder):
    return [
        *("--source", str(folder / "items.json"), "--event", "e"),
        *("--event-time", "2018-09-05T18:07:00Z", "--aoi", "141.9,42.75,141.91,42.76"),
    ]


def predict(folder, out):
    words = ["predict", *job(folder), *WINDOWS, "--set=predict.engine=keras", "--model", "light"]
    assert run_command([*words, "--out", str(out)]) == 0


@pytest.fixture
def spy(monkeypatch):
    """Replaces a function by one that keeps what it was given, and gives the same back or stops."""

    def put(target, result=Stop):
        seen = []

        def record(*given, **named):
            seen.append((*given, *named.values()))
            if result is Stop:
                raise Stop
            return result

        monkeypatch.setattr(target, record)
        return seen

    monkeypatch.setattr(LoadedModel, "predict", halfway)
    return put


def loaded(given):
    """Digests of the models among what a function was given."""
    models = [one for part in given for one in (part if isinstance(part, list | tuple) else [part])]
    return [one.card.sha256 for one in models if isinstance(one, LoadedModel)]


def of_predict(folder, spy):
    predict(folder, Path("map.zarr"))
    return manifest_of(open_map("map.zarr"))["model"]["sha256"]


def of_map(folder, spy):
    seen = spy("lscube.jobs.predict")
    with pytest.raises(Stop):
        run_command(["map", *job(folder), "--model", "light", "--out", "map"])
    return loaded(seen[0])


def of_adapt(folder, spy):
    seen = spy("lscube.learn.adapting.adapt_model")
    words = ["adapt", *job(folder), *WINDOWS, "--model", "light", "--map", str(folder / "map.zarr")]
    with pytest.raises(Stop):
        run_command([*words, "--out", "adapted"])
    return loaded(seen[0])


def of_plan(folder, spy):
    seen = spy("lscube.jobs.plan")
    with pytest.raises(Stop):
        run_command(["plan", *job(folder), "--model", "light"])
    return loaded(seen[0])


def of_evaluate(folder, spy):
    seen = spy("lscube.jobs.evaluate_chips")
    Path("test.npz").touch()
    with pytest.raises(Stop):
        run_command(["evaluate", "--chips", "test.npz", "--model", "light", "--out", "s.json"])
    return loaded(seen[0])


def of_inventory(folder, spy):
    words = ["inventory", "--map", str(folder / "map.zarr"), "--model", "light", "--out", "i.gpkg"]
    assert run_command([*words, "--summary", "i.json"]) == 0
    assert f'"threshold": {CARD.threshold}' in Path("i.json").read_text()
    return [CARD.sha256]  # another is refused


def of_report(folder, spy):
    seen = spy("lscube.deliveries.reporting.write_report")
    with pytest.raises(Stop):
        run_command(
            ["report", "--map", str(folder / "map.zarr"), "--model", "light", "--out", "r.html"]
        )
    return [card["sha256"] for card in seen[0][2].cards]


def of_publish(folder, spy):
    run = read_run(folder / "published")
    assert len(list((folder / "published").rglob("weights.npz"))) == 1
    return run.manifest["model"]["sha256"]


def of_reproduce(folder, spy):
    words = ["reproduce", str(folder / "published"), "--source", str(folder / "items.json")]
    assert run_command([*words, "--model", "light", "--out", "again.zarr"]) == 0
    return manifest_of(open_map("again.zarr"))["model"]["sha256"]


def of_check(folder, spy):
    client = SimpleNamespace(scheduler_info=lambda **given: {"workers": {}})

    @contextmanager
    def connected(*given, **named):
        yield client

    spy("lscube.cluster.needed_resources", None)
    seen = spy("lscube.mapping.workers.check_models", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lscube.cli.clusters.ClusterOptions.connected", connected)
        assert run_command(["cluster", "check", "--model", "light"]) == 0
    return loaded(seen[0])


def of_train(folder, spy):
    """The plan of a training tells its parent; training itself is stopped."""
    draw = np.random.default_rng(0)
    mask = np.zeros((4, 128, 128), np.uint8)
    mask[:, 30:60, 30:60] = 1
    image = draw.integers(1, 255, (4, 128, 128, 3)).astype(np.uint8)
    for name in ("train", "validation"):
        np.savez(f"{name}.npz", image=image, mask=mask)
    plans = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "lscube.learn.fitting.open_work", lambda folder, plan: plans.append(plan) or stop()
        )
        with pytest.raises(Stop):
            run_command(["train", "--chips", ".", "--from", "light", "--out", "tuned"])
    return [plans[0]["parent"]]


def stop():
    raise Stop


def of_show(folder, spy):
    assert run_command(["model", "show", "light"]) == 0
    return [CARD.sha256]


COMMANDS = {
    ("map", "--model"): of_map,
    ("predict", "--model"): of_predict,
    ("adapt", "--model"): of_adapt,
    ("plan", "--model"): of_plan,
    ("evaluate", "--model"): of_evaluate,
    ("inventory", "--model"): of_inventory,
    ("report", "--model"): of_report,
    ("publish", "--model"): of_publish,
    ("reproduce", "--model"): of_reproduce,
    ("cluster check", "--model"): of_check,
    ("train", "--from"): of_train,
    ("model show", "path"): of_show,
}


def given_models(command, name=""):
    """All parameters of commands that a model can be given by."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from given_models(one, f"{name} {one.name}".strip())
        return
    for parameter in command.params:
        words = " ".join((name, *parameter.opts, str(parameter.name)))
        makes = "--out" in parameter.opts or parameter.opts == ["file"]
        if not makes and re.search(r"model|parent|weights", words):
            yield name, parameter.opts[0]


def test_all_commands_that_take_a_model_are_tried_here():
    """A new one needs a function above that runs it."""
    found = {entry for entry in given_models(commands) if entry[0] != "model import"}
    assert found == set(COMMANDS)


@pytest.mark.parametrize("place", COMMANDS, ids=" ".join)
def test_a_command_takes_a_shipped_models_name(place, folder, spy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert COMMANDS[place](folder, spy) == [CARD.sha256]


def sections(kind=Settings):
    for one in kind.__subclasses__():
        yield one
        yield from sections(one)


def holding_models():
    """Settings that hold a path and, by their name or their section's, a model."""
    found = {}
    for section in sections():
        for name, field in section.model_fields.items():
            annotation = Annotated[field.annotation, "a setting", *field.metadata]
            said = f"{section.__name__}.{name}"
            if "Path" in repr(annotation) and re.search(r"model|parent|weights", said.lower()):
                found[said] = annotation
    return found


def test_settings_that_hold_a_model_take_a_shipped_ones_name(tmp_path):
    found = holding_models()
    assert {"MapSettings.models", "AllowedModel.folder"} <= set(found)
    for said, annotation in found.items():
        many = "tuple" in repr(annotation)
        value = TypeAdapter(annotation).validate_python(["light"] if many else "light")
        resolved = resolve_paths(value, tmp_path)
        assert resolved == ((shipped_folder("light"),) if many else shipped_folder("light")), said


def scan_with(folder, models, allow=()):
    content = {"folder": "s", "map": {"models": models}, "source": {"catalogs": "earth-search"}}
    return make_scan({**content, "allow": {"models": list(allow)}}, folder)


def test_a_scan_needs_no_entry_for_a_shipped_model(tmp_path):
    settings = scan_with(tmp_path, SHIPPED)
    for name, folder in zip(SHIPPED, settings.map.models, strict=True):
        assert check_model(folder, settings.allow.models).card == read_card(name)
    assert check_model(Path("light"), ()).card == CARD
    with pytest.raises(ModelError, match="places of"):
        check_model(tmp_path / "other", ())


def test_an_entry_pins_a_shipped_model_and_a_folder_comes_first(tmp_path):
    pinned = {"folder": "light", "sha256": "0" * 64}
    settings = scan_with(tmp_path, ["light"], [pinned])
    with pytest.raises(ModelError, match="if you trust it"):
        check_model(settings.map.models[0], settings.allow.models)
    above = AllowedModel(folder=shipped_folder("light").parents[3], sha256="0" * 64)
    assert check_model(settings.map.models[0], [above]).card == CARD
    (tmp_path / "light").mkdir()
    assert scan_with(tmp_path, ["light"]).map.models == (tmp_path / "light",)
    with pytest.raises(ModelError, match="places of"):
        check_model(tmp_path / "light", ())


def test_a_link_that_is_named_like_a_shipped_model_is_no_shipped_one(tmp_path):
    (tmp_path / "lscube" / "models").mkdir(parents=True)
    (tmp_path / "lscube" / "models" / "light").symlink_to(tmp_path)
    with pytest.raises(ModelError, match="places of"):
        check_model(tmp_path / "lscube" / "models" / "light", ())


@pytest.mark.parametrize("name", [str, Path])
def test_functions_take_the_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_card(name("light")) == CARD
    assert lscube.load_model(name("light")).missing() is None


def test_a_worker_finds_its_own_package(tmp_path):
    """Its lscube is installed elsewhere; another model's folder stays missing."""
    there = Path("/opt/other/site-packages/lscube/models/light")
    assert LoadedModel(CARD, there).missing() is None
    assert read_card(there) == CARD
    other = CARD.model_copy(update={"sha256": "0" * 64})
    assert "another network" in LoadedModel(other, there).missing()
    assert "no file" in LoadedModel(CARD, Path("/opt/models/light")).missing()


def test_training_on_a_cluster_begins_from_a_shipped_model(tmp_path, spy):
    seen = spy("lscube.jobs.on_a_worker", None)
    jobs.train([], tmp_path / "out", Path("light"), client=object())
    jobs.train_chips(tmp_path, None, 10.0, tmp_path / "out", Path("light"), client=object())
    assert [given[-1] for given in seen] == [shipped_folder("light")] * 2


def test_a_shipped_model_is_not_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (shipped_folder("light") / "card.json").read_bytes()
    for name in ("light", shipped_folder("light")):
        with pytest.raises(ModelError, match=r"copy .*light"):
            add_calibration(Path(name), CARD.calibration)
    assert list(tmp_path.iterdir()) == []
    assert (shipped_folder("light") / "card.json").read_bytes() == before


def test_scripts_take_the_name(folder, spy, tmp_path, monkeypatch):
    """Those in `pipelines/` that take a model; a new one is to be added."""
    scripts = Path(__file__).parents[1] / "pipelines"
    asks = re.compile(r'"--(model|from)"')
    taking = {one.stem for one in scripts.glob("*.py") if asks.search(one.read_text())}
    assert taking == {"map_event", "train_shipped_model"}
    monkeypatch.chdir(tmp_path)
    area = "[141.9, 42.75, 141.91, 42.76]"
    Path("job.toml").write_text(
        f'[event]\nid = "e"\ntime = "2018-09-05T18:07:00Z"\n[area]\naoi = {area}\n'
        f'[source]\ncatalogs = "{folder}/items.json"\n'
    )
    seen = spy("lscube.jobs.predict")
    with pytest.raises(Stop):
        pipeline("map_event").main(["job.toml", "--model", "light", "--out", "out"])
    assert loaded(seen[0]) == [CARD.sha256]
    spy("lscube.shipping.prepare", None)
    seen = spy("lscube.shipping.train")
    words = ["--chips", "c", "--places", "p", "--twins", "t", "--from", "light", "--out", "out"]
    with pytest.raises(Stop):
        pipeline("train_shipped_model").main([str(scripts / "configs" / "shipped.toml"), *words])
    assert lscube.load_model(seen[0][-1]).card == CARD  # as `adopt_weights` opens it


def test_what_comes_with_lscube_is_listed(capsys):
    assert run_command(["model", "list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == list(SHIPPED)
    assert "threshold" in said[0]


def test_a_scan_uses_standard_unless_told_otherwise():
    chosen = make_scan({"folder": "scan", "source": {"catalogs": "items.json"}}, Path("/nowhere"))
    assert chosen.map.models == (shipped_folder("standard"),)


def test_no_setting_has_a_default_that_only_pydantic_knows():
    assert "Undefined" not in describe() + describe_scan()
