"""Plain text, and pieces of a page for reports and notebooks, in which all text is escaped."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def clean_text(value: Any, most: int = 200) -> str:
    """One line of plain text of what someone else calls a text: no control or direction marks, bounded.

    It is still theirs: escape it in HTML, and never make a file's name of it.
    """
    text = value if isinstance(value, str) else "" if value is None else str(value)[: 4 * most]
    text = unicodedata.normalize("NFC", text[: 4 * most])
    plain = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    line = " ".join(plain.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def bullets(items: Iterable[str]) -> str:
    """A list of plain texts; nothing for none."""
    inside = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{inside}</ul>" if inside else ""


def warning(items: Iterable[str]) -> str:
    """Plain texts that must not be overlooked; nothing for none."""
    inside = bullets(items)
    return f'<div class="warning" role="note">{inside}</div>' if inside else ""


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows
    )
    return f'<dl class="facts">{inside}</dl>'


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the rows; no header where no column has a name."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    head = f"<thead><tr>{names}</tr></thead>" if any(header) else ""
    body = "".join(_row(row) for row in rows)
    # It can be scrolled, so it must be reached by keyboard.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>"
        f"{head}<tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[str]) -> str:
    name, *others = cells
    inside = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'<tr><th scope="row">{escape(name)}</th>{inside}</tr>'


def folded(summary: str, inside: str) -> str:
    """Markup that opens when its summary is chosen."""
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"


def as_json(content: Any) -> str:
    """JSON that can stand within a page of any encoding: no tag can begin in it."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
