"""Texts of a server, in any encoding and cut anywhere.

Sessions ask for no conversion (`client_encoding = SQL_ASCII`), so that the server can refuse none. A text that is
UTF-8 stays as it is; any other is read in the encoding of the connected database, and what cannot be read is U+FFFD.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Mapping
from functools import cache

_CODECS = {"windows-874": "cp874", "euc-kr": "cp949", "gbk": "gb18030", "big5": "big5hkscs"}
"""Labels of the WHATWG under which Python has another codec, or none."""

_OF_SEVERAL_BYTES = frozenset(["utf-8", "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis"])

_SYMBOLS = {"euc-jp": tuple(zip("〜‖−¢£¬", "～∥－￠￡￢"))}  # noqa: RUF001 - these are what differs
"""Symbols that the WHATWG reads as Windows does, and Python as JIS."""

_CHUNK = 64 << 10
_MOST_PER_BYTE = 4
"""What a byte can decode to at the most: no codec makes two letters of one, and no letter takes more."""
_HEADER_BYTES = 64


class TextEncoding:
    """Encoding of a database's texts."""

    def __init__(self, server_encoding: str | None = None, labels: Mapping[str, str] | None = None) -> None:
        """`labels` has the WHATWG label of each of PostgreSQL's encodings."""
        label = (labels or {}).get(server_encoding or "", "utf-8")
        self._codec = _CODECS.get(label, label)
        self._symbols = _SYMBOLS.get(label, ())
        self._table = None if label in _OF_SEVERAL_BYTES else _table(self._codec, label.startswith("windows-"))

    def decode(self, raw: bytes) -> str:
        """A text as far as it can be read. A row of another database need not be in this one's encoding."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return self._decode(raw)

    def decode_within(self, raw: bytes, most_bytes: int) -> str | None:
        """The same, or none where it would weigh more. Not even a part of more than that is kept."""
        if len(raw) * _MOST_PER_BYTE <= most_bytes:
            return self.decode(raw)
        try:
            if _weighs_more(_utf8_in_chunks(raw), most_bytes):
                return None
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return None if _weighs_more(self._in_chunks(raw), most_bytes) else self._decode(raw)

    def _decode(self, raw: bytes) -> str:
        """Reads the database's encoding, by functions in C alone: a server can send what is wrong in every byte."""
        if self._table is not None:
            return codecs.charmap_decode(raw, "strict", self._table)[0]
        text = raw.decode(self._codec, "replace")
        for python_s, whatwg_s in self._symbols:
            text = text.replace(python_s, whatwg_s)
        return text

    def _in_chunks(self, raw: bytes) -> Iterator[str]:
        # A character that is cut is U+FFFD here, at most one in each chunk.
        return (self._decode(raw[at : at + _CHUNK]) for at in range(0, len(raw), _CHUNK))

    def encode(self, text: str) -> bytes:
        """A parameter. A character that the database cannot hold becomes `?`, which equals no name with it."""
        return text.encode(self._codec, "replace")


def _utf8_in_chunks(raw: bytes) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(raw), _CHUNK):
        yield decoder.decode(raw[at : at + _CHUNK])
    yield decoder.decode(b"", final=True)


def _weighs_more(chunks: Iterator[str], most_bytes: int) -> bool:
    """Weighs a text without keeping it."""
    length, widest, encoded = 0, 1, 0
    for chunk in chunks:
        length += len(chunk)
        widest = max(widest, _width(chunk))
        encoded += _encoded_bytes(chunk)
        if max(encoded, length * widest) > most_bytes:
            return True
    return False


def weight(text: str) -> int:
    """The bytes of a text: in UTF-8, as a component gets it, or as Python keeps it, which of them is more."""
    return max(_encoded_bytes(text), sys.getsizeof(text) - _HEADER_BYTES)


def _encoded_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _width(text: str) -> int:
    """Bytes that Python keeps for each letter."""
    widest = ord(max(text, default="\0"))
    return 1 if widest < 0x100 else 2 if widest < 0x1_0000 else 4


@cache
def _table(codec: str, keeps_controls: bool) -> str:
    """The letter of each byte. Bytes that a Windows code page leaves open are control characters to the WHATWG."""

    def letter(byte: int) -> str:
        try:
            return bytes([byte]).decode(codec)
        except UnicodeDecodeError:
            return chr(byte) if keeps_controls and 0x80 <= byte < 0xA0 else "\ufffd"

    return "".join(map(letter, range(256)))


UTF8 = TextEncoding()
