"""Content that may leave the machine it was made on: without the paths of its files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")

_WITHIN = re.compile(r"(?<![\w/:.<>-])(?:file://)?/(?:[^\s/\"'<>|:;,()]+/)+([^\s/\"'<>|:;,()]*)")
"""An absolute path within a sentence; two names at least, so that "1/2" and "a/b" are none."""


def is_local(href: str) -> bool:
    """Whether an address leads to a file of this machine, by an absolute path."""
    named = href.startswith("/") and href.strip("/") != ""
    return named or href.startswith("file:") or _WINDOWS.match(href) is not None


def portable(content: Any) -> Any:
    """Reduce every path of this machine to the file's name, in the content of a JSON document.

    What is an address elsewhere (`https://`, `s3://`) or relative stays as it is. Done twice it gives
    the same, and so do copies of the same files in different folders.
    """
    if isinstance(content, dict):
        return {name: portable(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [portable(value) for value in content]
    return _without_path(content) if isinstance(content, str) else content


def _without_path(text: str) -> str:
    if not is_local(text) or "\n" in text:
        return _WITHIN.sub(r"\1", text)
    kind = PureWindowsPath if _WINDOWS.match(text) else PurePosixPath
    return kind(text).name or "."
