"""Notebooks: what is in them, and running them."""

import ast
import base64
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

PIPELINES = Path(__file__).parents[1] / "pipelines"
DEMO = PIPELINES / "../demo/scenes"

SMALL_EVENT = {
    "MODEL": "model",
    "SOURCE": "scenes/items.json",
    "AOI": "scenes/area.geojson",
    "OUT": "out",
    "INVENTORY": "scenes/inventory.gpkg",
}
"""Parameters for an event simulated in the folder `scenes`, and a model beside it."""


class Notebook:
    """One of `pipelines`, as committed."""

    def __init__(self, name: str) -> None:
        self.path = PIPELINES / name
        self.content = self.read()
        self.code = {
            cell.id: cell.source for cell in self.content.cells if cell.cell_type == "code"
        }

    def read(self) -> nbformat.NotebookNode:
        return nbformat.reads(self.path.read_text(encoding="utf-8"), as_version=4)

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults; each is a plain value."""
        given = {}
        for statement in ast.parse(self.code["parameters"]).body:
            assert isinstance(statement, ast.Assign)
            (target,) = statement.targets
            given[target.id] = ast.literal_eval(statement.value)
        return given

    def execute(
        self, folder: Path, given: dict[str, Any]
    ) -> dict[str, list[nbformat.NotebookNode]]:
        """Run all cells with other parameters; the outputs of each code cell."""
        notebook = self.read()
        (cell,) = (cell for cell in notebook.cells if cell.id == "parameters")
        cell.source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_manager_class=ThisPython,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        return {cell.id: cell.outputs for cell in code}


class ThisPython(AsyncKernelManager):
    """A kernel of the Python that runs the tests, reachable from this machine alone."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="this Python", language="python")

    def _ip_default(self) -> str:
        return "127.0.0.1"


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Jupyter's own files lie in a folder of the tests, and nobody's start-up files are run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield


def text_of(outputs: list[nbformat.NotebookNode]) -> str:
    """What was printed, and the plain form of what was shown."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.data.get("text/plain", "")
        for output in outputs
    )


def images_of(outputs: list[nbformat.NotebookNode]) -> list[bytes]:
    shown = [output.data for output in outputs if "data" in output]
    return [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


def broken_links(notebook: Notebook) -> list[str]:
    """Links to files that are not there, or to headings that they do not have."""
    cells = notebook.content.cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) >= 3
    return [link for link in links if not _leads_somewhere(link)]


def _leads_somewhere(link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = PIPELINES / path
    if not target.is_file():
        return False
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return not anchor or anchor in anchors
