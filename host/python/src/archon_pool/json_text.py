"""JSON parser for untrusted texts: depth and number of values are checked before parsing."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 64
"""Maximum nesting depth of lists and objects; the contract's own is eight."""
MOST_VALUES = 1_000_000
"""Maximum number of values: a parsed value takes some 60 to 100 bytes even if its text is short."""

_TOKEN = re.compile(r'"[^"]*"|[\[{\]},]')


class CountError(ValueError):
    """Error for a text over the limits. The message never quotes the text."""


def parse(text: str) -> Any:
    """Parses a text after checking its limits."""
    _count(text)
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise CountError(f"it is more than {DEEPEST} deep") from None


def _refuse(name: str) -> Any:
    """Refuses `NaN` and the infinities, which only Python accepts."""
    raise ValueError(f"{name} is no number of JSON")


def _count(text: str) -> None:
    """Counts up to the first syntax error, where the parser also stops."""
    # Without escapes a string ends at the next quotation mark.
    plain = text.replace("\\\\", "").replace('\\"', "")
    depth = 0
    values = 1
    for token in _TOKEN.finditer(plain):
        first = plain[token.start()]
        if first == '"':
            continue
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
            continue
        values += 1
        if depth > DEEPEST:
            raise CountError(f"it is more than {DEEPEST} deep")
        if values > MOST_VALUES:
            raise CountError(f"it has more than {MOST_VALUES} values")
