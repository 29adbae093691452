"""Shared fixtures."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


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
