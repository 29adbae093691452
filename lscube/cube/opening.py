"""Opening files of pixels: signed just before, tried again, and kept open while they are in use."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import rasterio
from rasterio.errors import RasterioError

from lscube import metrics
from lscube.catalog import Patience, Sign, access_options, unsigned
from lscube.catalog.unsigning import Presigned, ended
from lscube.errors import SourceError
from lscube.redaction import log_unsigned
from lscube.settings.gdal import GDAL_SETTINGS

Result = TypeVar("Result")

DRIVERS = ("GTiff", "JP2OpenJPEG")
"""Formats that may be opened; a VRT named `.tif` would open other files of its maker's choice."""

AGAIN = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/"}
"""For attempts after the first: GDAL remembers that a file did not open and would not ask again."""

KEPT_OPEN = 32
"""Files that each thread keeps open; opening costs one to three requests."""


PATIENCE = Patience(attempts=4)
"""How often and how long a file is tried, unless the caller says otherwise."""


class _OpenFiles(threading.local):
    """Files open in this thread (GDAL's datasets are not thread-safe), the latest used last."""

    def __init__(self) -> None:
        self.files: OrderedDict[tuple[str, Sign], rasterio.DatasetReader] = OrderedDict()

    def get(self, href: str, sign: Sign) -> rasterio.DatasetReader:
        key = (href, sign)
        if key not in self.files:
            while len(self.files) >= KEPT_OPEN:
                self.files.popitem(last=False)[1].close()
            self.files[key] = rasterio.DatasetReader(
                sign(href), driver=list(DRIVERS), sharing=False
            )
        self.files.move_to_end(key)
        return self.files[key]

    def forget(self, href: str, sign: Sign) -> None:
        source = self.files.pop((href, sign), None)
        if source is not None:
            source.close()


_open_files = _OpenFiles()


def read_from(
    href: str,
    use: Callable[[rasterio.DatasetReader], Result],
    sign: Sign,
    patience: Patience = PATIENCE,
) -> Result:
    """Let `use` read from a file; when that fails, sign and open it anew and try again.

    Parameters
    ----------
    href
        Unsigned address or path.
    use
        Called with the open file, possibly several times.
    sign
        Gives the address to open, for example with a fresh token.
    patience
        How often, and with what pauses.

    Raises
    ------
    SourceError
        The file cannot be read, however often it is tried.
    """
    for attempt in range(patience.attempts):
        try:
            again = AGAIN if attempt else {}
            begun = time.perf_counter()
            with rasterio.Env(**GDAL_SETTINGS, **again, **access_options(href)):
                result = use(_open_files.get(href, sign))
            metrics.READS.labels("done").inc()
            metrics.READ_SECONDS.inc(time.perf_counter() - begun)
            return result
        except RasterioError as error:
            _open_files.forget(href, sign)
            reason = _root_of(error)
        if _is_lasting(href, reason):
            break
        if attempt + 1 < patience.attempts:
            metrics.READS.labels("again").inc()
            time.sleep(patience.pause(attempt))
    metrics.READS.labels("failed").inc()
    over = ended(href.given) if isinstance(href, Presigned) and _is_refusal(reason) else ""
    if over:
        raise SourceError(
            f"Expected a GeoTIFF or JPEG 2000 image at {unsigned(href)}, but it is refused ({reason}) "
            f"and {over}; search again, so that the catalogue signs it anew."
        )
    raise SourceError(
        f"Expected a GeoTIFF or JPEG 2000 image at {unsigned(href)}, but reading it "
        f"failed ({reason}); check the file or leave the item out."
    )


def _is_lasting(href: str, reason: str) -> bool:
    """Whether trying again is useless: a local file, or one that the server does not have."""
    return "://" not in href or reason.endswith("response code: 404")


def _is_refusal(reason: str) -> bool:
    return reason.endswith(("response code: 401", "response code: 403"))


def _root_of(error: BaseException) -> str:
    """The reason behind an error, without signatures; rasterio's own words hide it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return unsigned(str(error).splitlines()[0]).rstrip(".")


log_unsigned(
    *(f"rasterio.{name}" for name in ("_base", "_env", "_err", "_io", "_warp", "env")),
    *(f"rasterio.{name}" for name in ("_path", "_filepath", "_vsiopener", "session", "vrt", "io")),
)
