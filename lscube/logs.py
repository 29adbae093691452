"""Logs of a job: lines of text or JSON on standard error, with the run's name, without secrets."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from lscube.redaction import HIDDEN, is_secret, redacted

Style = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")

_ROOTS = ("distributed", "distributed.client", "bokeh", "tornado", "tornado.application")
"""Loggers that Dask gives handlers of its own when it is imported."""

_PLAIN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "job", "run"}
"""What every record has; all else are fields."""


@dataclass(frozen=True)
class LogSettings:
    """How a job logs; travels to the workers of its cluster."""

    style: Style = "text"
    """Lines of text, or of JSON."""
    level: str = "warning"
    """From which level on."""
    job: str = ""
    """Name of the job, in every line."""


@dataclass
class _State:
    """Of this process."""

    settings: LogSettings | None = None
    run: str = ""


_state = _State()
_for_good: list[AbstractContextManager[None]] = []


def new_job() -> str:
    """A fresh name, as long as a run's."""
    return uuid.uuid4().hex[:12]


def current_settings() -> LogSettings | None:
    """How this process logs; None where nobody has asked it to."""
    return _state.settings


def current_run() -> str:
    """The map's run, else the job's name; empty where neither is known."""
    return _state.run or (_state.settings.job if _state.settings else "")


def say(text: str) -> None:
    """Tell the user something on standard error: a line, or a JSON line where the job logs so."""
    if _state.settings is not None and _state.settings.style == "json":
        logging.getLogger("lscube").info("%s", text)
    else:
        print(redacted(text), file=sys.stderr)


def belongs_to(run: str) -> None:
    """Put a map's run into all lines from now on, and say which job makes it."""
    _state.run = run
    logging.getLogger("lscube").info("This job makes run %s", run)


@contextmanager
def logging_to_stderr(settings: LogSettings) -> Iterator[None]:
    """Log as the settings say, until the end of the block.

    Warnings of Python's are logged, too, and so is what libraries log. Uncaught exceptions are printed
    without secrets. All is as before in the end.
    """
    root, before, level = logging.getLogger(), _state.settings, logging.getLogger().level
    handler = _make_handler(settings)
    hook, sys.excepthook = sys.excepthook, _print_redacted
    thread_hook, threading.excepthook = threading.excepthook, _print_redacted_of_thread
    _state.settings, _state.run = settings, ""
    with _redacting(), _adopted():
        root.addHandler(handler)
        root.setLevel(min(root.level or logging.WARNING, handler.level))
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.setLevel(level)
            root.removeHandler(handler)
            _state.settings, _state.run = before, ""
            threading.excepthook = thread_hook
            # An exception on its way out of the program is printed after this.
            if sys.exc_info()[0] is None:
                sys.excepthook = hook


def log_for_good(settings: LogSettings | None) -> None:
    """Log as the settings say until this process ends: for workers; without settings only hide secrets."""
    context = _redacting() if settings is None else logging_to_stderr(settings)
    context.__enter__()
    _for_good.append(context)


def adopt() -> None:
    """Take over the loggers that Dask gave handlers of its own, where this process logs by `LogSettings`.

    What Dask says at level info is of the cluster's life, not of the job's: it shows from debug on.
    """
    if _state.settings is None:
        return
    for name in _ROOTS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        if _state.settings.level != "debug":
            logger.setLevel(max(logger.level, logging.WARNING))


@contextmanager
def _adopted() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _ROOTS]
    kept = [([*logger.handlers], logger.propagate, logger.level) for logger in loggers]
    adopt()
    yield
    for logger, (handlers, propagate, level) in zip(loggers, kept, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def _make_handler(settings: LogSettings) -> logging.Handler:
    handler = _Stderr()
    handler.setLevel(settings.level.upper())
    handler.setFormatter(JsonFormatter() if settings.style == "json" else TextFormatter())
    return handler


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


RecordFactory = Callable[..., logging.LogRecord]


@contextmanager
def _redacting() -> Iterator[None]:
    """Take secrets out of every record as it is made, whoever's handler it goes to."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, RedactingFactory):
        logging.setLogRecordFactory(RedactingFactory(make))
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)


class RedactingFactory:
    """Makes log records without secrets: in the message, its arguments, and the traceback."""

    def __init__(self, make: RecordFactory) -> None:
        self._make = make

    def __call__(self, *words: Any, **named: Any) -> logging.LogRecord:
        """Make a record; parameters are those of `logging.LogRecord`."""
        record = self._make(*words, **named)
        message = _message_of(record)
        record.msg, record.args = redacted(message), ()
        if record.exc_info and record.exc_info[1] is not None:
            # What formatters find here they do not make themselves.
            record.exc_text = redacted(_traceback_of(record.exc_info[1]))
        job = _state.settings.job if _state.settings else ""
        record.job, record.run = job, current_run()
        return record


def _message_of(record: logging.LogRecord) -> str:
    """A record's message; where its arguments do not fit, a bug of whoever logs, they stand behind it."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments' own code may raise anything; logging must not
        pass
    try:
        return f"{record.msg} {record.args}"
    except Exception:  # noqa: BLE001
        return f"A message that cannot be shown, from {record.pathname}:{record.lineno}"


def _traceback_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def _print_redacted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Like Python's own, without secrets."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print(redacted(text), end="", file=sys.stderr)


def _print_redacted_of_thread(raised: threading.ExceptHookArgs) -> None:
    """The same for a thread's."""
    if raised.exc_value is not None and raised.exc_type is not SystemExit:
        _print_redacted(raised.exc_type, raised.exc_value, raised.exc_traceback)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`, without secrets."""
    extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
    return {name: _plain(name, value) for name, value in extra.items()}


def _plain(name: str, value: Any) -> Any:
    if is_secret(name):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(inner): _plain(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(name, one) for one in value]
    return redacted(str(value))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, job, run, and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        content = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "job": getattr(record, "job", ""),
            "run": getattr(record, "run", ""),
            **fields_of(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            content["error"] = type(record.exc_info[1]).__name__
            content["trace"] = redacted(record.exc_text or _traceback_of(record.exc_info[1]))
        return json.dumps(content)


class TextFormatter(logging.Formatter):
    """Time, level, logger, message, and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        fields = "".join(f" {name}={value}" for name, value in fields_of(record).items())
        line = f"{_time_of(record)} {record.levelname} {record.name}: {record.getMessage()}{fields}"
        if record.exc_info and record.exc_info[1] is not None:
            line = f"{line}\n{record.exc_text or _traceback_of(record.exc_info[1])}"
        return redacted(line)


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
