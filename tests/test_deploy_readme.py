"""Every command of deploy/README.md: run where that goes without a cluster, else checked word by word."""

import re
import shlex
import tomllib

import pytest
import yaml

from lscube.cli import main
from lscube.cluster import cluster_spec
from lscube.settings import make_cluster
from tests.deploying import DEPLOY, KUBERNETES, ROOT, CommandError, manifests, named, parse
from tests.networks import save_tiny
from tests.scenes import EVENT_TIME, inner_area, simple_event
from tests.test_deploy_images import SERVICES, STAGES
from tests.test_deploy_kubernetes import MAKER
from tests.test_deploy_slurm import GIVEN

README = (DEPLOY / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]
# Checked, but not run: they need an engine or a cluster, or install what is here already.
NOT_RUN = {"docker", "kubectl", "helm", "sbatch"}


def words_of(line: str) -> list[str]:
    """The words of a command, without the variables before it."""
    words = shlex.split(line.replace("$(id -u):$(id -g)", "1000:1000"))
    while "=" in words[0] and not words[0].startswith("-"):
        words = words[1:]
    return [words[0].removeprefix(".venv/bin/"), *words[1:]]


def option(words: list[str], name: str) -> str:
    """The value of an option, given as two words or as one."""
    if name in words:
        return words[words.index(name) + 1]
    (found,) = [word for word in words if word.startswith(f"{name}=")]
    return found.split("=", 1)[1]


def check_docker(words: list[str]) -> None:
    if words[1] == "compose":
        assert (ROOT / option(words, "--file")).is_file()
        assert words[4] in ("build", "run", "--profile")
        if words[4] == "run":
            assert words[-1] in SERVICES
        if words[4] == "--profile":
            assert words[5] in {name for s in SERVICES.values() for name in s["profiles"]}
            named = [w.partition("=")[0] for w in words[7:] if not w.startswith("-")]
            assert set(named) <= SERVICES.keys()
    elif words[1] == "build":
        assert (ROOT / option(words, "--file")).is_file()
        if "--target" in words:
            target = option(words, "--target")
            assert target in STAGES
            assert option(words, "--tag") == f"lscube:0.1.0-{target}"
            assert words[-1] == "."
    else:
        assert words[1] in ("run", "push")


def check_kubectl(words: list[str]) -> None:
    if "--kustomize" in words:
        assert (ROOT / option(words, "--kustomize") / "kustomization.yaml").is_file()
    if "--namespace" in words:
        assert option(words, "--namespace") in ("lscube", "daskhub")
    if words[1] == "logs":
        kind, name = words[-1].split("/")
        assert (kind, name) in {(d["kind"].lower(), d["metadata"]["name"]) for d in manifests()}
    elif words[1] == "create":
        text = "".join(path.read_text() for path in KUBERNETES.rglob("*.yaml"))
        assert words[2:4] == ["secret", "generic"]
        assert f"secretRef: {{ name: {words[4]}" in text
    else:
        assert words[1] in ("apply", "delete")


def check_helm(words: list[str]) -> None:
    assert option(words, "--repo") == "https://helm.dask.org"
    if "--values" in words:
        chart = words[4]
        content = yaml.safe_load((ROOT / option(words, "--values")).read_text())
        assert chart == "daskhub"
        assert content.keys() == {"dask-gateway"}
    else:
        # The name of the namespace that the network policies let in.
        space = option(words, "--namespace")
        assert (
            f"kubernetes.io/metadata.name: {space}"
            in (KUBERNETES / "base/network.yaml").read_text()
        )


def check_sbatch(words: list[str]) -> None:
    assert (ROOT / words[-1]).is_file()
    everything, *given = option(words, "--export").split(",")
    assert everything == "ALL"
    assert {pair.partition("=")[0] for pair in given} == GIVEN.keys()


def check_pip(words: list[str]) -> None:
    assert (ROOT / option(words, "--constraint")).is_file()
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extras,) = re.findall(r"^\.\[([\w,]+)\]$", words[-1])
    assert set(extras.split(",")) <= known.keys()


def check_gateway(words: list[str]) -> None:
    assert (ROOT / option(words, "--config")).is_file()  # run in test_deploy_gateway


def check_lscube(words: list[str]) -> None:
    parse(words)


def check_copy(words: list[str]) -> None:
    assert (ROOT / words[1]).is_file()


CHECKS = {
    "docker": check_docker,
    "kubectl": check_kubectl,
    "helm": check_helm,
    "sbatch": check_sbatch,
    "pip": check_pip,
    "dask-gateway-server": check_gateway,
    "lscube": check_lscube,
    "dask": parse,
    "cp": check_copy,
    "python3": lambda words: None if words[1:3] == ["-m", "venv"] else pytest.fail("not known"),
    "mkdir": lambda words: None,
    "export": lambda words: None,  # run in test_deploy_gateway
    ".": lambda words: None,  # activates an environment
}


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_right(line):
    words = words_of(line)
    assert words[0] in CHECKS, "a program that no test knows"
    CHECKS[words[0]](words)


@pytest.mark.parametrize(
    "line",
    [
        "docker build --file deploy/Dockerfile --target cuda --tag lscube:0.1.0-cuda .",
        "docker compose --file deploy/compose.yaml run --rm mapp",
        "kubectl apply --kustomize deploy/kubernetes/jobs",
        "kubectl logs --namespace lscube job/lscube-maps",
        "sbatch --export=ALL,JOB=job.toml deploy/slurm/map.sbatch",
        "pip install --constraint constraints.txt '.[cpus]'",
        "lscube predict --out map.zarr",
    ],
)
def test_a_wrong_command_is_refused(line):
    """So that the test above can fail."""
    words = words_of(line)
    with pytest.raises((AssertionError, CommandError)):
        CHECKS[words[0]](words)


def test_commands_of_the_laptop(tmp_path, monkeypatch, capsys):
    """As they stand, on a small event with a tiny model; demo and plan are run for the other README."""
    from lscube.mapping import open_map

    section = README.split("\n## ")[1]
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.splitlines()
    ]
    items = simple_event(tmp_path)
    save_tiny(tmp_path / "model")
    (tmp_path / "job.toml").write_text(
        f'event.time = "{EVENT_TIME}"\narea.aoi = {list(inner_area())}\n'
        f'source.catalogs = "{items.name}"\n[predict]\ncore = 96\nmargin = 16\n'
    )
    monkeypatch.chdir(tmp_path)
    ran = []
    for line in lines:
        words = words_of(line)
        if words[0] == "lscube" and words[1] not in ("demo", "plan"):
            assert main(words[1:]) == 0, capsys.readouterr().err
            ran.append(words[1])
    assert ran == ["predict"]
    assert open_map("probability.zarr")["probability"].notnull().any()


def block(language: str) -> str:
    """The one block of the README in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return found


def test_a_job_that_makes_its_own_cluster():
    said = tomllib.loads(block("toml"))["cluster"]
    spec = cluster_spec(make_cluster(said))["spec"]
    assert spec["worker"]["replicas"] == 4
    (container,) = spec["worker"]["spec"]["containers"]
    assert container["image"] == said["image"]
    assert {"secretRef": {"name": "lscube-object-store"}} in container["envFrom"]
    pod = yaml.safe_load(block("yaml"))
    assert pod["metadata"]["labels"] == MAKER  # what these reach is held in test_deploy_kubernetes
    assert pod["spec"]["automountServiceAccountToken"] is True
    named("ServiceAccount", pod["spec"]["serviceAccountName"])
    subjects = named("RoleBinding", "lscube-clusters")["subjects"]
    assert pod["spec"]["serviceAccountName"] in {subject["name"] for subject in subjects}


def test_what_is_not_run_is_said():
    said = README.split("## What was run, and what was not")[1]
    sentence = said.split("**Checked, not run by tests**:")[1].split(".")[0]
    assert set(re.findall(r"`([\w-]+)`", sentence)) == NOT_RUN
    assert {words_of(line)[0] for line in COMMANDS} <= NOT_RUN | CHECKS.keys()


def test_paths_are_there():
    for path in re.findall(r"`((?:kubernetes|slurm|gateway)/[\w./-]+)`", README):
        assert (DEPLOY / path).exists(), path
    for path in re.findall(r"`((?:docs|pipelines|tests)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", README, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def test_all_of_deploy_is_named():
    named = README + "".join(path.read_text() for path in DEPLOY.rglob("kustomization.yaml"))
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name not in ("README.md", "kustomization.yaml"):
            folder = str(path.parent.relative_to(DEPLOY))
            assert path.name in named or f"`{folder}`" in README, path


def test_figures_are_the_measured_ones():
    measured = (ROOT / "docs/mapping.md").read_text()
    (rate,) = re.findall(r"`km2_per_core_hour`, width 1 \| ([\d,]+) km2", measured)
    assert f"{rate} km2 per" in README
    speed = float(rate.replace(",", ""))
    assert f"{1000 / speed:.2f} core-hours for 1,000 km2" in README
    assert f"{100_000 / speed:.0f} core-hours: {100_000 / speed * 0.04:.2f} at 0.04" in README
    assert f"16 core-hours, as much as {16 * speed:,.0f} km2" in README
