"""Logs of jobs: what a line says, and that no secret gets into one on any way."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lscube import jobs
from lscube.cli import lscube, main
from lscube.logs import LogSettings, belongs_to, current_run, logging_to_stderr, say
from lscube.products import run_id
from lscube.settings import make_job
from tests.map_job import CARD, SETTINGS, StandIn
from tests.scenes import EVENT_TIME, inner_area, simple_event
from tests.servers.files import range_server
from tests.test_redaction import FORMS, SECRETS
from tests.test_redaction import said as formed

JOB = LogSettings("json", "info", "a job's name")
SIGNED = "https://a.blob.core.windows.net/c/b.tif?sv=1&sig=Zq4711word"


@pytest.fixture
def lines(capsys):
    """What stands on standard error, by line, as JSON."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_when_who_what_and_the_fields(lines):
    with logging_to_stderr(JOB):
        logging.getLogger("lscube.mapping").info("Region %s is done", "1-2", extra={"seconds": 3.5})
        logging.getLogger("lscube.mapping").debug("not this")
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "logger": "lscube.mapping", "message": "Region 1-2 is done", "seconds": 3.5,
        "job": "a job's name", "run": "a job's name",
    }  # fmt: skip


def test_a_maps_run_is_in_all_lines_as_soon_as_it_is_known(lines):
    with logging_to_stderr(JOB):
        logging.getLogger("lscube").info("before")
        belongs_to("0123456789ab")
        logging.getLogger("rasterio").warning("after")
        assert current_run() == "0123456789ab"
    assert current_run() == ""
    assert [(line["job"], line["run"]) for line in lines()] == [
        ("a job's name", "a job's name"),
        ("a job's name", "0123456789ab"),
        ("a job's name", "0123456789ab"),
    ]


def test_an_exception_comes_with_its_trace(lines):
    with logging_to_stderr(JOB):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.getLogger("lscube").exception("It failed")
    (line,) = lines()
    assert (line["level"], line["error"]) == ("error", "ZeroDivisionError")
    assert "test_logs.py" in line["trace"]


class Unspeakable:
    def __str__(self):
        raise LookupError


@pytest.mark.parametrize(
    "given", [("%(a)s", {"b": 1}), ("%d", "x"), ("%s", Unspeakable()), (Unspeakable(),)]
)
def test_a_line_that_cannot_be_made_does_no_harm(lines, given):
    with logging_to_stderr(JOB):
        logging.getLogger("a.library").warning(*given)
    (line,) = lines()
    assert line["message"]


def test_what_ends_a_thread_is_printed_without_secrets(capsys):
    def fail():
        raise ValueError(SIGNED)

    with logging_to_stderr(JOB):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    said = capsys.readouterr().err
    assert "ValueError: https://a.blob" in said
    assert "Zq4711word" not in said


def test_a_wrong_command_line_is_repeated_without_secrets(capsys):
    assert main([SIGNED]) == 2
    said = capsys.readouterr().err
    assert "No such command" in said
    assert "Zq4711word" not in said


def test_a_signal_ends_a_job_with_its_own_exit_code(lines):
    @lscube.command("stopped")
    def stopped():
        sys.exit(143)

    try:
        with pytest.raises(SystemExit):
            main(["--log", "json", "stopped"])
    finally:
        del lscube.commands["stopped"]
    assert lines()[-1]["exit_code"] == 143


def test_as_text_fields_follow_the_message(capsys):
    with logging_to_stderr(LogSettings("text", "info", "a")):
        logging.getLogger("lscube.mapping").info("Region is done", extra={"region": "1-2", "n": 3})
        say("Dashboard: http://me:word4711@host/status")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("Z INFO lscube.mapping: Region is done region=1-2 n=3")
    assert second == "Dashboard: http://host/status"


def test_afterwards_all_is_as_before():
    def state():
        root = logging.getLogger()
        roots = [logging.getLogger(name) for name in ("distributed", "tornado")]
        return (
            [*root.handlers], root.level, logging.getLogRecordFactory(), warnings.showwarning, sys.excepthook,
            [([*logger.handlers], logger.propagate) for logger in roots],
        )  # fmt: skip

    before = state()
    with logging_to_stderr(JOB):
        assert state() != before
    assert state() == before


class Stumbling(StandIn):
    """Fails once."""

    def predict(self, windows):
        if not (self.folder / "fell").exists():
            (self.folder / "fell").touch()
            raise RuntimeError("fell")
        return super().predict(windows)


def log_everywhere(text: str) -> None:
    """Every way on which a text gets into a log."""
    own, theirs = logging.getLogger("lscube.cube"), logging.getLogger("rasterio._env")
    own.warning(f"reading {text}")
    own.warning("reading %s", text)
    own.warning("reading %(href)s", {"href": text})
    own.warning("fields", extra={"href": text, "several": [text, {"inner": text}]})
    theirs.error("CPLE_HttpResponse in %s", text)
    logging.getLogger("urllib3.connectionpool").warning("Retrying: %r", OSError(text))
    logging.getLogger("distributed.worker").warning("Compute Failed\n%s", {"args": (text,)})
    logging.getLogger("lscube").warning(*("too %s many", text, "arguments"))
    try:
        try:
            raise OSError(text)
        except OSError as error:
            error.add_note(f"noted: {text}")
            raise ValueError(f"because of {text}") from error
    except ValueError:
        own.exception("It failed at %s", text)
        logging.getLogger("distributed.client").error("gone", exc_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"slow: {text}", UserWarning, stacklevel=1)
    say(f"Dashboard: {text}")


@pytest.mark.parametrize("style", ["text", "json"])
@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(sorted(FORMS)), secret=SECRETS)
def test_no_secret_is_logged_on_any_way(form, style, secret):
    text, stands = formed(form, secret)
    out, foreign = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(foreign)  # a library's own, with a formatter of its own
    logger = logging.getLogger("rasterio._env")
    logger.addHandler(handler)
    try:
        with contextlib.redirect_stderr(out), logging_to_stderr(LogSettings(style, "debug", "j")):
            log_everywhere(text)
    finally:
        logger.removeHandler(handler)
    assert out.getvalue().count("***") > 5 or "?" in text or "@" in text
    assert foreign.getvalue().startswith("CPLE_HttpResponse in ")
    for one in stands:
        # Also as JSON, repr and percent-encoding would write it.
        for written in (one, json.dumps(one)[1:-1], repr(one)[1:-1]):
            assert written not in out.getvalue()
            assert written not in foreign.getvalue()


def test_a_field_that_is_named_like_a_secret_is_hidden_whatever_it_is(lines):
    with logging_to_stderr(JOB):
        logging.getLogger("a").info("x", extra={"token": 4711, "given": {"password": "short"}})
    (line,) = lines()
    assert (line["token"], line["given"]) == ("***", {"password": "***"})


def test_an_uncaught_exception_is_printed_without_secrets():
    code = f"""
import logging
from lscube.logs import *
with logging_to_stderr(LogSettings("text", "info", "j")):
    try:
        raise OSError("{SIGNED}")
    except OSError as error:
        raise RuntimeError("at {SIGNED}") from error
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "RuntimeError: at https://a.blob.core.windows.net/c/b.tif\n" in done.stderr
    # The source line that raised is shown, too; it is no address that was read.
    shown = [line for line in done.stderr.splitlines() if not line.startswith("    raise")]
    assert "4711" not in "\n".join(shown)


def test_every_command_logs_its_begin_and_its_end(lines, tmp_path):
    assert main(["--log", "json", "events"]) == 0
    begin, end = lines()
    assert (begin["message"], begin["version"]) == ("events begins", "0.1.0")
    assert (end["message"], end["exit_code"]) == ("events ended", 0)
    assert begin["job"] == end["job"]
    assert len(begin["job"]) == 12
    words = ["cube", "--job", str(tmp_path / "none.toml"), "--out", str(tmp_path / "c")]
    assert main(["--log", "json", *words]) == 2
    begin, error, end = lines()
    assert (error["level"], error["error"]) == ("error", "SettingsError")
    assert error["message"].startswith("Expected a job file at ")
    assert end["exit_code"] == 2


def test_a_map_logs_its_begin_regions_failures_and_end(lines, tmp_path):
    """Each with the run that the map itself is named after."""
    simple_event(tmp_path)
    content = {
        "event": {"id": "e", "time": EVENT_TIME},
        "area": {"aoi": inner_area()},
        "source": {"catalogs": "items.json"},
        "predict": SETTINGS.model_dump(exclude_unset=True),
    }
    store = tmp_path / "map.zarr"
    with logging_to_stderr(JOB):
        mapped = jobs.predict(make_job(content, tmp_path), Stumbling(CARD, tmp_path), store)
    said = [line for line in lines() if line["logger"] == "lscube.mapping"]
    assert {line["run"] for line in said} == {run_id(mapped)}
    begin, *regions, end = said
    assert begin["message"] == "Map begins"
    assert (begin["store"], begin["todo"]) == (str(store), begin["regions"])
    done = [line["region"] for line in regions if line["level"] == "info"]
    assert len(set(done)) == len(done) == begin["regions"]
    failed = [line for line in regions if line["level"] == "warning"]
    assert [(line["error"], line["attempt"]) for line in failed] == [("RuntimeError", 1)]
    assert all(line["seconds"] >= 0 for line in regions)
    assert end["message"] == "Map is finished"


def test_by_default_there_is_only_what_the_user_needs(capsys):
    assert main(["events"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_signed_source_that_is_not_there_is_named_without_its_signature(tmp_path, capsys, style):
    words = ["--aoi", "0,0,1,1", "--event-time", "2018-01-01", "--source"]
    with range_server(tmp_path) as url:
        address = f"{url}/stac?sig=Zq4711word".replace("://", "://me:Zqpass4711@")
        assert main(["--log", style, "--log-level", "debug", "search", *words, address]) == 2
    said = capsys.readouterr().err
    assert f"{url}/stac" in said
    assert "4711" not in said


def test_a_variables_value_is_in_no_line(tmp_path):
    """By the real program, whose environment it is."""
    environment = {**os.environ, "CDSE_S3_SECRET_KEY": "word4711", "LSCUBE_LOG": "json"}
    words = ["search", "--source", str(tmp_path / "word4711.json"), "--aoi", "0,0,1,1"]
    done = subprocess.run(
        [sys.executable, "-m", "lscube", *words, "--event-time", "2018-01-01"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()][-2] == "error"
    assert "4711" not in done.stderr
