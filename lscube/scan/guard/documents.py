"""What comes from outside as JSON, XML or text: parsed without surprises, and bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from lscube.catalog import unsigned
from lscube.errors import RefusedError, SourceError
from lscube.files import decoded
from lscube.markup import clean_text
from lscube.settings.scan_rules import LimitSettings


def parse_json(content: bytes, origin: str, limits: LimitSettings) -> Any:
    """Parse JSON of bounded size: no NaN, no endless nesting.

    Parameters
    ----------
    content
        UTF-8 or UTF-16.
    origin
        Address or path, for messages.
    limits
        What is taken.

    Raises
    ------
    RefusedError
        There is more than the limits allow.
    SourceError
        It is no JSON.
    """
    _check_size(content, origin, limits)
    try:
        document = json.loads(decoded(content), parse_constant=_no_constant)
    except RecursionError:
        raise too_much(origin, "deeply nested lists", f"{limits.depth} levels") from None
    except ValueError as error:
        raise _unreadable(origin, "JSON", str(error)) from None
    check_extent(document, origin, limits)
    return document


def parse_xml(content: bytes, origin: str, limits: LimitSettings) -> Element:
    """Parse XML of bounded size, without document types, entities or references (CWE-611, CWE-776).

    Raises
    ------
    RefusedError
        There is more than the limits allow.
    SourceError
        It is no XML, or brings entities.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    _check_size(content, origin, limits)
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise _unreadable(origin, "XML without a document type", "it has one") from None
    except (ParseError, ValueError, LookupError) as error:
        raise _unreadable(origin, "XML", str(error)) from None
    for _ in _levels(root, iter, "elements", origin, limits):
        pass
    return root


def _check_size(content: bytes, origin: str, limits: LimitSettings) -> None:
    if len(content) > limits.feed_bytes:
        raise too_much(origin, f"{len(content):,} bytes", f"{limits.feed_bytes:,}")


def check_extent(document: Any, origin: str, limits: LimitSettings) -> None:
    """Refuse a document with too many values, too deep in one another, or numbers without end.

    Raises
    ------
    RefusedError
        There is more than the limits allow.
    """
    for level in _levels(document, _inside, "values", origin, limits):
        if not all(math.isfinite(value) for value in level if isinstance(value, float)):
            raise too_much(origin, "a number without end", "finite ones")


def number(value: Any) -> float | None:
    """A finite number, from a number or a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value[:40] if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def too_much(origin: str, found: str, most: str) -> RefusedError:
    """Say that there is more than is taken."""
    return RefusedError(
        f"Expected at most {most} in {clean_text(unsigned(origin))}, got {found}; see [limits]."
    )


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _levels(
    root: Any,
    inside: Callable[[Any], Iterable[Any]],
    word: str,
    origin: str,
    limits: LimitSettings,
) -> Iterator[list[Any]]:
    """What is in a document, level by level, as far as the limits let it go."""
    level, depth, values = [root], 0, 0
    while level:
        depth, values = depth + 1, values + len(level)
        if depth > limits.depth or values > limits.values:
            found = f"{values:,} {word}, {depth} levels deep"
            raise too_much(origin, found, f"{limits.values:,}, {limits.depth} levels deep")
        yield level
        level = [inner for value in level for inner in inside(value)]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unreadable(origin: str, what: str, reason: str) -> SourceError:
    return SourceError(
        f"Expected {what} in {clean_text(unsigned(origin))}, but it cannot be read "
        f"({clean_text(reason)}); try again later, or correct the address."
    )
