"""Text without secrets: what may be shown, logged and saved."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping

HIDDEN = "***"
"""What stands where a secret stood."""

_SECRETS = re.compile(
    r"(sig|signature|token|access_?token|auth|authorization|api[-_]?key|(.*-)?subscription-key|jwt"
    r"|awsaccesskeyid|ossaccesskeyid|googleaccessid|key-pair-id|x-(amz|goog|oss|obs|cos)-.*"
    r"|q-(sign|ak|key|header|url|signature).*|hdn(ea|ts|tl)|__(token|gda)__|security-token|hmac)",
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


class WithoutSignatures(logging.Filter):
    """Takes signatures out of what a library logs: it names files by the address that was opened."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record's message; keep it."""
        record.msg, record.args = unsigned(record.getMessage()), ()
        return True


def log_unsigned(*names: str) -> None:
    """Let loggers of libraries log without signatures; each by its name: none acts on those below it."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutSignatures) for one in logger.filters):
            logger.addFilter(WithoutSignatures())


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


_WORDS = (
    r"secret|token|passw(?:or)?d|passphrase|credential|signature|cookie|authorization|jwt"
    r"|(?:api|access|account|private|shared|subscription|session|master)[-_]?key"
    r"|connection[-_]?string|googleaccessid|key-pair-id"
)
"""What makes the name of a setting, variable, header or parameter the name of a secret."""

# Possessive (`++`) and bounded, so that any text takes time in proportion to its length.
_QUOTE = r"\\*+[\"']"
_QUOTED = rf"(?P<quote>{_QUOTE})(?:(?!(?P=quote))(?:\\.|[^\r\n]))*+(?P=quote)?"
"""To the same quote, with as many backslashes before it; what was cut off ends with its line."""

_NAMED = re.compile(
    rf"(?<![\w.-])(?P<name>(?=[\w.-]*?(?:{_WORDS})|(?:sig|auth|pwd|sas)(?![\w.-]))"
    rf"[\w.-]++(?:{_QUOTE})?\s*+(?:[=:]|%3D)\s*+)(?:{_QUOTED}|[^\s\"'<>,;&)}}\]]++)",
    re.IGNORECASE,
)
"""`NAME=value`, `name: value`, `"name": "value"`, and with the quotes escaped."""

_HEADER = re.compile(
    rf"(?P<name>\b(?:proxy-)?authorization(?:{_QUOTE})?\s*+[=:,]\s*+)(?:{_QUOTED}|[^\r\n]++)",
    re.IGNORECASE,
)
"""A header takes all its line: a scheme and what follows it."""

_SCHEME = re.compile(r"\b(basic|bearer|negotiate|sharedkey)\s++[\w.~+/:=-]{6,}+", re.IGNORECASE)

_LOGIN = re.compile(r"(://)[^\s/'\"<>@:]{0,200}+:(?!\d+/)[^\s'\"<>]{0,400}@")
"""User and password, whatever stands in the password."""

_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|(?<![\w-])eyJ[\w-]{8,}+\.[\w-]++(?:\.[\w-]*+)?|\bya29\.[\w-]++"
    r"|\bgh[pousr]_\w{20,}+|\bhf_\w{20,}+|(?<![\w-])(?:glpat-[\w-]{16,}+|xox[abprs]-[\w-]{8,}+)"
)
"""Keys and tokens that are known by their look: AWS, JSON web tokens, Google, GitHub, GitLab and others."""

_KEY_BLOCK = re.compile(
    r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL
)

_VARIABLE = re.compile(rf"({_WORDS}|_SAS)", re.IGNORECASE)
_HARMLESS = re.compile(r"(_FILE|_PATH|_URL|_DIR|_ENDPOINT|_SOCK)$", re.IGNORECASE)
_SHORTEST = 6
"""Letters of a variable's value that is looked for: shorter ones are words."""


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Hide secrets in a text: for logs, tracebacks and whatever is printed.

    Hidden are signatures and tokens in addresses, users and passwords before a host, `Authorization` and
    cookies, values of settings and variables that are named like secrets, private keys, tokens that are known
    by their look, and the values of this process's variables that are named so, wherever they stand.

    Parameters
    ----------
    text
        Any.
    environment
        Variables; by default this process's.
    """
    for secret in _values(os.environ if environment is None else environment):
        text = text.replace(secret, HIDDEN)
    text = _KEY_BLOCK.sub(rf"\1 {HIDDEN}", text)
    text = _LOGIN.sub(r"\1", unsigned(text))
    text = _NAMED.sub(_hide, _HEADER.sub(_hide, text))
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    return _SHAPES.sub(HIDDEN, text)


def _hide(found: re.Match[str]) -> str:
    quote = found["quote"] or ""
    return f"{found['name']}{quote}{HIDDEN}{quote}"


def is_secret(name: str) -> bool:
    """Whether a setting, variable, header or field is named like a secret."""
    return _VARIABLE.search(name) is not None


def _values(environment: Mapping[str, str]) -> list[str]:
    """Values of variables that are named like secrets, the longest first."""
    found = {
        value
        for name, value in environment.items()
        if len(value) >= _SHORTEST and is_secret(name) and not _HARMLESS.search(name)
    }
    return sorted(found, key=len, reverse=True)
