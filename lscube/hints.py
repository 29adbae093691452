"""Names that were probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """A question, "did you mean X?", or nothing where no known name is like the word."""
    near = difflib.get_close_matches(word.lower(), [*known], n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
