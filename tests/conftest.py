"""Shared fixtures, and what a run says of the machine in the end."""

from pathlib import Path

import pytest

from tests import needs


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that stand beside a developer's checkout."""
    needs.require(needs.DATA)
    return needs.SHARED


@pytest.fixture(scope="session")
def twins(tmp_path_factory) -> Path:
    """Folder of simulated twins, made once for all tests."""
    return tmp_path_factory.mktemp("twins")


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*things): skipped without any of `tests.needs`")


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        needs.require(*mark.args)


def pytest_terminal_summary(terminalreporter):
    """A line for each thing that was not here: the controller of a parallel run has all reports."""
    skipped = terminalreporter.stats.get("skipped", [])
    for line in needs.told(report.longrepr[2].removeprefix("Skipped: ") for report in skipped):
        terminalreporter.write_line(line)
