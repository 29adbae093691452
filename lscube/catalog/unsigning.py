"""Items without signatures: what may be shown, saved and passed on."""

from __future__ import annotations

from typing import Any

from lscube.redaction import unsigned as unsigned


def unsigned_content(content: Any) -> Any:
    """Strip signatures from every text in the content of a JSON document."""
    if isinstance(content, dict):
        # What the Planetary Computer's package leaves in items that it signed.
        secret = ("msft:expiry", "credential")
        return {key: unsigned_content(v) for key, v in content.items() if key not in secret}
    if isinstance(content, list):
        return [unsigned_content(value) for value in content]
    return unsigned(content) if isinstance(content, str) else content
