"""A real STAC API: stac-fastapi-pgstac, its tables made and filled by pypgstac."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.servers.processes import HOST, answers, free_port, running


@contextmanager
def stac_api(dsn: str, items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Serve items (as JSON objects) with their collections; gives the API's address."""
    with tempfile.TemporaryDirectory(prefix="lscube-stac-") as name:
        folder = Path(name)
        fill(dsn, items, folder)
        port = free_port()
        url = f"http://{HOST}:{port}"
        command = [
            *(sys.executable, "-m", "uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app"),
            *("--host", HOST, "--port", str(port), "--log-level", "warning"),
        ]
        ready = f"{url}/_mgmt/ping"
        with running(command, lambda: answers(ready), folder / "log", _environment(dsn)):
            yield url


def fill(dsn: str, items: Sequence[dict[str, Any]], folder: Path) -> None:
    """Make pgstac's tables and load collections and items, as pypgstac's manual says."""
    _pypgstac("migrate", dsn)
    for table, content in (("collections", collections_of(items)), ("items", items)):
        path = folder / f"{table}.ndjson"
        path.write_text("\n".join(json.dumps(document) for document in content))
        _pypgstac("load", dsn, table, str(path))


def add_items(dsn: str, items: Sequence[dict[str, Any]]) -> None:
    """Load further items of collections that are there."""
    with tempfile.TemporaryDirectory(prefix="lscube-stac-") as folder:
        path = Path(folder) / "items.ndjson"
        path.write_text("\n".join(json.dumps(item) for item in items))
        _pypgstac("load", dsn, "items", str(path))


def collections_of(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The least that a collection must say, for each that the items name."""
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    return [
        {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": name,
            "description": "Scenes for a test.",
            "license": "other",
            "extent": extent,
            "links": [],
        }
        for name in sorted({item["collection"] for item in items})
    ]


def _pypgstac(verb: str, dsn: str, *words: str) -> None:
    command = [sys.executable, "-m", "pypgstac.pypgstac", verb, *words, "--dsn", dsn]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pypgstac {verb} failed:\n{done.stdout}{done.stderr}")


def _environment(dsn: str) -> dict[str, str]:
    parts = urlsplit(dsn)
    return {
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGDATABASE": parts.path.lstrip("/"),
    }
