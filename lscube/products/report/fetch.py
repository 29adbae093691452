"""Fetch the libraries that a report is drawn with: `make assets`, and the build of a wheel, run this file.

They come from npm at the versions and with the sha512 of `web/package-lock.json`, which npm checks,
from the registry that npm is set to. Only the standard library is used: nothing is installed yet.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).parent / "web"
LOCK = "package-lock.json"
LIBRARIES = WEB / "libraries"
"""Where they lie afterwards; ignored by git."""

FILES = {
    "leaflet": ("dist/leaflet.js", "dist/leaflet.css", "LICENSE"),
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
}
"""What is taken from each package."""


class FetchError(Exception):
    """The libraries cannot be fetched; its text is for the user."""


def is_fetched(libraries: Path = LIBRARIES) -> bool:
    """Whether the libraries are there, in the versions that are asked for."""
    taken = libraries / LOCK
    return taken.is_file() and taken.read_bytes() == (WEB / LOCK).read_bytes()


def fetch(libraries: Path = LIBRARIES, npm: str = "npm") -> None:
    """Fetch the libraries, unless they are there.

    Raises
    ------
    FetchError
        There is no npm, or it fails, for example because a file has another sha512.
    """
    if is_fetched(libraries):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("package.json", LOCK):
            shutil.copy(WEB / file, folder)
        _install(folder, npm)
        _take(folder, libraries)


def _install(folder: Path, npm: str) -> None:
    """Let npm install what the lock file in a folder names; no script of a package is run."""
    program = shutil.which(npm)
    if program is None:
        raise FetchError(
            "Expected npm, to fetch the libraries that `lscube report` draws with, found none; install "
            "npm (Debian's package has this name) and try again."
        )
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[0]
        raise FetchError(
            "Expected npm to fetch the libraries that `lscube report` draws with, but it failed "
            f"({said}); see what `npm ci` says in {WEB}."
        )


def _take(folder: Path, libraries: Path) -> None:
    """Copy what is needed; the lock file comes last and says that all is there."""
    shutil.rmtree(libraries, ignore_errors=True)
    for package, files in FILES.items():
        (libraries / package).mkdir(parents=True)
        for file in files:
            shutil.copy(folder / "node_modules" / package / file, libraries / package)
    shutil.copy(WEB / LOCK, libraries)


if __name__ == "__main__":
    try:
        fetch()
    except FetchError as error:
        sys.exit(f"Error: {error}")
