"""Start the servers by hand on a folder of scenes: `make serve`, or a folder with `items.json`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.servers.catalog import stac_api
from tests.servers.database import NotInstalledError, postgres
from tests.servers.files import range_server


def items_at(folder: Path, url: str) -> list[dict[str, Any]]:
    """The items of a folder's `items.json`, their files at an address."""
    items: list[dict[str, Any]] = json.loads((folder / "items.json").read_text())["features"]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = f"{url}/{asset['href'].removeprefix('./')}"
    return items


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A STAC API with a folder's items, and their files over HTTP; gives the API's address."""
    with ExitStack() as stack:
        dsn = stack.enter_context(postgres())
        files = stack.enter_context(range_server(folder))
        yield stack.enter_context(stac_api(dsn, items_at(folder, files)))


def main(folder: Path) -> int:
    """Serve until Ctrl-C; gives the exit status."""
    if not (folder / "items.json").is_file():
        print(f"Expected {folder}/items.json; run `make demo` or give another folder.")
        return 2
    try:
        with serving(folder) as api:
            print(f"STAC API at {api}, until Ctrl-C; search it with:")
            print(f"  lscube search --source {api} --aoi AREA --event-time TIME", flush=True)
            with suppress(KeyboardInterrupt):
                signal.pause()
    except NotInstalledError as error:
        print(f"{error}.")
        return 1
    return 0


if __name__ == "__main__":
    # Both: what a shell starts in the background is born deaf to SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="tests.servers", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo/scenes"))
    sys.exit(main(parser.parse_args().folder))
