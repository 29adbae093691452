"""The results page of an experiment, as Markdown and as one HTML file."""

from __future__ import annotations

from pathlib import Path

from lscube.evaluate.page.sections import results_document
from lscube.evaluate.page.to_html import render_html
from lscube.evaluate.page.to_markdown import render_markdown
from lscube.evaluate.results import ExperimentResults
from lscube.files import appearing
from lscube.paths import StrPath

__all__ = ["write_page"]


def write_page(folder: StrPath, results: ExperimentResults) -> tuple[Path, Path]:
    """Write `results.md` and `results.html` into a folder.

    Parameters
    ----------
    folder
        Its `figures` hold what `lscube.evaluate.figures.draw_figures` drew, and the confusion maps
        that the scores name. Markdown refers to them, HTML contains them.
    results
        What the experiment found.

    Returns
    -------
    tuple of Path
        The Markdown and the HTML file.

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    folder = Path(folder)
    document = results_document(results, folder)
    texts = {
        folder / "results.md": render_markdown(document),
        folder / "results.html": render_html(document, folder),
    }
    for path, text in texts.items():
        with appearing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    markdown, page = texts
    return markdown, page
