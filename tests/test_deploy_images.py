"""The Dockerfiles and the compose file, as far as that goes without a container engine."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import compose_spec
import pytest
import yaml

from lscube.cluster import worker_environment
from lscube.cube.opening import GDAL_SETTINGS
from tests.deploying import DEPLOY, IMAGE, ROOT, parse, quantity
from tests.needs import GIT, require

DOCKERFILE = DEPLOY / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = ("reader", "gpu", "cpu")


@dataclass
class Stage:
    """A stage of a Dockerfile: what it starts from, and its instructions in order."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name."""
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    found: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = rest.split()
            found[name] = stage = Stage(name, base)
        elif found:
            stage.steps.append((instruction, rest))
    return found


STAGES = stages(DOCKERFILE.read_text())


def ancestry(target: str) -> list[Stage]:
    """A stage and those that it starts from, itself first."""
    line = []
    while target in STAGES:
        line.append(STAGES[target])
        target = STAGES[target].base
    return line


def lint(path: Path) -> subprocess.CompletedProcess:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, "--no-color", path], capture_output=True, text=True)


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.model"])
def test_hadolint_has_nothing_to_say(name):
    done = lint(DEPLOY / name)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("FROM python\nUSER 1", "DL3006"),
        ("FROM python:latest\nUSER 1", "DL3007"),
        ("FROM python:3.11\nUSER root", "DL3002"),
        ("FROM python:3.11\nRUN pip install numpy\nUSER 1", "DL3013"),
        ("FROM python:3.11\nRUN echo a | sh -c $x\nUSER 1", "SC2086"),
    ],
)
def test_hadolint_finds_what_is_wrong(tmp_path, wrong, code):
    """So that the test above can fail."""
    (tmp_path / "Dockerfile").write_text(wrong + "\n")
    done = lint(tmp_path / "Dockerfile")
    assert done.returncode == 1
    assert code in done.stdout


def test_targets():
    assert set(TARGETS) < STAGES.keys()
    assert list(STAGES)[-1] == "cpu", "what a build without --target makes"
    for target in TARGETS:
        (packages,) = STAGES[target].of("COPY")
        assert packages == f"--from={target}-packages /opt/lscube /opt/lscube"


def test_the_base_is_the_python_that_tests_run_on():
    text = DOCKERFILE.read_text()
    (tag,) = re.findall(r"^ARG PYTHON=(\S+)", text, flags=re.MULTILINE)
    assert re.fullmatch(r"3\.\d+-slim-\w+", tag)
    assert tag.split("-")[0] == PROJECT["tool"]["mypy"]["python_version"]
    assert {stage.base for stage in STAGES.values()} - STAGES.keys() == {"python:${PYTHON}"}


@pytest.mark.parametrize("target", TARGETS)
def test_images_are_not_root_and_have_no_tools(target):
    line = ancestry(target)
    assert [user for stage in line for user in stage.of("USER")] == ["10001:10001"]
    assert not STAGES[target].of("RUN"), "it would need root, or write where the user may not"
    commands = " ".join(text for stage in line for text in stage.of("RUN"))
    assert not re.search(r"\b(npm|nodejs|gcc|g\+\+|build-essential|git|curl|wget|sudo)\b", commands)
    installed = re.findall(r"--no-install-recommends ([\w .+-]+)", commands)
    assert installed == ["libexpat1 tini "]
    assert [text for stage in line for text in stage.of("HEALTHCHECK")] == ["NONE"]
    assert [json.loads(text)[0] for stage in line for text in stage.of("ENTRYPOINT")] == ["tini"]


def environment(target: str) -> dict[str, str]:
    pairs = [text for stage in reversed(ancestry(target)) for text in stage.of("ENV")]
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(pairs)))


@pytest.mark.parametrize("target", TARGETS)
def test_environment(target):
    given = environment(target)
    assert given["PYTHONUNBUFFERED"] == "1"
    assert {name: str(value) for name, value in GDAL_SETTINGS.items()}.items() <= given.items()
    # With a read-only root, /tmp alone can be written.
    for name in ("HOME", "MPLCONFIGDIR", "DASK_TEMPORARY_DIRECTORY"):
        assert Path(given[name]).is_relative_to("/tmp")
    assert ("NVIDIA_VISIBLE_DEVICES" in given) == (target == "gpu")


def test_environment_is_what_workers_get_everywhere():
    assert worker_environment().items() <= environment("cpu").items()


def extras(target: str) -> set[str]:
    """Extras that the packages of a target are installed with."""
    commands = [text for stage in ancestry(f"{target}-packages") for text in stage.of("RUN")]
    return {
        name
        for text in commands
        for found in re.findall(r"\[([\w,-]+)\]", text)
        for name in found.split(",")
    }


@pytest.mark.parametrize("target", TARGETS)
def test_packages(target):
    known = PROJECT["project"]["optional-dependencies"]
    chosen = extras(target)
    assert chosen <= known.keys() - {"dev"}
    needs = " ".join([*PROJECT["project"]["dependencies"], *(" ".join(known[e]) for e in chosen)])
    assert ("tensorflow-cpu" in needs) == (target == "cpu")
    assert ("tensorflow[and-cuda]" in needs) == (target == "gpu")
    assert ("keras" in needs) == (target != "reader")
    assert "torch" not in needs
    for stage in ancestry(f"{target}-packages"):
        for command in stage.of("RUN"):
            assert "--constraint /wheels/constraints.txt" in command
            assert "--only-binary :all:" in command, "an image has no compiler"


def context(folder: Path) -> list[str]:
    """Files of a checkout that a build sees, by .dockerignore's rules: the last one that matches decides."""
    rules = [
        line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"
    ]

    def seen(path: str) -> bool:
        seen = True
        for rule in rules:
            pattern = rule.removeprefix("!").replace("**/", "*")
            parts = [path, *(str(parent) for parent in Path(path).parents)]
            if any(fnmatch.fnmatch(part, pattern) for part in parts):
                seen = rule.startswith("!")
        return seen

    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=folder, capture_output=True, text=True
    )
    return [path for path in listed.stdout.splitlines() if seen(path)]


@pytest.fixture(scope="module")
def seen() -> list[str]:
    require(GIT)
    return context(ROOT)


def test_a_build_sees_what_it_copies_and_no_more(seen):
    copied = {
        word
        for stage in STAGES.values()
        for text in stage.of("COPY")
        if not text.startswith("--from")
        for word in text.split()[:-1]
    }
    assert copied == {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "setup.py",
        "lscube",
        "constraints.txt",
    }
    assert {path.split("/")[0] for path in seen} == copied
    for stage in STAGES.values():
        for text in stage.of("COPY"):
            if text.startswith("--from="):
                assert text.split()[0].removeprefix("--from=") in STAGES


def test_what_is_copied_makes_a_whole_wheel(seen, tmp_path):
    """By what the stage's command calls, but with the setuptools that is here, and without npm."""
    (command,) = [text for text in STAGES["wheel"].of("RUN") if "pip wheel" in text]
    assert command == "python -m pip wheel --no-deps --wheel-dir /wheels ."
    source = tmp_path / "source"
    for text in STAGES["wheel"].of("COPY"):
        *words, _ = text.split()
        for path in seen:
            if path.split("/")[0] in words and (ROOT / path).is_file():
                (source / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, source / path)
    # An older setuptools (a build takes 77 or later) does not know these two lines, which change nothing.
    project = (source / "pyproject.toml").read_text()
    older = re.sub(r"^license(-files)? = .*\n", "", project, flags=re.MULTILINE)
    (source / "pyproject.toml").write_text(older)
    web = source / "lscube/products/report/web"
    for name in ("leaflet/leaflet.js", "uplot/uPlot.iife.min.js"):
        (web / "libraries" / name).parent.mkdir(parents=True)
        (web / "libraries" / name).write_text("// as npm would bring it")
    shutil.copy(web / "package-lock.json", web / "libraries")
    code = (
        "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True
    )
    for path in seen:
        if path.startswith("lscube/"):
            assert path in listed.stdout, path
    assert "web/libraries/leaflet/leaflet.js" in listed.stdout


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert f"ARG VERSION={version}" in DOCKERFILE.read_text()
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            for tag in re.findall(r"lscube:(\d[\w.-]*)", path.read_text()):
                assert re.fullmatch(rf"{re.escape(version)}-(reader|cpu|gpu)", tag), (path, tag)


def test_tensorflow_is_exact_in_both_images():
    exact = (ROOT / "constraints.txt").read_text()
    cpu, gpu = (
        re.search(rf"^{name}==(\S+)", exact, flags=re.MULTILINE)
        for name in ("tensorflow_cpu", "tensorflow")
    )
    assert cpu[1] == gpu[1]


COMPOSE = DEPLOY / "compose.yaml"


def compose(text: str) -> dict:
    """A compose file as compose reads it: defaults put in, and refused where it breaks the specification."""
    content = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    compose_spec.PyCompose.from_json(json.dumps(content))
    return content


SERVICES = compose(COMPOSE.read_text())["services"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "readonly: true"),
        ("condition: service_started", "condition: service_up"),
        ("interval: 5s", "interval: often"),
        ('"127.0.0.1:8787:8787"', '"127.0.0.1:8787:http"'),
    ],
)
def test_a_wrong_compose_file_is_refused(right, wrong):
    text = COMPOSE.read_text()
    assert right in text
    with pytest.raises(ValueError, match="line"):
        compose(text.replace(right, wrong))


@pytest.mark.parametrize("name", SERVICES)
def test_services(name):
    service = SERVICES[name]
    assert IMAGE.fullmatch(service["image"])[1] == service["build"]["target"]
    assert service["build"]["target"] in STAGES
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    assert "/tmp" in service["volumes"]
    assert "tmpfs" not in service, "what is spilled there stays in memory"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")
    for needed in service.get("depends_on", {}):
        assert set(SERVICES[needed]["profiles"]) & set(service["profiles"])
    parse(service["command"])


def test_workers_fit_into_their_limits():
    worker = SERVICES["worker"]
    options, limits = parse(worker["command"]), worker["deploy"]["resources"]["limits"]
    assert options["nthreads"] == quantity(limits["cpus"])
    assert 0.85 < quantity(options["memory_limit"]) / quantity(limits["memory"]) < 0.97
    assert options["scheduler"] == "tcp://scheduler:8786"
    client = parse(SERVICES["map-on-cluster"]["command"])
    assert client["cluster"] == options["scheduler"]
    assert client["workers"] == worker["deploy"]["replicas"]
    advice = (DEPLOY / "README.md").read_text().split("worker with four threads ")[1]
    assert quantity(advice.split(";")[0].replace(" GiB", "Gi")) == quantity(limits["memory"])
    assert parse(SERVICES["scheduler"]["command"])["port"] == "8786"
