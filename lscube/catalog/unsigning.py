"""Text and items without signatures: what may be shown, saved and passed on."""

from __future__ import annotations

import re
from typing import Any

_SECRETS = re.compile(
    r"(sig|signature|token|access_?token|auth|authorization|api[-_]?key|(.*-)?subscription-key|jwt"
    r"|awsaccesskeyid|googleaccessid|key-pair-id|x-(amz|goog)-.*)",
    re.IGNORECASE,
)
"""Query parameters that are or belong to a signature."""

_COMPANIONS = re.compile(
    r"(s[vtrpei]|ss|srt|spr|sip|sks|skt|ske|skv|skoid|sktid|saoid|suoid|scid|sdd|expires|policy)",
    re.IGNORECASE,
)
"""Query parameters that belong to a signature where there is one (Azure's and CloudFront's)."""


def unsigned(text: str) -> str:
    """Strip signatures, tokens and passwords from an address, or from a message with addresses.

    Other parts of a query stay: `...tif?v=2&sig=abc` becomes `...tif?v=2`.
    """
    text = re.sub(r"(?<=://)[^/?#\s@'\"<>]+@", "", text)
    # A query ends at a blank or a quote; a full stop or bracket before that belongs to the sentence.
    return re.sub(r"\?([^\s\"'<>#]*?)(?=[.,;:)\]]*(?:[\s\"'<>#]|$))", _without_secrets, text)


def _without_secrets(query: re.Match[str]) -> str:
    parameters = query[1].split("&")
    names = [parameter.partition("=")[0] for parameter in parameters]
    if not any(_SECRETS.fullmatch(name) for name in names):
        return query[0]
    kept = [
        parameter
        for name, parameter in zip(names, parameters, strict=True)
        if not _SECRETS.fullmatch(name) and not _COMPANIONS.fullmatch(name)
    ]
    return "?" + "&".join(kept) if kept else ""


def unsigned_content(content: Any) -> Any:
    """Strip signatures from every text in the content of a JSON document."""
    if isinstance(content, dict):
        # What the Planetary Computer's package leaves in items that it signed.
        secret = ("msft:expiry", "credential")
        return {key: unsigned_content(v) for key, v in content.items() if key not in secret}
    if isinstance(content, list):
        return [unsigned_content(value) for value in content]
    return unsigned(content) if isinstance(content, str) else content
