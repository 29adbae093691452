"""Shared fixtures."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

LONG = (
    *("test_experiments", "test_learn_fit", "test_demo_and_readme", "test_shipping"),
    *("test_map_cluster", "test_pipelines", "test_scan_steps", "test_first_hour", "test_gateway"),
)
"""Files whose tests take minutes: first, so that none of them runs alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; they keep their own order, as do all others."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that stand beside a developer's checkout; tests are skipped without them."""
    if not SHARED.is_dir():
        pytest.skip(f"real data are not here: {SHARED.name}/ beside the checkout is absent")
    return SHARED


@pytest.fixture(scope="session")
def twins(tmp_path_factory) -> Path:
    """Folder of simulated twins, made once for all tests."""
    return tmp_path_factory.mktemp("twins")
