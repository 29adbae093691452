"""Shared fixtures, and what a run says of the machine in the end."""

from pathlib import Path

import pytest

from tests import needs, networks


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that stand beside a developer's checkout."""
    needs.require(needs.DATA)
    return needs.SHARED


@pytest.fixture(scope="module")
def shallow_networks():
    """What a module's tests train is the U-Net with one block a stage."""
    with networks.shallow():
        yield


@pytest.fixture(scope="module")
def plain_networks():
    """What a module's tests train is a single layer."""
    with networks.plain():
        yield


@pytest.fixture(scope="session")
def twins(tmp_path_factory) -> Path:
    """Folder of simulated twins, made once for all tests."""
    return tmp_path_factory.mktemp("twins")


def pytest_addoption(parser):
    told = "leave out what loads TensorFlow, or starts a server or Python anew"
    parser.addoption("--fast", action="store_true", help=told)


def pytest_configure(config):
    if config.getoption("--fast"):
        from tests import fast

        needs.THINGS += fast.THINGS
        starts_processes = config.getoption("numprocesses", None) is not None
        if hasattr(config, "workerinput") or not starts_processes:
            fast.close(config.pluginmanager)
    config.addinivalue_line("markers", "needs(*things): skipped without any of `tests.needs`")


LONG = ("experiments", "learn_fit", "demo_and_readme", "first_hour", "gateway", "map_properties")
LONG += ("scan_steps", "pipelines", "learn_network", "reproduce", "publish", "learn_inference")
LONG += (
    "shipped_models",
    "shipping",
    "deploy_slurm",
    "learn_chips",
    "map_places",
    "cluster_refused",
)
LONG += ("notebook", "report_browser", "misbehaving", "mapping", "real_servers", "scan_cli", "cube")


def pytest_collection_modifyitems(items):
    """Long files first: so that processes that share the tests end together."""
    place = {f"test_{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        needs.require(*mark.args)


def pytest_terminal_summary(terminalreporter):
    """A line for each thing that was not here: the controller of a parallel run has all reports."""
    skipped = terminalreporter.stats.get("skipped", [])
    for line in needs.told(report.longrepr[2].removeprefix("Skipped: ") for report in skipped):
        terminalreporter.write_line(line)
