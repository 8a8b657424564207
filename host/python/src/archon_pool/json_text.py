"""JSON of others: its depth and the number of its values are counted before it is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 64
"""How deep lists and objects may lie in one another. The contract's own lie eight deep."""
MOST_VALUES = 1_000_000
"""A value costs some 60 to 100 bytes once it is parsed, however short it is in the text."""

_TOKEN = re.compile(r'"[^"]*"|[\[{\]},]')


class CountError(ValueError):
    """There is too much in the text. The message repeats nothing of it."""


def parse(text: str) -> Any:
    """Parses a text after it was counted."""
    _count(text)
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise CountError(f"it is more than {DEEPEST} deep") from None


def _refuse(name: str) -> Any:
    """`NaN` and the infinities are Python's, and nobody else's JSON."""
    raise ValueError(f"{name} is no number of JSON")


def _count(text: str) -> None:
    """Counts up to the first error of syntax: the parser stops there, too."""
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
