"""Real servers on 127.0.0.1 for tests: PostgreSQL, a STAC API, files over HTTP, an object store.

Each is a context manager that gives an address and leaves nothing running behind it. All run in
processes of their own: GDAL may wait for an answer while it holds Python's lock, and a server in
the same process could not give it. `python -m tests.servers FOLDER` starts them by hand.
"""
