"""Decoding of server texts, in any encoding and cut at any byte.

Sessions request no conversion (`client_encoding = SQL_ASCII`), so that none can fail. Valid UTF-8 is kept; other texts
are decoded with the connected database's encoding, and undecodable bytes become U+FFFD.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Mapping
from functools import cache

_CODECS = {"windows-874": "cp874", "euc-kr": "cp949", "gbk": "gb18030", "big5": "big5hkscs"}
"""WHATWG labels for which Python has another codec, or none."""

_OF_SEVERAL_BYTES = frozenset(["utf-8", "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis"])

_SYMBOLS = {"euc-jp": tuple(zip("〜‖−¢£¬", "～∥－￠￡￢"))}  # noqa: RUF001 - these are what differs
"""Symbols that the WHATWG decodes like Windows, and Python like JIS."""

_CHUNK = 64 << 10
_MOST_PER_BYTE = 4
"""Maximum memory per input byte: no codec decodes one byte to two characters, and no character takes more."""
_HEADER_BYTES = 64


class TextEncoding:
    """Encoding of a database's texts."""

    def __init__(self, server_encoding: str | None = None, labels: Mapping[str, str] | None = None) -> None:
        """Creates an encoding; `labels` has the WHATWG label of each of PostgreSQL's encodings."""
        label = (labels or {}).get(server_encoding or "", "utf-8")
        self._codec = _CODECS.get(label, label)
        self._symbols = _SYMBOLS.get(label, ())
        self._table = None if label in _OF_SEVERAL_BYTES else _table(self._codec, label.startswith("windows-"))

    def decode(self, raw: bytes) -> str:
        """Decodes a text as far as possible. Rows of other databases may be in another encoding."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return self._decode(raw)

    def decode_within(self, raw: bytes, most_bytes: int) -> str | None:
        """Decodes a text; returns None if it would exceed `most_bytes`, without ever keeping more than that."""
        if len(raw) * _MOST_PER_BYTE <= most_bytes:
            return self.decode(raw)
        try:
            if _weighs_more(_utf8_in_chunks(raw), most_bytes):
                return None
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return None if _weighs_more(self._in_chunks(raw), most_bytes) else self._decode(raw)

    def _decode(self, raw: bytes) -> str:
        """Decodes the database's encoding with C functions only: a server can send invalid bytes throughout."""
        if self._table is not None:
            return codecs.charmap_decode(raw, "strict", self._table)[0]
        text = raw.decode(self._codec, "replace")
        for python_s, whatwg_s in self._symbols:
            text = text.replace(python_s, whatwg_s)
        return text

    def _in_chunks(self, raw: bytes) -> Iterator[str]:
        # A character cut at a chunk's end becomes U+FFFD, at most one per chunk.
        return (self._decode(raw[at : at + _CHUNK]) for at in range(0, len(raw), _CHUNK))

    def encode(self, text: str) -> bytes:
        """Encodes a parameter. Characters that the database does not support become `?`, which equals no name with
        them.
        """
        return text.encode(self._codec, "replace")


def _utf8_in_chunks(raw: bytes) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(raw), _CHUNK):
        yield decoder.decode(raw[at : at + _CHUNK])
    yield decoder.decode(b"", final=True)


def _weighs_more(chunks: Iterator[str], most_bytes: int) -> bool:
    """Returns true if a text exceeds `most_bytes`, without keeping it."""
    length, widest, encoded = 0, 1, 0
    for chunk in chunks:
        length += len(chunk)
        widest = max(widest, _width(chunk))
        encoded += _encoded_bytes(chunk)
        if max(encoded, length * widest) > most_bytes:
            return True
    return False


def weight(text: str) -> int:
    """Returns the size of a text: in UTF-8, as a component gets it, or in Python's memory, whichever is larger."""
    return max(_encoded_bytes(text), sys.getsizeof(text) - _HEADER_BYTES)


def _encoded_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _width(text: str) -> int:
    """Returns the number of bytes per character in Python's memory."""
    widest = ord(max(text, default="\0"))
    return 1 if widest < 0x100 else 2 if widest < 0x1_0000 else 4


@cache
def _table(codec: str, keeps_controls: bool) -> str:
    """Returns the character of each byte. Unassigned bytes of Windows code pages are control characters in the WHATWG's
    standard.
    """

    def letter(byte: int) -> str:
        try:
            return bytes([byte]).decode(codec)
        except UnicodeDecodeError:
            return chr(byte) if keeps_controls and 0x80 <= byte < 0xA0 else "\ufffd"

    return "".join(map(letter, range(256)))


UTF8 = TextEncoding()
