"""A document as Markdown (GitHub's dialect, for its tables)."""

from __future__ import annotations

import re
from urllib.parse import quote

from lscube.evaluate.page.document import (
    Block,
    Box,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)


def render_markdown(document: Document) -> str:
    """Write a document as Markdown; pictures are referred to by their relative names."""
    blocks = [f"# {escaped(document.title)}", *map(_rendered, document.blocks)]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text on one line in which no character means anything to Markdown."""
    line = " ".join(text.split())
    line = re.sub(r"([\\`*<>\[\]|~$&])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)  # within a word it means nothing
    line = re.sub(r"^([#+-]+(?=\s|$)|=)", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def _rendered(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {escaped(text)}"
        case Paragraph(text):
            return escaped(text)
        case Bullets(items):
            return "\n".join(f"- {escaped(item)}" for item in items)
        case Code(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case Box(title, paragraphs):
            lines = (f"**{escaped(title)}**", *map(escaped, paragraphs))
            return "\n>\n".join(f"> {line}" for line in lines)
        case Table():
            return _table(block)
        case Picture(name, alt, caption):
            return f"![{escaped(alt)}]({quote(name)})\n\n{escaped(caption)}"


def _table(table: Table) -> str:
    numbers = len(table.header) - table.text_columns
    rules = ["---"] * table.text_columns + ["---:"] * numbers
    rows = (tuple(map(escaped, row)) for row in (table.header, *table.rows))
    first, *others = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "| " + " | ".join(rules) + " |"
    return "\n".join([f"**{escaped(table.caption)}**", "", first, rule, *others])
