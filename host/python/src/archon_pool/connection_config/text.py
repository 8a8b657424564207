"""Connection strings with the quotes, byte order mark and line break that copying and mounting add."""

from __future__ import annotations

import re

from . import conninfo, url
from .parts import Parts
from .target import invalid, is_unicode

_URL = re.compile(rf"(?:{'|'.join(url.SCHEMES)})(?:\+[a-z0-9+]{{0,40}})?://|dbcs?:(?:[a-z0-9-]+:){{0,2}}postgres")


def parts(text: str) -> Parts:
    """Parses a URL or key=value text."""
    if not is_unicode(text):
        raise invalid("the connection text holds a lone surrogate, which is no character")
    text = unwrapped(text)
    if not text:
        raise invalid("the connection text is empty: it must start with postgres:// or postgresql://")
    scheme = url.Scheme.of(text)
    if scheme is not None:
        if "\n" in text or "\r" in text:
            raise invalid("the URL holds a line break: write it on one line")
        return url.parts(scheme)
    before, slashes, _ = text.partition("://")
    if "=" in text and (not slashes or "=" in before):
        return conninfo.parts(text)
    raise url.no_url()


def unwrapped(text: str) -> str:
    """Removes white space, a byte order mark, quotes, and a leading `psql` as offered by dashboards."""
    text = _stripped(text)
    if text.startswith(("psql ", "psql\t")):
        text = _stripped(text[4:])
    for quote in "\"'`":
        if len(text) > 1 and text[0] == quote == text[-1]:
            return _stripped(text[1:-1])
    return text


def holds_connection_text(text: str) -> bool:
    """Returns true if the text contains a connection string, also within quotes or after blanks."""
    text = "".join(text.split()).lower()
    return "password=" in text or _URL.search(text) is not None


def _stripped(text: str) -> str:
    begin, end = 0, len(text)
    while begin < end and _is_blank(text[begin]):
        begin += 1
    while begin < end and _is_blank(text[end - 1]):
        end -= 1
    return text[begin:end]


def _is_blank(letter: str) -> bool:
    return letter.isspace() or letter == "\ufeff"
