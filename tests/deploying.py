"""Reading what is in deploy/, and checks of it that several tests share."""

import copy
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
IMAGE = re.compile(r"(?:[\w./-]+/)?lscube:0\.1\.0-(reader|cpu|gpu)")


@dataclass(frozen=True)
class Pod:
    """One pod's specification, as it stands somewhere in a manifest."""

    owner: str
    """Kind and name of the manifest."""
    part: str
    """ "pod", or of a Dask kind: "job", "scheduler", "worker"."""
    labels: dict
    """Of the pod, as far as the manifest says."""
    spec: dict
    """What Kubernetes calls a PodSpec."""

    @property
    def container(self) -> dict:
        (container,) = self.spec["containers"]
        return container

    @property
    def arguments(self) -> list[str]:
        return self.container["args"]


@cache
def manifests(folder: Path = KUBERNETES) -> tuple[dict, ...]:
    """All documents but those of kustomize."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            found += [doc for doc in yaml.safe_load_all(path.read_text()) if doc]
    return tuple(found)


def of_kind(kind: str, documents=None) -> list[dict]:
    return [doc for doc in documents or manifests() if doc["kind"] == kind]


def named(kind: str, name: str) -> dict:
    (found,) = [doc for doc in of_kind(kind) if doc["metadata"]["name"] == name]
    return found


def label(document: dict) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def pods(document: dict) -> list[Pod]:
    """The pods that a manifest leads to."""
    kind, spec, owner = document["kind"], document.get("spec", {}), label(document)
    own = document["metadata"].get("labels", {})
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if kind in ("Job", "CronJob"):
        template = spec["template"]
        return [Pod(owner, "pod", template["metadata"]["labels"], template["spec"])]
    if kind == "DaskJob":
        cluster = spec["cluster"]["spec"]
        parts = {"job": spec["job"], "scheduler": cluster["scheduler"], "worker": cluster["worker"]}
    elif kind == "DaskCluster":
        parts = {"scheduler": spec["scheduler"], "worker": spec["worker"]}
    elif kind == "DaskWorkerGroup":
        parts = {"worker": spec["worker"]}
    else:
        return []
    return [Pod(owner, part, own, entry["spec"]) for part, entry in parts.items()]


def all_pods() -> list[Pod]:
    return [pod for document in manifests() for pod in pods(document)]


def pod_id(pod: Pod) -> str:
    return f"{pod.owner} {pod.part}"


class CommandError(Exception):
    """A command that its own program would refuse."""


def parse(words: list[str]) -> dict:
    """Let a program's own parser read a command, without running it; gives the options.

    Raises
    ------
    CommandError
        The program would refuse it.
    """
    from distributed.cli import dask_scheduler, dask_worker

    from lscube.cli import lscube

    programs = {
        "lscube": lscube,
        "dask scheduler": dask_scheduler.main,
        "dask worker": dask_worker.main,
    }
    many = 2 if words[0] == "dask" else 1
    command, rest = programs.get(" ".join(words[:many])), words[many:]
    if command is None:
        raise CommandError(f"no such program: {' '.join(words[:many])}")
    context = None
    try:
        while isinstance(command, click.Group):
            at = next((i for i, word in enumerate(rest) if word in command.commands), None)
            if at is None:
                raise CommandError(f"no command of {command.name} in {' '.join(rest)}")
            context = command.make_context(command.name, rest[: at + 1], parent=context)
            command, rest = command.commands[rest[at]], rest[at + 1 :]
        command = _elsewhere(command)
        params = command.make_context(command.name, list(rest), parent=context).params
    except click.ClickException as error:
        raise CommandError(error.format_message()) from error
    # Dask's programs hand what they do not know to preloaded modules.
    spare = [params.get("scheduler") or "", *params.get("preload_argv", ())]
    unknown = [word for word in spare if word.startswith("-")]
    if unknown:
        raise CommandError(f"no such option: {' '.join(unknown)}")
    return params


def _elsewhere(command: click.Command) -> click.Command:
    """A command whose files need not be here: they are where it will run."""
    from lscube.cli.there import Map, Model, There

    there = copy.copy(command)
    there.params = [copy.copy(param) for param in command.params]
    for param in there.params:
        if isinstance(param.type, Map | Model | There):
            param.type = click.Path(path_type=Path)
    return there


def quantity(text: str | int | float) -> float:
    """Bytes or cores of a quantity as Kubernetes, Docker and Dask write them."""
    units = {"": 1, "m": 1e-3, "G": 1e9, "Gi": 2**30, "GiB": 2**30, "g": 2**30}
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * units[unit]
