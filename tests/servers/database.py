"""A PostgreSQL of one's own, in a folder that is deleted afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import HOST, free_port

USER = "lscube"

SETTINGS = {
    "listen_addresses": HOST,
    # What is lost in a crash here is no loss.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class NotInstalledError(Exception):
    """PostgreSQL or PostGIS is not on this machine."""


def programs() -> Path:
    """The folder with `initdb` and `pg_ctl`: where Debian puts the newest, or what is on the path."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    for path in sorted(debian, key=lambda path: int(path.parts[-3]), reverse=True):
        return path.parent
    if (found := shutil.which("pg_ctl")) is not None:
        return Path(found).resolve().parent
    raise NotInstalledError("PostgreSQL is not installed (Debian: postgresql-postgis)")


def require_postgis() -> None:
    """Look whether that PostgreSQL can be run here, and has PostGIS.

    Raises
    ------
    NotInstalledError
        One of them is absent.
    """
    binaries, _ = programs(), _account()
    command = [str(binaries / "pg_config"), "--sharedir"]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not (Path(said.stdout.strip()) / "extension" / "postgis.control").is_file():
        raise NotInstalledError("PostGIS is not installed (Debian: postgresql-postgis)")


def _account() -> dict[str, str | int]:
    """Who runs the server: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise NotInstalledError("PostgreSQL's account `postgres` is absent") from None
    return {"user": account.pw_uid, "group": account.pw_gid}


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL with PostGIS; gives its address (dsn) and stops it in the end.

    Raises
    ------
    NotInstalledError
        PostgreSQL or PostGIS is not on this machine.
    """
    require_postgis()
    binaries, account = programs(), _account()
    folder = Path(tempfile.mkdtemp(prefix="lscube-postgres-"))
    try:
        if account:
            os.chown(folder, int(account["user"]), int(account["group"]))
        with _started(binaries, folder, account) as port:
            yield f"postgresql://{USER}:none@{HOST}:{port}/postgres"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _started(binaries: Path, folder: Path, account: dict[str, str | int]) -> Iterator[int]:
    def run(program: str, *words: str) -> None:
        # Its output goes to a file: the server would inherit a pipe and keep it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [str(binaries / program), "-D", str(folder / "data"), *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "LC_ALL": "C"},
                **account,  # type: ignore[arg-type]
            )
            if done.returncode:
                said.seek(0)
                raise RuntimeError(f"{program} failed:\n{said.read().decode(errors='replace')}")

    port = free_port()
    options = {**SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
    words = " ".join(f"-c {name}={value}" for name, value in options.items())
    run("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", words, "start")
    try:
        yield port
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
