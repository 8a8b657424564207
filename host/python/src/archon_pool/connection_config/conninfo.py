"""Connection strings of the form key=value, as in libpq."""

from __future__ import annotations

import re

from . import keywords
from .parts import Parts
from .target import holds_separator, invalid

_NAME = re.compile(r"([^=\s]*)\s*(=?)\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'\s*", re.DOTALL)
_BARE = re.compile(r"((?:[^\s\\]|\\.|\\$)*)\s*", re.DOTALL)


def parts(text: str) -> Parts:
    """Parses a key=value text."""
    if _is_ado_net(text):
        raise invalid("parameters are separated by ';': give a postgres:// URL, or separate them by blanks")
    if "\0" in text:
        raise invalid("the connection text holds a zero byte")
    found, text, place = Parts(), text.strip(), 0
    while place < len(text):
        name = _NAME.match(text, place)
        if name is None or not name[2]:
            raise invalid("an '=' is missing in the key=value text: quote a value with blanks, as in password='a b'")
        place = name.end()
        value = (_QUOTED if text[place : place + 1] == "'" else _BARE).match(text, place)
        if value is None:
            raise invalid("a quoted value is not closed: write \\' for a quote within it")
        unescaped, part = re.sub(r"\\(.?)", r"\1", value[1], flags=re.DOTALL), keywords.repeated_part(name[1])
        if part is not None and text[place : place + 1] != "'" and holds_separator(unescaped):
            raise invalid(
                f"a '&', ';' or '=' in the {part}: parameters are separated by blanks; quote a value that holds one, "
                "as in dbname='a;b'"
            )
        found.parameter(name[1], unescaped)
        place = value.end()
    return found


def _is_ado_net(text: str) -> bool:
    """Returns true for `Host=h;Username=u`: exactly one '=' in each of the first two parts."""
    pairs = [pair.count("=") for pair in text.split(";")]
    return pairs[:2] == [1, 1]
