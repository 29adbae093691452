"""Rows of a list as spreadsheets save it: CSV with commas, semicolons or tabs, and rows of nothing else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from lscube.errors import SourceError
from lscube.files import decoded
from lscube.markup import clean_text
from lscube.settings.scan_rules import LimitSettings

REST = ""
"""The name of what stands in a row beyond the last column."""

_SEPARATORS = ",;\t"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def rows_of(content: bytes, path: Path, limits: LimitSettings) -> Iterator[dict[str, str]]:
    """Rows by their columns' names, in small letters; empty cells and empty rows are left out.

    The separator is the one by which the first line has the columns `id` and `time`. Where it is no
    comma, "1,5" is the number that it is in many countries.

    Raises
    ------
    SourceError
        It is no such list, or longer than what is taken.
    """
    try:
        text = decoded(content)
        # Excel reads the separator from such a line, and some programs write it for Excel.
        text = re.sub(r"\Asep=.\r?\n", "", text)
        separator, names = _columns(text, path)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = (cells for cells in reader if any(cell.strip() for cell in cells))
        next(rows)
        for count, cells in enumerate(rows):
            if count >= limits.features:
                raise SourceError(
                    f"Expected at most {limits.features:,} events in {path}; see [limits]."
                )
            yield _row(names, cells, separator)
    except (ValueError, csv.Error) as error:
        raise SourceError(
            f"Expected a list with columns in {path}, but it cannot be read ({clean_text(error)}); "
            "correct it."
        ) from None


def _columns(text: str, path: Path) -> tuple[str, list[str]]:
    """The separator, and the columns' names."""
    header = next((line for line in text.splitlines() if line.strip(f'{_SEPARATORS} "')), "")
    for separator in _SEPARATORS:
        names = [
            _tidy(name).lower() for name in next(csv.reader([header], delimiter=separator), [])
        ]
        if {"id", "time"} <= set(names):
            return separator, names
    names = [_tidy(name).lower() for name in next(csv.reader([header]), [])]
    missing = " and ".join(sorted({"id", "time"} - set(names)))
    raise SourceError(
        f"Expected columns id and time in {path}, separated by commas, semicolons or tabs, found no "
        f"{missing}; name the columns in the first line."
    )


def _row(names: list[str], cells: list[str], separator: str) -> dict[str, str]:
    row = {}
    for number, cell in enumerate(map(_tidy, cells)):
        if separator != "," and _DECIMAL_COMMA.fullmatch(cell):
            cell = cell.replace(",", ".")
        if cell:
            row[names[number] if number < len(names) else REST] = cell
    return row


def _tidy(cell: str) -> str:
    """A cell without blanks around it, hard ones included."""
    return cell.strip().strip("\u00a0\ufeff").strip()
