"""Addresses that need a signature or options to be read."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from lscube.catalog.unsigning import Presigned, ends_at, unsigned
from lscube.catalog.web import FetchError, Patience, fetch_json
from lscube.errors import MissingExtraError, SourceError

Sign = Callable[[str], str]
"""Gives the address to open for an unsigned one, which may remember a signature (`Presigned`)."""

AZURE = ".blob.core.windows.net"
"""Host of the storage that the Planetary Computer hands tokens out for."""

FRESH = 300.0
"""Seconds that a token must still be valid for: a file is read for a while after it was opened."""

_NO_SIGNATURE = {"AWS_NO_SIGN_REQUEST": "YES"}
_BUCKETS = {
    "copernicus-dem-30m": {**_NO_SIGNATURE, "AWS_REGION": "eu-central-1"},
    "copernicus-dem-90m": {**_NO_SIGNATURE, "AWS_REGION": "eu-central-1"},
    "sentinel-cogs": {**_NO_SIGNATURE, "AWS_REGION": "us-west-2"},
    "e84-earth-search-sentinel-data": {**_NO_SIGNATURE, "AWS_REGION": "us-west-2"},
    # https://documentation.dataspace.copernicus.eu/APIs/S3.html; key and secret are the user's.
    "eodata": {
        "AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_REGION": "default",
    },
}

PATIENCE = Patience(attempts=4, timeout=20.0, longest_wait=20.0)
"""For the signing service."""

MEMORY = 60.0
"""Seconds for which a failure of the signing service is remembered."""

_lock = threading.Lock()
_failures: dict[str, tuple[float, FetchError]] = {}


def access_options(href: str) -> dict[str, str]:
    """GDAL options that a public bucket needs, by the address.

    Options that the environment sets are left alone. Buckets whose reader pays (Earth Search's
    JPEG 2000 files) get none: paying is for the user to decide.

    Parameters
    ----------
    href
        Unsigned address; only those in known buckets ("s3://...") need options.
    """
    parts = urlsplit(href)
    options = _BUCKETS.get(parts.netloc, {}) if parts.scheme == "s3" else {}
    return {name: value for name, value in options.items() if name not in os.environ}


def sign_href(href: str) -> str:
    """Sign an address for reading: as it came, else by its host.

    What came with a signature gets it back. Other addresses in Azure's blob storage, and those whose
    signature ends soon, get the Planetary Computer's token; what is signed already, and all else,
    stays as it is. Sign just before reading: a token lives for less than an hour.

    Raises
    ------
    MissingExtraError
        The address needs the package `planetary_computer`, which is not installed.
    SourceError
        The signing service cannot be reached or refuses.
    """
    given = href.given if isinstance(href, Presigned) else href
    parts = urlsplit(href)
    container, _, blob = parts.path.lstrip("/").partition("/")
    azure = (parts.hostname or "").endswith(AZURE) and blob
    if not azure or (unsigned(given) != given and not _ends_soon(given)):
        return given
    try:
        token = _azure_token(str(parts.hostname).removesuffix(AZURE), container)
    except MissingExtraError:
        if given == href:
            raise
        return given
    return f"{href}{'&' if parts.query else '?'}{token}" if token else given


def _ends_soon(address: str) -> bool:
    end = ends_at(address)
    return end is not None and end < datetime.now(UTC) + timedelta(seconds=FRESH)


def _azure_token(account: str, container: str) -> str:
    """A token of the Planetary Computer, empty where it has none for that storage.

    The package's own function would wait without limit for a service that does not answer.
    What it knows (the service's address, the user's key, tokens got before) is used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from planetary_computer import sas
            from planetary_computer.settings import Settings
    except ImportError:
        raise MissingExtraError(
            "Reading from the Planetary Computer", "planetary-computer"
        ) from None
    settings = Settings.get()
    address = f"{settings.sas_url}/{account}/{container}"
    with _lock:
        token = sas.TOKEN_CACHE.get(address)
        if token is None or token.ttl() < FRESH:
            content = _ask_service(address, settings.subscription_key)
            if content is None:
                return ""
            token = sas.TOKEN_CACHE[address] = _make_token(address, content, sas.SASToken)
    return str(token.token)


def _ask_service(address: str, key: str | None) -> Any:
    """What the signing service answers, None where it knows nothing of that storage.

    A failure is remembered for a while: thousands of reads must not each wait for a dead service.
    """
    failed = _failures.get(address)
    if failed is None or time.monotonic() > failed[0] + MEMORY:
        headers = {"Ocp-Apim-Subscription-Key": key} if key else None
        try:
            with requests.Session() as session:
                return fetch_json(session, address, PATIENCE, headers=headers)
        except FetchError as error:
            failed = _failures[address] = (time.monotonic(), error)
    if failed[1].status == 404:
        return None
    raise failed[1]


def _make_token(address: str, content: Any, kind: Any) -> Any:
    try:
        return kind(**content)
    except (TypeError, ValueError):  # without its words: they would show the token
        raise SourceError(
            f"Expected a token from the signing service at {address}, got something else; "
            "try again later."
        ) from None
