"""Real servers on 127.0.0.1 for tests: PostgreSQL, a STAC API, files over HTTP, an object store.

Each is a context manager that gives an address and leaves nothing running behind it.
`python -m tests.servers FOLDER` starts them by hand.
"""

from tests.servers.catalog import stac_api
from tests.servers.database import NotInstalledError, postgres
from tests.servers.files import range_server, s3_server
from tests.servers.troubled import Request, Trouble, troubled_server

__all__ = [
    "NotInstalledError",
    "Request",
    "Trouble",
    "postgres",
    "range_server",
    "s3_server",
    "stac_api",
    "troubled_server",
]
