"""A map's input items, and what tells that a file of theirs was changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pystac
import requests
import xarray as xr

from lscube import jobs
from lscube.attributes import content
from lscube.catalog import Scenes, Sign, find_band, find_classification, find_elevation, sign_href
from lscube.catalog.unsigning import unsigned_content
from lscube.errors import LscubeError, SceneError
from lscube.products.portable import is_local, portable
from lscube.products.stac import Input
from lscube.products.stac.extensions import file_fields
from lscube.settings import Job

Ask = Callable[[str], str | None]
"""Tells the ETag of an address; None where it is not known."""

TIMEOUT = 20.0
"""Seconds that a server has to tell one file's ETag."""


def scenes_of_map(job: Job, mapped: xr.Dataset, outside: jobs.Outside = jobs.OUTSIDE) -> Scenes:
    """Scenes of the job that a map was made by.

    Raises
    ------
    SceneError
        The job finds other scenes than the map was made from.
    """
    scenes = jobs.scenes_of(job, outside)
    for side in ("pre", "post", "dsm"):
        theirs = {str(item) for item in content(mapped.attrs[f"{side}_items"])}
        ours = {item.id for item in getattr(scenes, side)}
        if ours != theirs:
            raise SceneError(
                f"Expected the {side} scenes of the map ({', '.join(sorted(theirs))}), the job finds "
                f"({', '.join(sorted(ours))}); give the job that the map was made by, or freeze its items "
                "with `lscube search`."
            )
    return scenes


def current_inputs(
    scenes: Scenes, bands: Sequence[str], ask: Ask | None = None
) -> dict[str, Input]:
    """Items as they are now, by id: unsigned, with fingerprints of the files that are read.

    Of files on this machine size and sha256, of others the ETag where the server tells one; paths of
    this machine are left out.

    Parameters
    ----------
    scenes
        The items.
    bands
        Those that are read of a scene.
    ask
        How a server is asked; tests hand in their own.
    """
    ask = ask or Etags()
    found = {}
    for item in (*scenes.pre, *scenes.post, *scenes.dsm):
        content = unsigned_content(item.to_dict(transform_hrefs=False))
        for key in _files_read(item, scenes, bands):
            href = item.assets[key].href
            content["assets"][key] |= _fingerprint(href, ask)
        content["links"] = [link for link in content["links"] if not is_local(str(link["href"]))]
        found[item.id] = portable(content)
    return found


def _files_read(item: pystac.Item, scenes: Scenes, bands: Sequence[str]) -> set[str]:
    """Keys of the assets that a cube is made of."""
    if any(item is tile for tile in scenes.dsm):
        return {find_elevation(item, scenes.dsm_asset)}
    classes = find_classification(item, scenes.scl_asset)
    keys = {find_band(item, band).key for band in bands}
    return keys if classes is None else {*keys, classes}


def _fingerprint(href: str, ask: Ask) -> dict[str, Any]:
    if href.startswith(("http://", "https://")):
        etag = ask(href)
        return {} if etag is None else {"lscube:etag": etag}
    path = Path(href.removeprefix("file://"))
    if "://" in href or not path.is_file():
        return {}
    return file_fields(path)


class Etags:
    """Asks servers for ETags of files; a server that does not answer is not asked again."""

    def __init__(
        self,
        timeout: float = TIMEOUT,
        session: Callable[[], requests.Session] = requests.Session,
        sign: Sign = sign_href,
    ) -> None:
        self._timeout, self._session, self._sign = timeout, session, sign
        self._silent: set[str] = set()

    def __call__(self, href: str) -> str | None:
        """ETag of a file on the web; None where the server does not answer or tells none."""
        host = urlsplit(href).netloc
        if host in self._silent:
            return None
        try:
            with self._session() as session:
                answer = session.head(self._sign(href), timeout=self._timeout, allow_redirects=True)
        except (requests.RequestException, LscubeError):
            self._silent.add(host)
            return None
        return answer.headers.get("ETag") if answer.ok else None
