"""The page's own files and the libraries it is drawn with, as they are put into it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

from lscube.errors import InputError
from lscube.products.report.fetch import LIBRARIES, WEB

SCRIPTS = ("leaflet/leaflet.js", "uplot/uPlot.iife.min.js")
STYLES = ("leaflet/leaflet.css", "uplot/uPlot.min.css")
LICENCES = {"Leaflet": "leaflet/LICENSE", "uPlot": "uplot/LICENSE"}


def check(libraries: Path = LIBRARIES) -> None:
    """Refuse, before anything is read, to make a page without its libraries.

    Raises
    ------
    InputError
        They are not there.
    """
    for name in (*SCRIPTS, *STYLES, *LICENCES.values()):
        _library(libraries, name)


def page_template() -> str:
    """The page, with places to fill."""
    return (WEB / "page.html").read_text(encoding="utf-8")


def scripts(libraries: Path = LIBRARIES) -> tuple[str, ...]:
    """The libraries' scripts and the page's own, in ASCII; none names a file beside it."""
    texts = [_library(libraries, name) for name in SCRIPTS]
    texts.append((WEB / "report.js").read_text(encoding="utf-8"))
    # A browser's tools would look for the map from here to the source.
    return tuple(_in_ascii(re.sub(r"(?m)^//# sourceMappingURL=.*$", "", text)) for text in texts)


def _in_ascii(script: str) -> str:
    """Other letters as escapes: in a page of any encoding a script keeps its hash."""
    return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found.group())[1:-1], script)


def styles(libraries: Path = LIBRARIES) -> str:
    """The libraries' styles and the page's own; pictures that they name are left out."""
    texts = [re.sub(r"url\([^)]*\)", "none", _library(libraries, name)) for name in STYLES]
    return "\n".join([*texts, (WEB / "report.css").read_text(encoding="utf-8")])


def licences(libraries: Path = LIBRARIES) -> dict[str, str]:
    """Name and version of each library, and its licence's text."""
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {
        f"{name} {lock[f'node_modules/{Path(file).parent}']['version']}": _library(libraries, file)
        for name, file in LICENCES.items()
    }


def hash_of(script: str) -> str:
    """A script as a Content-Security-Policy names it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _library(libraries: Path, name: str) -> str:
    try:
        return (libraries / name).read_text(encoding="utf-8")
    except OSError:
        raise InputError(
            f"Expected the report's libraries in {libraries}, found no {name}; run `make assets` in a clone "
            "(it needs npm), or install lscube from a wheel, which brings them."
        ) from None
