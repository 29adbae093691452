"""What pyproject.toml cannot say: a build brings the libraries that a report is drawn with."""

import runpy
import warnings
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FETCH = Path(__file__).parent / "lscube" / "products" / "report" / "fetch.py"


class BuildWithLibraries(build_py):
    """Fetches the libraries into the package before its files are collected."""

    def run(self) -> None:
        """Refuse a wheel without them; a checkout can get them later, with `make assets`."""
        module = runpy.run_path(str(FETCH))
        try:
            module["fetch"]()
        except module["FetchError"] as error:
            if not self.editable_mode:
                raise SystemExit(f"Error: {error}") from None
            warnings.warn(str(error), stacklevel=1)
        super().run()


setup(cmdclass={"build_py": BuildWithLibraries})
