"""A document that knows nothing of its format: headings, text, tables, figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading below the title."""

    text: str
    """Plain text."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str
    """Plain text."""


@dataclass(frozen=True)
class Bullets:
    """A list without order."""

    items: tuple[str, ...]
    """Plain text, one for each point."""


@dataclass(frozen=True)
class Code:
    """Something that was typed."""

    text: str
    """As it was typed."""


@dataclass(frozen=True)
class Box:
    """What must not be overlooked."""

    title: str
    """Plain text."""
    paragraphs: tuple[str, ...]
    """Plain text."""


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the header."""

    caption: str
    """Plain text, above the table."""
    header: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[str, ...], ...]
    """Cells as plain text."""
    text_columns: int = 1
    """So many columns at the left hold text; the others hold numbers and stand at the right."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"expected {len(self.header)} cells in a row of {self.caption!r}, got {row}"
                )


@dataclass(frozen=True)
class Picture:
    """A PNG file."""

    name: str
    """Of the file, with "/" and relative to the document's folder."""
    alt: str
    """What it shows, for those who cannot see it."""
    caption: str
    """Plain text, below the picture."""


Block = Heading | Paragraph | Bullets | Code | Box | Table | Picture


@dataclass(frozen=True)
class Document:
    """A title and what follows."""

    title: str
    """Plain text."""
    blocks: tuple[Block, ...]
    """In reading order."""
