"""Two that write one product at once do not meet; what killed writers leave is removed. Real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lscube.cube.store import read_cube, write_cube
from lscube.errors import StoreError
from lscube.files import PARTIAL, appearing, appearing_folder, lock_folder, write_json

ROOT = Path(__file__).parents[1]
ROUNDS = 12
SIZE = 20_000
OFFSET = 0.02
"""Seconds by which one may begin later, at most."""


def write_file(path: Path, mark: int) -> None:
    with appearing(path) as partial, partial.open("w") as file:
        for _ in range(10):
            file.write(str(mark) * (SIZE // 10))
            file.flush()
            time.sleep(random.random() * 0.001)


def write_document(path: Path, mark: int) -> None:
    write_json(path, [mark] * 2000)


def write_folder(path: Path, mark: int) -> None:
    with appearing_folder(path) as part:
        for name in ("a", "b", "c"):
            (part / name).write_text(str(mark))
            time.sleep(random.random() * 0.003)


def write_store(path: Path, mark: int) -> None:
    plane = xr.DataArray(np.full((64, 64), mark, np.int16), dims=("y", "x")).chunk(16)
    write_cube(xr.Dataset({"plane": plane}, coords={"spatial_ref": 0}), path)


def read_file(path: Path) -> list[int]:
    text = path.read_text()
    assert len(text) == SIZE
    return [int(one) for one in set(text)]


def read_document(path: Path) -> list[int]:
    found = json.loads(path.read_text())
    assert len(found) == 2000
    return found


def read_folder(path: Path) -> list[int]:
    assert {one.name for one in path.iterdir()} == {"a", "b", "c"}
    return [int(one.read_text()) for one in path.iterdir()]


def read_store(path: Path) -> list[int]:
    return np.unique(read_cube(path)["plane"].values).tolist()


KINDS = {
    "file": (write_file, read_file),
    "document": (write_document, read_document),
    "folder": (write_folder, read_folder),
    "store": (write_store, read_store),
}
REPLACED = ("file", "document")


def take_part(folder: Path, mark: int, barrier, answers) -> None:
    """Write each product at once with the other process, and say what came of it."""
    random.seed(mark)
    for kind, (write, _) in KINDS.items():
        for number in range(ROUNDS):
            # Files are written again and again, over each other; folders and stores are new.
            path = folder / (kind if kind in REPLACED else f"{kind}-{number}")
            barrier.wait(60)
            time.sleep(random.random() * OFFSET)
            try:
                write(path, mark)
                answers.put((kind, number, mark, ""))
            except StoreError as error:
                answers.put((kind, number, mark, str(error)))


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    """Two processes that write the same products at random offsets; what each says, by kind and round."""
    folder = tmp_path_factory.mktemp("contest")
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [
        context.Process(target=take_part, args=(folder, mark, barrier, answers)) for mark in (1, 2)
    ]
    for process in both:
        process.start()
    said: dict[str, dict[int, dict[int, str]]] = {kind: {} for kind in KINDS}
    seen = {kind: set() for kind in REPLACED}
    for _ in range(2 * ROUNDS * len(KINDS)):
        kind, number, mark, answer = answers.get(timeout=90)
        said[kind].setdefault(number, {})[mark] = answer
        for name in REPLACED:  # read while they write
            if (folder / name).exists():
                seen[name] |= {tuple(set(KINDS[name][1](folder / name)))}
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    return folder, said, seen


@pytest.mark.parametrize("kind", REPLACED)
def test_both_write_a_file_and_the_last_wins(kind, contest):
    folder, said, seen = contest
    assert [dict(one) for one in said[kind].values()] == [{1: "", 2: ""}] * ROUNDS
    assert len(set(KINDS[kind][1](folder / kind))) == 1
    assert seen[kind] <= {(1,), (2,)}


@pytest.mark.parametrize("kind", ["folder", "store"])
def test_of_two_that_make_a_folder_one_is_refused(kind, contest):
    folder, said, _ = contest
    for number, answers in said[kind].items():
        winner, loser = sorted(answers, key=lambda mark: answers[mark])
        assert answers[winner] == ""
        assert (
            f"found one; {'choose' if 'folder' in answers[loser] else 'remove'}" in answers[loser]
        )
        assert f"{kind}-{number}" in answers[loser]
        assert set(KINDS[kind][1](folder / f"{kind}-{number}")) == {winner}


def test_nothing_else_is_left(contest):
    folder, _, _ = contest
    new = {f"{kind}-{number}" for kind in ("folder", "store") for number in range(ROUNDS)}
    assert {path.name for path in folder.iterdir()} == {*REPLACED, *new}


# --- Writers that are killed ---

BODIES = {
    "file": """
from lscube.files import appearing
with appearing(path) as part:
    part.write_text("half")
    pause()
""",
    "folder": """
from lscube.files import appearing_folder
with appearing_folder(path) as part:
    (part / "a").write_text("half")
    pause()
""",
    "store": """
import dask, dask.array as da, xarray as xr
from lscube.cube.store import write_cube
dask.config.set(scheduler="synchronous")
plane = da.arange(9, chunks=3).map_blocks(slow)
write_cube(xr.Dataset({"plane": ("y", plane)}), path)
""",
}


@contextmanager
def writing(kind: str, path: Path):
    """A process that writes, and waits half way until its input ends."""
    code = f"""
import sys
from pathlib import Path
path = Path({str(path)!r})
asked = []
def pause():
    if not asked:
        asked.append(1)
        print("half", flush=True)
        sys.stdin.read()
def slow(block):
    if block.size and block[0] > 3:
        pause()
    return block
{BODIES[kind]}
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "half\n"
            yield process
        finally:
            process.kill()


def write_here(kind: str, path: Path, mark: int = 5) -> None:
    KINDS[kind][0](path, mark)


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(PARTIAL)]


@pytest.mark.parametrize("kind", BODIES)
def test_what_a_killed_writer_left_goes_with_the_next(kind, tmp_path):
    path = tmp_path / "product"
    with writing(kind, path) as process:
        (left,) = hidden(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert left.exists()
    assert any(left.rglob("*"))
    assert not path.exists()
    (other := tmp_path / ".product.other.12345678.partial").mkdir()  # of another product
    write_here(kind, path)
    assert set(KINDS[kind][1](path)) == {5}
    assert sorted(tmp_path.iterdir()) == [other, path]


@pytest.mark.parametrize("kind", BODIES)
def test_what_a_living_writer_makes_is_left_alone(kind, tmp_path):
    path = tmp_path / "product"
    with writing(kind, path) as process:
        (own,) = hidden(tmp_path)
        write_here(kind, path)
        assert own.exists()
        process.stdin.close()
        assert process.wait(30) == (0 if kind == "file" else 1)
    if kind == "file":
        assert path.read_text() == "half"
    else:
        assert set(KINDS[kind][1](path)) == {5}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("appear", [appearing, appearing_folder])
def test_a_failure_leaves_nothing(appear, tmp_path):
    with pytest.raises(ZeroDivisionError), appear(tmp_path / "product"):
        assert len(hidden(tmp_path)) / 0
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_that_is_taken_for_one_left_behind_is_made_again(tmp_path, monkeypatch):
    """Between making and locking it, another writer's clean-up may come."""
    taken = []

    def lock(folder):
        if not taken:
            taken.append(folder)
            folder.rmdir()
        return lock_folder(folder)

    monkeypatch.setattr("lscube.files.lock_folder", lock)
    with appearing(tmp_path / "product") as part:
        assert part.parent != taken[0]
        part.touch()
    assert [path.name for path in tmp_path.iterdir()] == ["product"]


def test_a_file_system_without_locks_is_written_to_and_not_tidied(tmp_path, monkeypatch):
    def lock(folder):
        raise OSError(38, "no locks")

    (left := tmp_path / ".product.12345678.partial").mkdir()
    monkeypatch.setattr("lscube.files.lock_folder", lock)
    write_json(tmp_path / "product", [1])
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / "product"]


def test_products_have_the_users_own_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "file", 1)
        with appearing_folder(tmp_path / "folder") as part:
            (part / "a").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
