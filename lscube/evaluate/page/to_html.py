"""A document as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path

from lscube.evaluate.figures.common import MODEL_NAME
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

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  padding: 0 1rem 3rem; max-width: 62rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2em; border-bottom: 1px solid #ddd; }
.scroll { overflow-x: auto; margin: 1.2em 0; } table { border-collapse: collapse; font-size: .9em; }
caption { text-align: left; padding: .3em 0; color: #444; } th { background: #f3f3f3; }
th, td { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: left; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: 1.5em 0; overflow-x: auto; } img { max-width: 100%; height: auto; }
@media (max-width: 40rem) { img { max-width: none; width: 40rem; } }
figcaption { font-size: .9em; color: #444; }
.box { border: 2px solid #b35900; background: #fff6e8; padding: .2em 1em; border-radius: 6px; }
pre { background: #f3f3f3; padding: .6em; overflow-x: auto; } sub, sup { line-height: 0; font-size: .75em; }
"""


def render_html(document: Document, folder: Path) -> str:
    """Write a document as HTML.

    Parameters
    ----------
    document
        What to write.
    folder
        Where its pictures lie; they are put into the text.
    """
    title = escape(document.title)
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    blocks = [f"<h1>{_text(document.title)}</h1>"]
    blocks += [_rendered(block, folder) for block in document.blocks]
    return head + "\n".join(blocks) + "\n</body>\n</html>\n"


def _text(text: str) -> str:
    """Escape text, and set the models' names as the paper does."""
    return re.sub(MODEL_NAME, r"M<sub>\1</sub><sup>\2</sup>", escape(text))


def _rendered(block: Block, folder: Path) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_text(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
        case Box(title, paragraphs):
            inner = "".join(f"<p>{_text(text)}</p>" for text in paragraphs)
            return f'<div class="box"><p><strong>{_text(title)}</strong></p>{inner}</div>'
        case Table():
            return _table(block)
        case Picture(name, alt, caption):
            data = base64.b64encode((folder / name).read_bytes()).decode("ascii")
            image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_text(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = _row(table, "th", table.header)
    body = "".join(_row(table, "td", row) for row in table.rows)
    return (
        f'<div class="scroll"><table><caption>{_text(table.caption)}</caption>'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _row(table: Table, tag: str, cells: tuple[str, ...]) -> str:
    def cell(column: int, text: str) -> str:
        number = ' class="n"' if column >= table.text_columns else ""
        return f"<{tag}{number}>{_text(text)}</{tag}>"

    return f"<tr>{''.join(cell(column, text) for column, text in enumerate(cells))}</tr>"
